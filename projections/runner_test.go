package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/aggregates"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunnerCatchesUpThenFollows(t *testing.T) {
	for _, workers := range []int{1, 8} {
		store, p := newJournal(), newTally(workers)
		want := map[string]int64{}
		for i := range 500 {
			stream := fmt.Sprint("sku-", i%37)
			want[stream] += int64(i)
			store.sold(t, stream, int64(i))
		}
		store.sold(t, "order-1", 1000)
		r, _ := run(t, p, Config{Store: store, Workers: workers})
		reached(t, r, 501)
		p.wantPublished(t, want)
		for i := range 50 {
			stream := fmt.Sprint("sku-", i)
			want[stream] += 3
			reached(t, r, store.sold(t, stream, 3))
			p.wantPublished(t, want)
		}
	}
}

// Large batches are folded by several goroutines; the tally complains when a stream changes its worker.
func TestRunnerFoldsLargeBatchesInParallel(t *testing.T) {
	store, p := newJournal(), newTally(4)
	store.batch = 1000
	want := map[string]int64{}
	for i := range 5000 {
		stream := fmt.Sprint("sku-", i%97)
		want[stream]++
		store.sold(t, stream, 1)
	}
	r, _ := run(t, p, Config{Store: store, Workers: 4})
	reached(t, r, 5000)
	p.wantPublished(t, want)
}

func TestRunnerGoesOnFromItsProgress(t *testing.T) {
	store, p := newJournal(), newTally(2)
	for range 20 {
		store.sold(t, "sku-a", 1)
	}
	r, stop := run(t, p, Config{Store: store, Workers: 2})
	reached(t, r, 20)
	stop()
	for range 5 {
		store.sold(t, "sku-a", 1)
	}
	store.forgetHanded()
	r, _ = run(t, p, Config{Store: store, Workers: 2})
	reached(t, r, 25)
	if n := store.forgetHanded(); n > 5+store.batch {
		t.Fatalf("read %d events to go on with 5", n)
	}
	p.wantPublished(t, map[string]int64{"sku-a": 25})
}

func TestRunnerWritesItsProgressWhenStopped(t *testing.T) {
	store, p := newJournal(), newTally(1)
	for range 10 {
		store.sold(t, "order-1", 1) // of no interest to the projection
	}
	r, stop := run(t, p, Config{Store: store, Workers: 1})
	reached(t, r, 10)
	if p.writes != 0 {
		t.Fatalf("%d writes for events of other streams", p.writes)
	}
	stop()
	if p.progress.Position != 10 {
		t.Fatalf("stopped at %d, want 10", p.progress.Position)
	}
}

func TestRunnerWritesProgressAloneNowAndThen(t *testing.T) {
	store, p := newJournal(), newTally(1)
	store.batch = 1000
	for range progressEvery + 5000 {
		store.put("order-1", "StockSold", nil)
	}
	r, _ := run(t, p, Config{Store: store, Workers: 1})
	reached(t, r, progressEvery+5000)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writes != 1 || p.progress.Position < progressEvery {
		t.Fatalf("%d writes, progress %d", p.writes, p.progress.Position)
	}
}

// A batch that was read but whose write failed is read and written again, nothing twice, nothing left out.
func TestRunnerRecoversFromTroubleOfStoreAndModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(3)
		for i := range 30 {
			store.sold(t, fmt.Sprint("sku-", i%4), 1)
		}
		store.fail[7] = errors.New("connection lost")
		store.fail[22] = errors.New("connection lost again")
		p.failWrite = []error{errors.New("disk slow"), errors.New("disk slow")}
		p.failFold = errors.New("model gone")
		r, _ := run(t, p, Config{Store: store, Workers: 3})
		reached(t, r, 30)
		p.wantPublished(t, map[string]int64{"sku-0": 8, "sku-1": 8, "sku-2": 7, "sku-3": 7})
		if s := r.Status(t.Context()); s.Error != "" {
			t.Fatalf("error left in status: %s", s.Error)
		}
		if p.loads < 5 {
			t.Fatalf("loaded %d times; some trouble did not happen", p.loads)
		}
	})
}

func TestRunnerShowsTroubleAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		store.sold(t, "sku-a", 1)
		for range 40 {
			p.failWrite = append(p.failWrite, errors.New("read model is full"))
		}
		r, _ := run(t, p, Config{Store: store, Workers: 1})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s := r.Status(t.Context())
		if !strings.Contains(s.Error, "read model is full") || s.Position != 0 || s.Lag != 1 {
			t.Fatalf("status %+v", s)
		}
		if p.writes < 8 || p.writes > 12 { // 0.05+0.1+…+5+5+5 s
			t.Fatalf("tried %d times in 20 s", p.writes)
		}
		p.failWrite = nil
		reached(t, r, 1)
		if s := r.Status(t.Context()); s.Error != "" || s.Lag != 0 {
			t.Fatalf("status %+v", s)
		}
	})
}

func TestRunnerStopsBeforeAnUnreadableEvent(t *testing.T) {
	for name, put := range map[string]func(*journal) uint64{
		"unknown type": func(j *journal) uint64 { return j.put("sku-b", "StockTeleported", nil) },
		"damaged":      func(j *journal) uint64 { return j.put("sku-b", "StockSold", []byte{0xff}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, p := newJournal(), newTally(2)
				for range 10 {
					store.sold(t, "sku-a", 1)
				}
				bad := put(store)
				for range 10 {
					store.sold(t, "sku-a", 1)
				}
				r, stop := run(t, p, Config{Store: store, Workers: 2})
				reached(t, r, 10)
				time.Sleep(time.Minute)
				synctest.Wait()
				s := r.Status(t.Context())
				for _, part := range []string{"position 11", "sku-b", "stopped"} {
					if !strings.Contains(s.Error, part) {
						t.Errorf("status does not say %q: %s", part, s.Error)
					}
				}
				if s.Position != bad-1 || s.Lag != 11 {
					t.Fatalf("status %+v", s)
				}
				p.wantPublished(t, map[string]int64{"sku-a": 10})
				stop()
				if p.progress.Position != bad-1 {
					t.Fatalf("progress %d", p.progress.Position)
				}
			})
		})
	}
}

func TestRunnerPassesOverIgnoredTypesUnread(t *testing.T) {
	store, p := newJournal(), newTally(1)
	store.put("sku-a", "Ignored", []byte{0xff})
	r, _ := run(t, p, Config{Store: store, Workers: 1})
	reached(t, r, store.sold(t, "sku-a", 2))
	p.wantPublished(t, map[string]int64{"sku-a": 2})
}

func TestRunnerRebuildsWhenTheStoreHoldsAnotherHistory(t *testing.T) {
	history := func(n int, first string) *journal {
		j := newJournal()
		j.sold(t, first, 5)
		for range n - 1 {
			j.sold(t, "sku-a", 1)
		}
		j.records[n-1].ID = aggregates.NewEventID(first, "k", n, nil)
		return j
	}
	for name, c := range map[string]struct {
		now    *journal
		resets int
	}{
		"the same":                   {history(20, "sku-x"), 0},
		"shorter than before":        {history(19, "sku-x"), 1},
		"another of the same length": {history(20, "sku-y"), 1},
		"another that is longer":     {history(30, "sku-y"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTally(1)
			r, stop := run(t, p, Config{Store: history(20, "sku-x"), Workers: 1})
			reached(t, r, 20)
			stop()
			r, _ = run(t, p, Config{Store: c.now, Workers: 1})
			reached(t, r, uint64(len(c.now.records)))
			want := map[string]int64{c.now.records[0].Stream: 5, "sku-a": int64(len(c.now.records) - 1)}
			p.wantPublished(t, want)
			if p.resets != c.resets {
				t.Fatalf("rebuilt %d times, want %d", p.resets, c.resets)
			}
		})
	}
}

