package publication_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stockfold/stockfold/adapters/broker"
	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/projections"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/publication"
	"github.com/stockfold/stockfold/services/servicetest"
)

// patience bounds waiting for what must come; no test depends on how long it takes.
const patience = 30 * time.Second

// shelf keeps what was published: the last value of each SKU and channel.
type shelf struct {
	mu      sync.Mutex
	last    map[string]int64
	count   int
	fails   error
	changed chan struct{}
	w       *servicetest.World // values must be readable before they are published
	t       *testing.T
}

func newShelf(t *testing.T, w *servicetest.World) *shelf {
	return &shelf{last: map[string]int64{}, changed: make(chan struct{}, 1), w: w, t: t}
}

func (s *shelf) Publish(ctx context.Context, messages []publication.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return s.fails
	}
	for _, m := range messages {
		v := &pb.AvailabilityChanged{}
		if err := protojson.Unmarshal(m.Value, v); err != nil {
			return err
		}
		a := v.Availability
		now, err := s.w.View.Get(ctx, a.Sku, a.Channel)
		if err != nil || now.Position < a.Position {
			s.t.Errorf("%v was published before it was readable: %+v, %v", a, now, err)
		}
		s.last[a.Channel+"/"+a.Sku] = a.Ats
		s.count++
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

func (s *shelf) await(t *testing.T, what string, want int64) {
	t.Helper()
	limit := time.After(patience)
	for {
		s.mu.Lock()
		got, ok := s.last[what]
		s.mu.Unlock()
		if ok && got == want {
			return
		}
		select {
		case <-s.changed:
		case <-limit:
			t.Fatalf("%s was last published as %d (%v), want %d", what, got, ok, want)
		}
	}
}

func start(t *testing.T, c publication.Config) (s *publication.Service, stop func()) {
	t.Helper()
	s = publication.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return s, stop
}

func shop(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{Heartbeat: 10 * time.Millisecond})
	w.Shop()
	w.Channel("store", "berlin")
	return w
}

func TestEveryChannelsValuesArePublishedOnceReadable(t *testing.T) {
	w := shop(t)
	w.Count("milk", 10) // before it starts
	p := newShelf(t, w)
	s, _ := start(t, publication.Config{Changes: w.View, Producer: p, Checkpoints: w.Store})
	p.await(t, "web/milk", 10)
	p.await(t, "store/milk", 10)
	for i := range 50 {
		w.Count("milk", int64(20+i))
		w.Count(fmt.Sprint("sku", i), int64(i))
	}
	p.await(t, "web/milk", 69)
	for i := range 50 {
		p.await(t, fmt.Sprint("store/sku", i), int64(i))
	}
	if x := s.Status(); x.Published == 0 || x.Error != "" {
		t.Errorf("status %+v", x)
	}
}

func TestAChangeOfPolicyIsPublished(t *testing.T) {
	w := shop(t)
	w.Count("milk", 10)
	p := newShelf(t, w)
	start(t, publication.Config{Changes: w.View, Producer: p, Checkpoints: w.Store})
	p.await(t, "web/milk", 10)
	_, err := w.PolicyClient().PutChannel(t.Context(), &pb.PutChannelRequest{
		Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}, Buffer: 3}})
	if err != nil {
		t.Fatal(err)
	}
	p.await(t, "web/milk", 7)
	p.await(t, "store/milk", 10)
}

func TestNoLastValueIsLostOverAStop(t *testing.T) {
	w := shop(t)
	p := newShelf(t, w)
	config := publication.Config{Changes: w.View, Producer: p, Checkpoints: w.Store}
	_, stop := start(t, config)
	w.Count("milk", 10)
	w.Count("bread", 5)
	p.await(t, "web/milk", 10)
	p.await(t, "web/bread", 5)
	stop()
	w.Count("milk", 11)
	p.mu.Lock()
	p.count = 0
	p.mu.Unlock()
	_, stop = start(t, config)
	p.await(t, "web/milk", 11)
	p.await(t, "store/milk", 11)
	stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count > 4 { // the last change before the stop may come again, not all there is
		t.Errorf("%d values were published after the restart", p.count)
	}
}

func TestTroubleWithTheBrokersPausesAndLosesNothing(t *testing.T) {
	w := shop(t)
	p := newShelf(t, w)
	p.fail(errors.New("brokers on fire"))
	s, _ := start(t, publication.Config{Changes: w.View, Producer: p, Checkpoints: w.Store})
	w.Count("milk", 10)
	until := func(reached func(publication.Status) bool) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for limit := time.After(patience); !reached(s.Status()); {
			select {
			case <-tick.C:
			case <-limit:
				t.Fatalf("status %+v", s.Status())
			}
		}
	}
	until(func(x publication.Status) bool { return x.Retries >= 2 })
	if x := s.Status(); !strings.Contains(x.Error, "brokers on fire") || x.Published != 0 {
		t.Errorf("status %+v", x)
	}
	p.fail(nil)
	p.await(t, "web/milk", 10)
	until(func(x publication.Status) bool { return x.Error == "" }) // soon after the values came
}

// forgetful loses every position: after a crash nothing of it was on disk yet.
type forgetful struct{ projections.Checkpoints }

func (forgetful) SaveCheckpoint(context.Context, string, uint64) error { return nil }

func TestALostPositionOnlyPublishesAgain(t *testing.T) {
	w := shop(t)
	p := newShelf(t, w)
	config := publication.Config{Changes: w.View, Producer: p, Checkpoints: forgetful{w.Store}}
	_, stop := start(t, config)
	w.Count("milk", 10)
	p.await(t, "web/milk", 10)
	stop()
	p.mu.Lock()
	clear(p.last)
	p.mu.Unlock()
	start(t, config)
	p.await(t, "web/milk", 10)
}

func TestReadersOfTheTopicSeeEveryLastValue(t *testing.T) {
	w := shop(t)
	b, err := broker.Start(broker.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0", NoSync: true, Topics: []broker.Topic{{Name: publication.Topic, Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	producer, err := kafka.NewProducer(kafka.Config{Brokers: []string{b.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { producer.Close() })
	start(t, publication.Config{Changes: w.View, Producer: producer, Checkpoints: w.Store})
	for i := range 40 {
		w.Count(fmt.Sprint("sku", i%10), int64(i))
	}

	reader, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics(publication.Topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	last, position, home := map[string]int64{}, map[string]uint64{}, map[string]int32{}
	complete := func() bool {
		for i := range 10 {
			for _, channel := range []string{"web", "store"} {
				if last[fmt.Sprintf("%s/sku%d", channel, i)] != int64(30+i) {
					return false
				}
			}
		}
		return true
	}
	for !complete() {
		f := reader.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatalf("%v; last values %v", err, last)
		}
		f.EachRecord(func(r *kgo.Record) {
			v := &pb.AvailabilityChanged{}
			if err := protojson.Unmarshal(r.Value, v); err != nil {
				t.Fatal(err)
			}
			a := v.Availability
			what := a.Channel + "/" + a.Sku
			if string(r.Key) != a.Sku {
				t.Errorf("%v has key %s", a, r.Key)
			}
			if p, ok := home[a.Sku]; ok && p != r.Partition {
				t.Errorf("%s is in partitions %d and %d", a.Sku, p, r.Partition)
			}
			if a.Position < position[what] {
				t.Errorf("%v came after position %d", a, position[what])
			}
			home[a.Sku], position[what], last[what] = r.Partition, a.Position, a.Ats
		})
	}
}
