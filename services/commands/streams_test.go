package commands_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestManyTakersGetExactlyWhatThereIs(t *testing.T) {
	s := openStore(t)
	x := newStreams(t, s, commands.Options{Exclusive: true})
	var won, lost atomic.Int64
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			switch _, err := x.Do(t.Context(), "milk", key("take-%d", i), &take{units: 1}); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, errSoldOut):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != limit || lost.Load() != 300 || taken(t, s, "milk") != limit {
		t.Errorf("%d won, %d lost, %d on the stream", won.Load(), lost.Load(), taken(t, s, "milk"))
	}
}

func TestCommandsOfOneStreamKeepTheirOrder(t *testing.T) {
	x := newStreams(t, openStore(t), commands.Options{})
	var order []int
	var all sync.WaitGroup
	for i := range 1000 {
		all.Add(1)
		err := x.Submit("milk", key("%d", i), decideFunc(func(*tally) ([]aggregates.Event, error) { return nil, nil }), func(_ commands.Outcome, err error) {
			order = append(order, i)
			all.Done()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if len(order) != 1000 || !slices.IsSorted(order) {
		t.Errorf("answered out of order: %v", order)
	}
}

func TestARetryIsAnsweredAndRecordsNothing(t *testing.T) {
	s := openStore(t)
	x := newStreams(t, s, commands.Options{})
	first, err := x.Do(t.Context(), "milk", key("a"), &take{units: 3})
	if err != nil || first.Recorded != 1 || first.Position == 0 {
		t.Fatalf("first: %+v, %v", first, err)
	}
	again, err := x.Do(t.Context(), "milk", key("a"), &take{units: 3})
	if err != nil || again.Recorded != 0 || again.Position != first.Position {
		t.Errorf("again: %+v, %v; first %+v", again, err, first)
	}
	if n := taken(t, s, "milk"); n != 3 {
		t.Errorf("taken %d", n)
	}
}

func TestReplicasNeverTakeTheSameUnit(t *testing.T) {
	s := openStore(t)
	replicas := []*commands.Streams[tally]{newStreams(t, s, commands.Options{}), newStreams(t, s, commands.Options{}), newStreams(t, s, commands.Options{})}
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			for {
				_, err := replicas[i%len(replicas)].Do(t.Context(), "milk", key("take-%d", i), &take{units: 1})
				if errors.Is(err, commands.ErrContended) {
					continue // the caller's retry
				}
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, errSoldOut) {
					t.Error(err)
				}
				return
			}
		})
	}
	all.Wait()
	if won.Load() != limit || taken(t, s, "milk") != limit {
		t.Errorf("%d won, %d on the stream", won.Load(), taken(t, s, "milk"))
	}
}

func TestWhatRecordsNothingIsDecidedOnTheLatestRevision(t *testing.T) {
	s := openStore(t)
	here, there := newStreams(t, s, commands.Options{}), newStreams(t, s, commands.Options{})
	for i := range int64(20) {
		if _, err := there.Do(t.Context(), "milk", key("%d", i), &take{units: 1}); err != nil {
			t.Fatal(err)
		}
		var l look
		if _, err := here.Do(t.Context(), "milk", key("look"), &l); err != nil || l.taken != i+1 {
			t.Fatalf("after %d: saw %d, %v", i+1, l.taken, err)
		}
	}
}