// What a projection touches is written like what an event changed, and folding waits meanwhile.
func TestRunnerWritesWhatWasTouched(t *testing.T) {
	store, p := newJournal(), newTally(4)
	store.sold(t, "sku-a", 1)
	touched := make(chan struct{})
	p.tend = func(ctx context.Context, touch Touch) error {
		err := touch(func(workerOf func(string) int) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.workers[workerOf("sku-a")]["sku-touched"] = 7
			return nil
		})
		close(touched)
		<-ctx.Done()
		return err
	}
	r, _ := run(t, p, Config{Store: store, Workers: 4})
	<-touched
	reached(t, r, store.sold(t, "sku-a", 1))
	p.wantPublished(t, map[string]int64{"sku-a": 2, "sku-touched": 7})
}

func TestRunnerRestartsWhenTendingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p, tries := newJournal(), newTally(1), 0
		store.sold(t, "sku-a", 1)
		p.tend = func(context.Context, Touch) error {
			if tries++; tries < 4 {
				return errors.New("scan failed")
			}
			return nil
		}
		r, _ := run(t, p, Config{Store: store, Workers: 1})
		time.Sleep(time.Minute)
		reached(t, r, store.sold(t, "sku-a", 1))
		synctest.Wait()
		if tries != 4 {
			t.Fatalf("tended %d times", tries)
		}
		p.wantPublished(t, map[string]int64{"sku-a": 2})
	})
}

// While a write is slow, folding goes on, and the next write takes all of it at once.
func TestRunnerFoldsWhileItWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		p.hold = make(chan struct{})
		r, _ := run(t, p, Config{Store: store, Workers: 1})
		store.sold(t, "sku-a", 1)
		synctest.Wait() // the first write is held up
		for range 100 {
			store.sold(t, "sku-a", 1)
		}
		synctest.Wait()
		if r.Position() != 0 {
			t.Fatalf("position %d before anything was written", r.Position())
		}
		close(p.hold)
		reached(t, r, 101)
		if p.writes != 2 {
			t.Fatalf("%d writes, want 2", p.writes)
		}
	})
}

// A write cut short by the stop must not be taken for done: its events are folded again by the next run.
func TestRunnerForgetsNothingWhenAWriteFailsAsItStops(t *testing.T) {
	store, p := newJournal(), newTally(1)
	begun := make(chan struct{})
	p.writing = func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	store.sold(t, "sku-a", 1)
	_, stop := run(t, p, Config{Store: store, Workers: 1})
	<-begun
	stop()
	if p.progress.Position != 0 {
		t.Fatalf("progress %d without its document", p.progress.Position)
	}
	p.writing = nil
	again, _ := run(t, p, Config{Store: store, Workers: 1})
	reached(t, again, 1)
	p.wantPublished(t, map[string]int64{"sku-a": 1})
}

// Everything before an unreadable event is written, even if a write under way fails as the projection halts.
func TestRunnerHaltsOnlyOnceAllBeforeIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p, writes := newJournal(), newTally(1), 0
		for range 10 {
			store.sold(t, "sku-a", 1)
		}
		store.put("sku-a", "StockTeleported", nil)
		p.unwritten = catchUpBytes // so that it writes although it is behind
		p.writing = func(ctx context.Context) error {
			if writes++; writes > 3 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		r, _ := run(t, p, Config{Store: store, Workers: 1})
		reached(t, r, 10)
		p.wantPublished(t, map[string]int64{"sku-a": 10})
		time.Sleep(time.Minute)
		if s := r.Status(t.Context()); !strings.Contains(s.Error, "StockTeleported") || s.Position != 10 {
			t.Fatalf("status %+v", s)
		}
	})
}

