package expiry_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/expiry"
	"github.com/stockfold/stockfold/services/servicetest"
)

// shop is a world without a transport, whose expiry runs, and a SKU with plenty.
type shop struct {
	*servicetest.World
	t       *testing.T
	process *expiry.Process
	policy  *stock.Policy
	ends    map[string]aggregates.Instant // of the holds that were placed, by reservation
	late    aggregates.Instant            // how much later than its end an expiry may be recorded
}

func open(t *testing.T, o servicetest.Options) *shop {
	t.Helper()
	// Pools keep channels, which belong to the bubble that made them. Two collections empty every pool.
	runtime.GC()
	runtime.GC()
	o.Quiet = true
	s := &shop{World: servicetest.Start(t, o), t: t, policy: stock.NewPolicy("web", []string{"berlin"}, 0, 60),
		ends: map[string]aggregates.Instant{}, late: aggregates.Second}
	s.process = expiry.New(expiry.Config{Index: s.Reservations, SKUs: s.SKUs, Now: s.Now, Log: s.Log})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.process.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// intention makes an intention of a function.
type intention func(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error)

func (f intention) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	return f(s, m, now)
}

func (s *shop) do(sku, key string, f intention) {
	s.t.Helper()
	if _, err := s.SKUs.Do(context.Background(), sku, aggregates.Metadata{IdempotencyKey: key}, f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) stocked(sku string) {
	s.t.Helper()
	s.do(sku, "stock", func(*stock.State, aggregates.Metadata, aggregates.Instant) ([]aggregates.Event, error) {
		return []aggregates.Event{&stock.StockReceived{Location: "berlin", Quantity: 1_000_000}}, nil
	})
}

func (s *shop) hold(sku, id string, seconds int64) {
	s.t.Helper()
	s.do(sku, id, func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		r, events, err := stock.Reserve(st, stock.ReserveRequest{ReservationID: id, Quantity: 1, HoldSeconds: seconds}, m, s.policy, now)
		s.ends[id] = r.ExpiresAt
		return events, err
	})
}

// sleep lets simulated time pass until a while after the end of a hold.
func (s *shop) sleep(id string, after time.Duration) {
	time.Sleep(time.Until(s.ends[id].Time().Add(after)))
}

// due counts the holds of a SKU, by the prefix of their ids, whose end has come.
func (s *shop) due(prefix string) (n int) {
	for id, end := range s.ends {
		if strings.HasPrefix(id, prefix) && end < s.Now() {
			n++
		}
	}
	return n
}

// expired reads the stream for the ends that were recorded: when, by reservation.
func (s *shop) expired(sku string) map[string]aggregates.Metadata {
	s.t.Helper()
	found := map[string]aggregates.Metadata{}
	err := s.World.Store.ReadStream(context.Background(), "sku-"+sku, 0, func(r aggregates.Record) bool {
		e, m, err := codec.Decode(r)
		if err != nil {
			s.t.Fatal(err)
		}
		if x, ok := e.(*stock.ReservationExpired); ok {
			if _, twice := found[x.ReservationID]; twice {
				s.t.Errorf("%s expired twice", x.ReservationID)
			}
			found[x.ReservationID] = m
			if m.OccurredAt != x.ExpiresAt || m.RecordedAt < x.ExpiresAt || m.RecordedAt > x.ExpiresAt+s.late || m.Actor == "" {
				s.t.Errorf("%s ended at %s, occurred %s, recorded %s by %q", x.ReservationID, x.ExpiresAt.Time(), m.OccurredAt.Time(), m.RecordedAt.Time(), m.Actor)
			}
		}
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func TestEndsAreRecordedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, servicetest.Options{})
		s.stocked("milk")
		s.stocked("bread")
		for i := range int64(30) {
			s.hold("milk", fmt.Sprintf("m-%d", i), 1+i%10)
			s.hold("bread", fmt.Sprintf("b-%d", i), 1+i)
		}
		for i := range int64(10) {
			s.sleep(fmt.Sprintf("m-%d", i), 500*time.Millisecond)
			if m, b := len(s.expired("milk")), len(s.expired("bread")); m != s.due("m-") || b != s.due("b-") || m == 0 {
				t.Errorf("%d and %d ended, of %d and %d", m, b, s.due("m-"), s.due("b-"))
			}
		}
		s.sleep("b-29", 500*time.Millisecond)
		if m, b := len(s.expired("milk")), len(s.expired("bread")); m != 30 || b != 30 {
			t.Errorf("%d and %d ended", m, b)
		}
		if got := s.process.Stats(); got.Expired != 60 || got.Failed != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestAHoldPlacedWhileTheProcessSleepsEndsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, servicetest.Options{})
		s.stocked("milk")
		s.hold("milk", "late", 3600)
		time.Sleep(10 * time.Minute)
		s.hold("milk", "soon", 1)
		s.sleep("soon", 900*time.Millisecond)
		if _, ok := s.expired("milk")["soon"]; !ok {
			t.Error("soon has not ended")
		}
	})
}

