package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// noon is when the messages of these tests begin to come: one a minute.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// fill writes messages to a partition, with the times that are so many minutes after noon.
func fill(t *testing.T, c Config, partition int32, minutes ...int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, m := range minutes {
		r := &kgo.Record{Topic: topic, Partition: partition, Timestamp: noon.Add(time.Duration(m) * time.Minute), Value: []byte("x")}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhereALogEndedAtAnInstant(t *testing.T) {
	c := startBroker(t, 3)
	fill(t, c, 1, 0, 1, 2, 5)
	log := NewLog(c)
	for _, x := range []struct {
		at   time.Duration // after noon
		want int64
	}{{-time.Hour, 0}, {-time.Millisecond, 0}, {0, 1}, {30 * time.Second, 1}, {time.Minute, 2}, {2 * time.Minute, 3}, {4 * time.Minute, 3}, {5 * time.Minute, 4},
		{24 * time.Hour, 4}} {
		if got, ok := log.EndAt(t.Context(), topic, 1, noon.Add(x.at)); !ok || got != x.want {
			t.Errorf("%v after noon it ended at %d, %v; want %d", x.at, got, ok, x.want)
		}
	}
	if got, ok := log.EndAt(t.Context(), topic, 2, noon); !ok || got != 0 {
		t.Errorf("an empty partition ended at %d, %v", got, ok)
	}
}

// Messages that are gone may have come before or after: nothing is said of an instant before the first that is left.
func TestNothingIsSaidOfALogBeforeItsStart(t *testing.T) {
	c := startBroker(t, 1)
	fill(t, c, 0, 0, 1, 2, 3)
	deleteBefore(t, c, 2)
	log := NewLog(c)
	for _, at := range []time.Duration{-time.Hour, 0, 90 * time.Second} {
		if got, ok := log.EndAt(t.Context(), topic, 0, noon.Add(at)); ok {
			t.Errorf("%v after noon it ended at %d", at, got)
		}
	}
	for minutes, want := range map[time.Duration]int64{2: 3, 3: 4, 9: 4} {
		if got, ok := log.EndAt(t.Context(), topic, 0, noon.Add(minutes*time.Minute)); !ok || got != want {
			t.Errorf("%d minutes after noon it ended at %d, %v; want %d", minutes, got, ok, want)
		}
	}
	deleteBefore(t, c, 4)
	if got, ok := log.EndAt(t.Context(), topic, 0, noon); ok {
		t.Errorf("of a log without messages it is said that it ended at %d", got)
	}
}

func TestOfALogThatCannotBeAskedNothingIsKnown(t *testing.T) {
	c := startBroker(t, 1)
	fill(t, c, 0, 0)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, x := range map[string]struct {
		log       *Log
		ctx       context.Context
		topic     string
		partition int32
	}{
		"no such topic":              {NewLog(c), t.Context(), "none", 0},
		"no such partition":          {NewLog(c), t.Context(), topic, 7},
		"an earlier log of the name": {NewLog(c), t.Context(), topic + "#2", 0},
		"no brokers":                 {NewLog(Config{Brokers: []string{"127.0.0.1:1"}}), t.Context(), topic, 0},
		"nobody waits":               {NewLog(c), ended, topic, 0},
	} {
		if got, ok := x.log.EndAt(x.ctx, x.topic, x.partition, noon); ok {
			t.Errorf("%s: it ended at %d", name, got)
		}
	}
}