// Two replicas decide the same key on the same revision, with other contents or at another time. Only one decision is on
// the stream, and both answer as it says.
func TestReplicasThatDecideTheSameKeyAnswerWhatIsRecorded(t *testing.T) {
	s := openStore(t)
	here, there := newStreams(t, s, commands.Options{}), newStreams(t, s, commands.Options{})
	for _, x := range []*commands.Streams[tally]{here, there} { // both are warm
		if _, err := x.Do(t.Context(), "milk", key("look"), &look{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := here.Do(t.Context(), "milk", key("cart"), &take{units: 3}); err != nil {
		t.Fatal(err)
	}
	other := take{units: 5}
	out, err := there.Do(t.Context(), "milk", key("cart"), &other)
	if err != nil || out.Recorded != 0 || other.left != limit-3 {
		t.Errorf("the second one recorded %d and left %d, %v; want what the first one left, %d", out.Recorded, other.left, err, limit-3)
	}
	var l look
	if _, err := there.Do(t.Context(), "milk", key("look again"), &l); err != nil || l.taken != 3 {
		t.Errorf("it believes that %d are taken, %v; on the stream are %d", l.taken, err, taken(t, s, "milk"))
	}
}

// busy is a store on which somebody else writes the stream whenever it is read.
type busy struct {
	*store
	write func()
}

func (b *busy) ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error {
	b.write()
	return b.store.ReadStream(ctx, stream, from, each)
}

// What records nothing needs a revision that was the latest after it came; others who go on writing do not keep it from that.
func TestReadsAndRefusalsAreAnsweredHoweverOftenOthersWrite(t *testing.T) {
	s := openStore(t)
	there := newStreams(t, s, commands.Options{})
	var n int64
	here := newStreams(t, &busy{store: s, write: func() {
		n++
		if _, err := there.Do(t.Context(), "milk", key("%d", n), &take{units: 1}); err != nil {
			t.Error(err)
		}
	}}, commands.Options{})
	for range 3 { // cold, and then warm
		before := n
		var l look
		if _, err := here.Do(t.Context(), "milk", key("look"), &l); err != nil || l.taken <= before {
			t.Errorf("saw %d of more than %d, %v", l.taken, before, err)
		}
		if _, err := here.Do(t.Context(), "milk", key("all"), &take{units: limit}); !errors.Is(err, errSoldOut) {
			t.Errorf("took what others have: %v", err)
		}
	}
}

func TestAnAppendOfUnknownOutcomeCountsOnce(t *testing.T) {
	for _, happened := range []bool{true, false} {
		t.Run(fmt.Sprint("happened=", happened), func(t *testing.T) {
			s := openStore(t)
			x := newStreams(t, s, commands.Options{Exclusive: true})
			var calls int
			s.around(func(next func() (commands.Appended, error)) (commands.Appended, error) {
				if calls++; calls%3 == 0 {
					return next()
				}
				if happened {
					if _, err := next(); err != nil {
						return commands.Appended{}, err
					}
				}
				return commands.Appended{}, fmt.Errorf("%w: connection reset", commands.ErrUnknownOutcome)
			})
			for i := range 10 {
				if _, err := x.Do(t.Context(), "milk", key("%d", i), &take{units: 1}); err != nil {
					t.Fatal(err)
				}
			}
			if n := taken(t, s, "milk"); n != 10 || x.Stats().Repeats != 20 {
				t.Errorf("taken %d after %d repeats", n, x.Stats().Repeats)
			}
		})
	}
}

func TestAFailedAppendLeavesNothingBehind(t *testing.T) {
	s := openStore(t)
	x := newStreams(t, s, commands.Options{Exclusive: true})
	s.around(func(func() (commands.Appended, error)) (commands.Appended, error) {
		return commands.Appended{}, commands.ErrFull
	})
	for i := range 3 {
		if _, err := x.Do(t.Context(), "milk", key("%d", i), &take{units: limit}); !errors.Is(err, commands.ErrFull) {
			t.Fatalf("got %v", err)
		}
	}
	s.around(nil)
	if out, err := x.Do(t.Context(), "milk", key("0"), &take{units: limit}); err != nil || out.Recorded != 1 {
		t.Errorf("after the disk has space again: %+v, %v", out, err)
	}
}

func TestTooMuchWaitingIsRefusedAtOnce(t *testing.T) {
	for name, o := range map[string]commands.Options{"stream": {MaxWaitingPerStream: 4}, "all": {MaxWaiting: 5}} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			x := newStreams(t, s, o)
			entered, gate := make(chan struct{}), make(chan struct{})
			s.around(func(next func() (commands.Appended, error)) (commands.Appended, error) {
				entered <- struct{}{}
				<-gate
				return next()
			})
			var answered sync.WaitGroup
			submit := func(i int) error {
				answered.Add(1)
				err := x.Submit("milk", key("%d", i), &take{units: 1}, func(commands.Outcome, error) { answered.Done() })
				if err != nil {
					answered.Done()
				}
				return err
			}
			if err := submit(0); err != nil {
				t.Fatal(err)
			}
			<-entered // the first is being appended; from here on everything waits
			for i := 1; i <= 4; i++ {
				if err := submit(i); err != nil {
					t.Fatalf("command %d: %v", i, err)
				}
			}
			if err := submit(5); !errors.Is(err, commands.ErrOverloaded) {
				t.Errorf("beyond the bound: %v", err)
			}
			s.around(nil)
			close(gate)
			answered.Wait()
			if err := submit(5); err != nil {
				t.Errorf("after the jam: %v", err)
			}
			answered.Wait()
			if n := taken(t, s, "milk"); n != 6 {
				t.Errorf("taken %d", n)
			}
		})
	}
}