func TestWhatWasConfirmedExtendedOrReleasedDoesNotExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, servicetest.Options{})
		s.stocked("milk")
		for _, id := range []string{"confirmed", "extended", "released", "left alone"} {
			s.hold("milk", id, 5)
		}
		s.do("milk", "1", func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			_, events, err := stock.Confirm(st, stock.ConfirmRequest{ReservationID: "confirmed"}, m, now)
			return events, err
		})
		s.do("milk", "2", func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			_, events, err := stock.Extend(st, stock.ExtendRequest{ReservationID: "extended", ExpiresAt: now + 100*aggregates.Second}, m, now)
			return events, err
		})
		s.do("milk", "3", func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			_, events, err := stock.Release(st, stock.ReleaseRequest{ReservationID: "released"}, m, now)
			return events, err
		})
		s.sleep("left alone", 900*time.Millisecond)
		if got := s.expired("milk"); len(got) != 1 || got["left alone"].RecordedAt == 0 {
			t.Errorf("expired %v", got)
		}
		time.Sleep(100 * time.Second)
		if got := s.expired("milk"); len(got) != 2 || got["extended"].RecordedAt == 0 {
			t.Errorf("expired %v", got)
		}
	})
}

func TestManyHoldsThatEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, servicetest.Options{})
		const skus, holds = 5, 700 // more than one round and one command take
		for i := range skus {
			sku := fmt.Sprint(i)
			s.stocked(sku)
			for j := range holds {
				s.hold(sku, fmt.Sprintf("%d-%d", i, j), 5)
			}
		}
		s.sleep("4-699", 900*time.Millisecond)
		for i := range skus {
			if n := len(s.expired(fmt.Sprint(i))); n != holds {
				t.Errorf("%d of SKU %d", n, i)
			}
		}
	})
}

// flaky is a store that refuses appends while it is off.
type flaky struct {
	*pebble.Store
	off *atomic.Bool
}

func (f flaky) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	if f.off.Load() {
		return commands.Appended{}, commands.ErrUnavailable
	}
	return f.Store.Append(ctx, stream, next, events)
}

func TestTroubleWithTheStoreDelaysEndsAndLosesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Bool
		s := open(t, servicetest.Options{Store: func(p *pebble.Store) commands.Store { return flaky{p, &off} }})
		s.stocked("milk")
		s.hold("milk", "cart", 5)
		off.Store(true)
		s.sleep("cart", 500*time.Millisecond)
		off.Store(false)
		if s.process.Stats().Failed == 0 {
			t.Error("nothing failed")
		}
		s.sleep("cart", 900*time.Millisecond)
		if len(s.expired("milk")) != 1 {
			t.Error("cart has not ended")
		}
	})
}

func TestEachEndOccurredWhenItDidHoweverLateItIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Bool
		s := open(t, servicetest.Options{Store: func(p *pebble.Store) commands.Store { return flaky{p, &off} }})
		s.late = 60 * aggregates.Second
		s.stocked("milk")
		for i := range int64(5) {
			s.hold("milk", fmt.Sprint(i), 1+i)
		}
		off.Store(true)
		time.Sleep(30 * time.Second)
		off.Store(false)
		time.Sleep(time.Second)
		if n := len(s.expired("milk")); n != 5 { // expired checks when each occurred
			t.Errorf("%d ended", n)
		}
	})
}

// stuck is a store that takes nothing for one stream.
type stuck struct {
	*pebble.Store
	stream string
	off    *atomic.Bool
}

func (x stuck) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	if stream == x.stream && x.off.Load() {
		return commands.Appended{}, commands.ErrUnavailable
	}
	return x.Store.Append(ctx, stream, next, events)
}

func TestTroubleWithOneSKUDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Bool
		s := open(t, servicetest.Options{Store: func(p *pebble.Store) commands.Store { return stuck{p, "sku-bad", &off} }})
		s.late = 60 * aggregates.Second
		s.stocked("bad")
		s.stocked("good")
		const many = 2*reservations.MaxPage + 1 // due holds of the one, more than are looked up at once
		for i := range many {
			s.hold("bad", fmt.Sprint("bad-", i), 2)
		}
		s.hold("good", "good", 4)
		off.Store(true)
		s.sleep("good", 900*time.Millisecond)
		if len(s.expired("good")) != 1 {
			t.Error("the good SKU's hold has not ended")
		}
		off.Store(false)
		time.Sleep(2 * time.Second)
		if n := len(s.expired("bad")); n != many {
			t.Errorf("%d of %d holds of the other SKU ended", n, many)
		}
	})
}
