package publication_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/adapters/kafka/kafkatest"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/publication"
)

const partitions = 4

// While SKUs change all the time, the broker is killed, frozen and started again: in the topic, the last value of every SKU
// and channel is the true one, and a SKU stays in one partition.
func TestIntegrationTheLastValueOfEverySKUArrives(t *testing.T) {
	const skus = 25
	n := kafkatest.Start(t, kafkatest.Options{})
	config := kafka.Config{Brokers: []string{n.Addr}}
	if err := kafka.EnsureTopics(t.Context(), config, kafka.Topic{Name: publication.Topic, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	producer, err := kafka.NewProducer(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { producer.Close() })
	w := shop(t)
	s, stop := start(t, publication.Config{Changes: w.View, Producer: producer, Checkpoints: w.Store})
	round := 0
	change := func() {
		for i := range skus {
			w.Count(fmt.Sprint("sku", i), int64(1000*round+i))
		}
		round++
	}
	change()
	awaitPublished(t, s, "something to be published", func(x publication.Status) bool { return x.Published > 0 })
	change()
	n.Kill()
	change()
	awaitPublished(t, s, "the trouble to be shown", func(x publication.Status) bool { return x.Error != "" })
	change()
	n.Restart()
	change()
	awaitPublished(t, s, "the trouble to be over", func(x publication.Status) bool { return x.Error == "" })
	n.Freeze()
	change()
	n.Thaw()
	change()

	end, err := w.Store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	awaitPublished(t, s, "everything to be published", func(x publication.Status) bool { return x.Position >= end })
	stop()

	last, messages := readTopic(t, config)
	lost := 0
	for i := range skus {
		for _, channel := range []string{"web", "store"} {
			if got, want := last[fmt.Sprintf("%s/sku%d", channel, i)], int64(1000*(round-1)+i); got != want {
				t.Errorf("sku%d on %s was last published as %d, want %d", i, channel, got, want)
				lost++
			}
		}
	}
	t.Logf("%d changes of %d SKUs on 2 channels, %d messages; last values lost %d", round*skus, skus, messages, lost)
}

func awaitPublished(t *testing.T, s *publication.Service, what string, holds func(publication.Status) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); !holds(s.Status()); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain for %s: %+v", what, s.Status())
		}
	}
}

// readTopic reads the topic from its start to its end: the last value of each SKU and channel, and how many messages there are.
func readTopic(t *testing.T, c kafka.Config) (last map[string]int64, messages int) {
	t.Helper()
	consumer, err := kafka.NewConsumer(c, "readers", publication.Topic)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	last = map[string]int64{}
	home := map[string]int32{}
	for id := range int32(partitions) {
		p := consumer.Partition(publication.Topic, id)
		bounds, err := p.Bounds(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for next := bounds.Start; next < bounds.End; {
			f, err := p.Fetch(ctx, next)
			if err != nil {
				t.Fatal(err)
			}
			next = f.Next
			for _, m := range f.Messages {
				v := &pb.AvailabilityChanged{}
				if err := protojson.Unmarshal(m.Value, v); err != nil {
					t.Fatal(err)
				}
				a := v.Availability
				if other, known := home[a.Sku]; string(m.Key) != a.Sku || known && other != id {
					t.Errorf("%v has key %s and is in partition %d, before in %d", a, m.Key, id, other)
				}
				home[a.Sku], last[a.Channel+"/"+a.Sku] = id, a.Ats
				messages++
			}
		}
	}
	return last, messages
}