func TestMemoryStaysWithinItsBoundAndAnswersStayRight(t *testing.T) {
	s := openStore(t)
	const bound = 100_000
	x := newStreams(t, s, commands.Options{Exclusive: true, MaxMemory: bound})
	for round := range int64(3) {
		for i := range 1000 {
			tk := &take{units: 1}
			if _, err := x.Do(t.Context(), fmt.Sprint("sku", i), key("%d", round), tk); err != nil || tk.left != limit-round-1 {
				t.Fatalf("round %d sku %d: left %d, %v", round, i, tk.left, err)
			}
		}
	}
	st := x.Stats()
	if st.Evicted == 0 || st.Memory > bound+64*1024 { // each of the 64 shards keeps the one used last
		t.Errorf("evicted %d, memory %d", st.Evicted, st.Memory)
	}
}

func TestAStateThatGoesForMemoryIsSavedFirst(t *testing.T) {
	s := openStore(t)
	const skus, rounds, callers = 300, 12, 8 // fewer events each than make a snapshot otherwise
	x := newStreams(t, s, commands.Options{Exclusive: true, MaxMemory: 50_000})
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for round := range rounds {
				for i := range skus {
					if _, err := x.Do(t.Context(), fmt.Sprint("sku", (i*7+c*31)%skus), key("%d-%d", c, round), &take{units: 1}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	for i := range skus {
		if n := taken(t, s, fmt.Sprint("sku", i)); n != rounds*callers {
			t.Fatalf("%d taken of sku %d, %d callers took %d each", n, i, callers, rounds)
		}
	}
	if st := x.Stats(); st.Snapshots == 0 || st.Evicted == 0 || st.Memory > 50_000+64*4096 { // each of the 64 shards keeps the one used last
		t.Errorf("%d states were saved, %d evicted, %d bytes are held", st.Snapshots, st.Evicted, st.Memory)
	}
}

func TestAColdStreamReadsItsSnapshotAndTheTail(t *testing.T) {
	s := openStore(t)
	free := decideFunc(func(*tally) ([]aggregates.Event, error) {
		return []aggregates.Event{&stock.StockSold{Location: "x", Quantity: 1}}, nil
	})
	warm := newStreams(t, s, commands.Options{})
	for i := range 1500 {
		if _, err := warm.Do(t.Context(), "milk", key("%d", i), free); err != nil {
			t.Fatal(err)
		}
	}
	if warm.Stats().Snapshots == 0 {
		t.Fatal("no snapshot was saved")
	}
	s.read.Store(0)
	if n := taken(t, s, "milk"); n != 1500 || s.read.Load() >= 1000 {
		t.Errorf("taken %d, read %d events", n, s.read.Load())
	}
	if err := s.SaveSnapshot(t.Context(), "sku-milk", "tally.v1+seal/1", commands.Snapshot{Next: 1000, Data: nil}); err != nil {
		t.Fatal(err)
	}
	s.read.Store(0)
	if n := taken(t, s, "milk"); n != 1500 || s.read.Load() != 1500 {
		t.Errorf("with a damaged snapshot: taken %d, read %d events", n, s.read.Load())
	}
}

// recall decides on the whole past.
type recall struct{ learned []int64 }

var errNeedsPast = errors.New("needs the past")

func (r *recall) Decide(s *tally, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	var sum int64
	for _, n := range r.learned {
		sum += n
	}
	if sum != s.Taken {
		return nil, errNeedsPast
	}
	return nil, nil
}
func (r *recall) Wants(err error) bool { return errors.Is(err, errNeedsPast) }
func (r *recall) Learn(e aggregates.Event, _ uint64, _ aggregates.Metadata) {
	r.learned = append(r.learned, e.(*stock.StockSold).Quantity)
}

func TestADecisionThatNeedsThePastIsGivenAllOfItItsOwnBatchIncluded(t *testing.T) {
	s := openStore(t)
	x := newStreams(t, s, commands.Options{Exclusive: true})
	gate, entered := make(chan struct{}), make(chan struct{})
	first := decideFunc(func(st *tally) ([]aggregates.Event, error) {
		close(entered)
		<-gate
		return []aggregates.Event{&stock.StockSold{Location: "x", Quantity: 1}}, nil
	})
	var answered sync.WaitGroup
	done := func(_ commands.Outcome, err error) {
		if err != nil {
			t.Error(err)
		}
		answered.Done()
	}
	r := &recall{}
	answered.Add(4)
	for i, in := range []commands.Intention[tally]{first, &take{units: 2}, r, &take{units: 3}} {
		if err := x.Submit("milk", key("%d", i), in, done); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-entered // so that the other three share a batch
		}
	}
	close(gate)
	answered.Wait()
	if !slices.Equal(r.learned, []int64{1, 2}) || taken(t, s, "milk") != 6 {
		t.Errorf("learned %v, taken %d", r.learned, taken(t, s, "milk"))
	}
}

func TestAPanicInADecisionHarmsThatCommandAlone(t *testing.T) {
	x := newStreams(t, openStore(t), commands.Options{})
	boom := decideFunc(func(*tally) ([]aggregates.Event, error) { panic("boom") })
	if _, err := x.Do(t.Context(), "milk", key("boom"), boom); err == nil {
		t.Error("no error")
	}
	if _, err := x.Do(t.Context(), "milk", key("a"), &take{units: 1}); err != nil {
		t.Error(err)
	}
}

func TestACommandWhoseCallerHasLeftIsDropped(t *testing.T) {
	s := openStore(t)
	x := newStreams(t, s, commands.Options{})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := x.Do(gone, "milk", key("a"), &take{units: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := x.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := taken(t, s, "milk"); n != 0 {
		t.Errorf("taken %d", n)
	}
}

func TestClosingFinishesWhatWasAccepted(t *testing.T) {
	s := openStore(t)
	x := commands.NewStreams(s, kind(), commands.Options{})
	var answered atomic.Int64
	for i := range 50 {
		if err := x.Submit("milk", key("%d", i), &take{units: 1}, func(_ commands.Outcome, err error) {
			if err == nil {
				answered.Add(1)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if answered.Load() != 50 || taken(t, s, "milk") != 50 {
		t.Errorf("answered %d, taken %d", answered.Load(), taken(t, s, "milk"))
	}
	if err := x.Submit("milk", key("late"), &take{units: 1}, nil); !errors.Is(err, commands.ErrClosed) {
		t.Errorf("after closing: %v", err)
	}
}

func TestACommandWithoutAKeyIsRefused(t *testing.T) {
	x := newStreams(t, openStore(t), commands.Options{})
	if _, err := x.Do(t.Context(), "milk", aggregates.Metadata{}, &take{units: 1}); err == nil {
		t.Error("accepted")
	}
}

// Random faults at every append, three replicas, callers that retry by the same key: each key counts once.
func TestFaultsAtRandomLoseAndDoubleNothing(t *testing.T) {
	for seed := range uint64(20) {
		s := openStore(t)
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(seed, 1))
		s.around(func(next func() (commands.Appended, error)) (commands.Appended, error) {
			mu.Lock()
			dice := random.IntN(10)
			mu.Unlock()
			switch dice {
			case 0:
				return commands.Appended{}, commands.ErrUnavailable
			case 1:
				return commands.Appended{}, commands.ErrUnknownOutcome
			case 2:
				if _, err := next(); err != nil {
					return commands.Appended{}, err
				}
				return commands.Appended{}, commands.ErrUnknownOutcome
			case 3:
				if _, err := next(); err != nil {
					return commands.Appended{}, err
				}
				return commands.Appended{}, commands.ErrUnavailable // happened, and says nothing of it
			}
			return next()
		})
		replicas := []*commands.Streams[tally]{newStreams(t, s, commands.Options{}), newStreams(t, s, commands.Options{})}
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				for try := 0; ; try++ {
					_, err := replicas[(i+try)%2].Do(t.Context(), "milk", key("%d", i), &take{units: 1})
					if err == nil {
						return
					}
					if !errors.Is(err, commands.ErrUnavailable) && !errors.Is(err, commands.ErrContended) {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		s.around(nil)
		if n := taken(t, s, "milk"); n != 40 {
			t.Fatalf("seed %d: taken %d of 40", seed, n)
		}
	}
}

func TestAStopSavesWhatChangedForTheNextStart(t *testing.T) {
	s := openStore(t)
	x := commands.NewStreams(s, kind(), commands.Options{})
	for i := range 200 {
		for n := range 2 {
			if _, err := x.Do(t.Context(), fmt.Sprint("sku", i), key("%d", n), &take{units: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.read.Store(0)
	for i := range 200 {
		if n := taken(t, s, fmt.Sprint("sku", i)); n != 2 {
			t.Errorf("sku%d: taken %d", i, n)
		}
	}
	if n := s.read.Load(); n != 0 {
		t.Errorf("%d events were read again", n)
	}
}

func TestAStopThatCannotSaveLeavesTimeForOthers(t *testing.T) {
	s := openStore(t)
	x := commands.NewStreams(stuck{s}, kind(), commands.Options{})
	for i := range 100 {
		for n := range 2 {
			if _, err := x.Do(t.Context(), fmt.Sprint("sku", i), key("%d", n), &take{units: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := x.Close(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("closed with %v, the time that is left: %v", err, ctx.Err())
	}
}

// stuck is a store that never finishes saving a snapshot.
type stuck struct{ commands.Store }

func (stuck) SaveSnapshot(ctx context.Context, _, _ string, _ commands.Snapshot) error {
	<-ctx.Done()
	return ctx.Err()
}