func TestRunnerMeasuresDelayAndLag(t *testing.T) {
	store, p := newJournal(), newTally(1)
	now := aggregates.Instant(10 * aggregates.Second).Time()
	r, _ := run(t, p, Config{Store: store, Workers: 1, Now: func() time.Time { return now }})
	store.sold(t, "sku-a", 1)
	reached(t, r, store.sold(t, "sku-a", 1)) // recorded at second 2
	s := r.Status(t.Context())
	if s.Name != "tally" || s.Position != 2 || s.Lag != 0 || s.Delay != 8*time.Second {
		t.Fatalf("status %+v", s)
	}
	store.failEnd(errors.New("store gone"))
	if s := r.Status(t.Context()); !strings.Contains(s.Error, "store gone") {
		t.Fatalf("status %+v", s)
	}
	store.failEnd(nil)
}

func TestRunnerWaitForEnd(t *testing.T) {
	store, p := newJournal(), newTally(1)
	r, _ := run(t, p, Config{Store: store, Workers: 1})
	for i := range 20 {
		store.sold(t, "sku-a", 1)
		if err := r.WaitForEnd(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.wantPublished(t, map[string]int64{"sku-a": int64(i + 1)})
	}
}

func TestRunnerClosesEverySubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := newJournal(), newTally(1)
		store.sold(t, "sku-a", 1)
		p.failWrite = []error{errors.New("once")}
		r, stop := run(t, p, Config{Store: store, Workers: 1})
		reached(t, r, 1)
		stop()
		if store.opened < 2 || store.opened != store.closed {
			t.Fatalf("%d opened, %d closed", store.opened, store.closed)
		}
	})
}

// Moving on is no loss, not for a moment.
func TestPublishingIsNotRepairing(t *testing.T) {
	r := NewRunner(newTally(1), Config{Name: "tally", Store: newJournal()})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for position := range uint64(200_000) {
			r.published(position, 0)
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		if r.Repairing() {
			t.Fatal("a read model that moves on is said to be repaired")
		}
	}
}

func TestAProjectionThatGathersReadsSeldomUntilSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gather = currentEvery / 2 // when it looks where the store ends, it waits
		store := newJournal()
		r, _ := run(t, newTally(1), Config{Store: store, Workers: 1, Gather: gather})
		time.Sleep(2 * gather)
		first := store.sold(t, "sku-a", 1) // after a quiet time
		synctest.Wait()
		if at := r.Position(); at != first {
			t.Fatalf("at %d: what comes after a quiet time is read at once", at)
		}
		store.sold(t, "sku-a", 1)
		time.Sleep(gather / 10)
		end := store.sold(t, "sku-a", 1)
		time.Sleep(gather / 10)
		if at := r.Position(); at >= end {
			t.Fatalf("at %d of %d, though it gathers for %v", at, end, gather)
		}
		before := time.Now()
		reached(t, r, end)
		if waited := time.Since(before); waited >= gather/10 {
			t.Errorf("who came to wait has waited for %v", waited)
		}
	})
}

// sleeper is a store whose subscriptions hand out nothing until they are hastened.
type sleeper struct{ *journal }

type sleeping struct {
	Subscription
	hastened chan struct{}
}

func (s sleeper) Subscribe(ctx context.Context, after uint64, prefixes ...string) (Subscription, error) {
	sub, err := s.journal.Subscribe(ctx, after, prefixes...)
	return &sleeping{sub, make(chan struct{}, 1)}, err
}

func (s *sleeping) Hasten() { signal(s.hastened) }

func (s *sleeping) Next(ctx context.Context) (Batch, error) {
	select {
	case <-s.hastened:
		return s.Subscription.Next(ctx)
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	}
}

func TestWhoWaitsHastensASubscriptionThatLooksForTheEndByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newJournal()
		r, _ := run(t, newTally(1), Config{Store: sleeper{store}, Workers: 1})
		for range 3 * store.batch {
			store.sold(t, "channel-web", 1) // nothing of the projection's
		}
		reached(t, r, store.sold(t, "channel-web", 1))
	})
}
