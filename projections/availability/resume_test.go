package availability_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// gated lets the pass over all documents, and nothing else, wait.
type gated struct {
	availability.ReadModel
	pass chan struct{}
}

func (g *gated) Scan(ctx context.Context, after string, limit int) ([]*availability.Document, error) {
	if limit == 64 { // the chunk of the pass
		select {
		case <-g.pass:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.ReadModel.Scan(ctx, after, limit)
}

// A position handed out while documents are still being computed anew does not skip those that come later.
func TestResumeDuringAPolicyChangeMissesNothing(t *testing.T) {
	for _, restart := range []bool{false, true} {
		s := prepare(t)
		s.heartbeat = time.Millisecond
		model := &gated{pass: make(chan struct{})}
		s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
		s.run()
		s.Location(t, "berlin")
		for i := range 100 {
			s.SKU(t, fmt.Sprintf("%03d", i), received("berlin", 50))
		}
		s.seen()
		at := s.Channel(t, "web", 10, "berlin") // no document has a value for it yet
		s.seen()
		v := s.watch("web", availability.FromNow)
		last := s.SKU(t, "000", received("berlin", 1))
		v.until("000", 41)
		for range 3 { // heartbeats, too
			v.next()
		}
		if v.position >= at {
			t.Fatalf("position %d, though values of the change at %d (of %d) are still to come", v.position, at, last)
		}
		v.Close()
		if restart {
			s.restart()
			s.seen()
		}
		v.scenario = s
		v.resume()
		close(model.pass)
		v.settled()
		if len(v.values) != 100 {
			t.Fatalf("%d values", len(v.values))
		}
		s.stop()
	}
}

func TestResumeTellsWhatChangedSince(t *testing.T) {
	for name, between := range map[string]func(*scenario){
		"from memory":        func(*scenario) {},
		"from the documents": func(s *scenario) { s.restart(); s.seen() },
	} {
		t.Run(name, func(t *testing.T) {
			s := shop(t)
			for i := range 100 {
				s.SKU(t, fmt.Sprint(i), received("berlin", 5))
			}
			s.seen()
			all, named := s.watch("web", availability.FromStart), s.watch("web", availability.FromStart, "7", "8", "9")
			for _, v := range []*viewer{all, named} {
				for !v.caughtUp {
					v.next()
				}
				v.Close()
			}
			s.SKU(t, "8", received("berlin", 1))
			s.SKU(t, "9", received("berlin", 1))
			s.SKU(t, "80", received("berlin", 1))
			s.seen()
			between(s)
			for _, v := range []*viewer{all, named} {
				clear(v.values)
				v.resume()
				for !v.caughtUp {
					v.next()
				}
			}
			if len(all.values) != 3 || len(named.values) != 2 || all.values["web 80"].ATS != 6 || named.values["web 9"].ATS != 6 {
				t.Fatalf("all has %+v, named has %+v", all.values, named.values)
			}
		})
	}
}

// failing is a read model whose writes can be made to fail after they were done.
type failing struct {
	availability.ReadModel
	mu    sync.Mutex
	times int
}

func (f *failing) Write(ctx context.Context, list []*availability.Document, p projections.Progress) error {
	err := f.ReadModel.Write(ctx, list, p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.times > 0 && err == nil {
		f.times--
		return errors.New("connection lost")
	}
	return err
}

// Values that were written, but whose write seemed to fail, reach the watchers all the same.
func TestWatchersSeeWhatWasWrittenInDoubt(t *testing.T) {
	s := prepare(t)
	model := &failing{}
	s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.seen()
	s.SKU(t, "shoe", received("berlin", 1))
	s.converged()
	all, named := s.watch("web", availability.FromNow), s.watch("web", availability.FromNow, "shoe")
	all.next()
	named.next()
	model.mu.Lock()
	model.times = 2
	model.mu.Unlock()
	s.SKU(t, "shoe", received("berlin", 1))
	all.until("shoe", 2)
	named.until("shoe", 2)
}

// A watcher so slow that changes were let go reads the documents again.
func TestWatcherThatFellTooFarBehindMissesNothing(t *testing.T) {
	s := prepare(t)
	s.keep = 3
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.Channel(t, "app", 0, "berlin")
	s.seen()
	one, every := s.watch("web", availability.FromNow), s.watch("", availability.FromNow)
	one.next()
	every.next()
	for round := range 3 {
		for i := range 10 {
			s.SKU(t, fmt.Sprint(i), received("berlin", int64(1+round)))
		}
		one.settled()
		every.settled()
		if len(one.values) != 10 || len(every.values) != 20 {
			t.Fatalf("%d and %d values", len(one.values), len(every.values))
		}
	}
}

// slowRead holds up reads of one SKU's document.
type slowRead struct {
	availability.ReadModel
	sku           string
	reading, gate chan struct{}
}

func (r *slowRead) Read(ctx context.Context, sku string) (*availability.Document, error) {
	if sku == r.sku {
		select {
		case r.reading <- struct{}{}:
			<-r.gate
		case <-r.gate:
		}
	}
	return r.ReadModel.Read(ctx, sku)
}

// The position handed out with some values does not pass what changed while they were read.
func TestPositionDoesNotPassWhatChangesMeanwhile(t *testing.T) {
	s := prepare(t)
	s.cache = 1
	model := &slowRead{sku: "slow", reading: make(chan struct{}), gate: make(chan struct{})}
	s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "quick", received("berlin", 1))
	s.seen()
	v := s.watch("web", availability.FromStart, "quick", "slow")
	go func() {
		<-model.reading // "quick" was read
		at := s.SKU(t, "quick", received("berlin", 1))
		report(t, s.WaitFor(t.Context(), at))
		close(model.gate)
	}()
	v.next()
	v.Close()
	v.resume()
	v.until("quick", 2)
}

// Clients that stop, stall and come back, of all SKUs and of some, across restarts and policy changes: in the end
// each has the last value of everything.
func TestWatchersConvergeWhateverHappens(t *testing.T) {
	for _, keep := range []int{1 << 18, 3} { // all changes, or far too few of them, are kept to resume from
		t.Run(fmt.Sprint("keeping ", keep), func(t *testing.T) { convergence(t, keep) })
	}
}

func convergence(t *testing.T, keep int) {
	s := prepare(t)
	s.keep = keep
	s.heartbeat = time.Millisecond
	s.run()
	facts := viewtest.NewFacts(11)
	facts.Policies = true
	for i := range facts.Channels {
		s.Channel(t, fmt.Sprint("channel ", i), 0, "place 0", "place 1")
	}
	for i := range facts.Locations {
		s.Location(t, fmt.Sprint("place ", i))
	}
	facts.Add(t, s.History, 50)
	s.seen()
	random := rand.New(rand.NewPCG(1, 1))
	var skus []string
	for sku := range s.oracle() {
		skus = append(skus, sku)
	}
	slices.Sort(skus)
	viewers := []*viewer{
		s.watch("channel 0", availability.FromStart), s.watch("channel 1", availability.FromStart, skus[:5]...),
		s.watch("", availability.FromStart), s.watch("", availability.FromStart, skus[2:4]...),
	}
	for round := range 60 {
		facts.Add(t, s.History, random.IntN(20))
		if round%20 == 19 {
			s.restart()
			s.seen()
			for _, v := range viewers {
				v.scenario = s
				v.resume()
			}
		}
		for _, v := range viewers {
			switch random.IntN(4) {
			case 0:
				v.resume()
			case 1: // stalls
			default:
				for range random.IntN(4) {
					ctx, done := v.patience()
					if _, err := v.nextWithin(ctx); err != nil {
						t.Fatal(err)
					}
					done()
				}
			}
		}
	}
	for _, v := range viewers {
		v.settled()
	}
}

// A policy that is changed and changed back before the pass comes to a document: whoever was shown a value in between is
// told the one that holds.
func TestAPolicyChangedAndChangedBackReachesWatchers(t *testing.T) {
	s := prepare(t)
	s.heartbeat = time.Millisecond
	model := &gated{pass: make(chan struct{})}
	s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
	s.run()
	s.Location(t, "berlin")
	s.SKU(t, "shoe", received("berlin", 50))
	s.seen()
	s.Channel(t, "web", 0, "berlin")
	model.pass <- struct{}{} // a chunk with the document, and the end
	model.pass <- struct{}{}
	s.converged()
	s.Channel(t, "web", 10, "berlin")
	s.seen()
	all, named := s.watch("web", availability.FromStart), s.watch("web", availability.FromStart, "shoe")
	for _, v := range []*viewer{all, named} {
		v.until("shoe", 40)
	}
	at := s.Channel(t, "web", 0, "berlin")
	s.seen()
	close(model.pass)
	for _, v := range []*viewer{all, named} {
		for v.position < at {
			v.next()
		}
		if a := v.values["web shoe"]; a.ATS != 50 {
			t.Errorf("has %+v at %d, want ATS 50", a, v.position)
		}
	}
}

// Who watches while many events are caught up with is told what they end with, of SKUs as well that changed only long before the end.
func TestAWatchThroughALongReplayEndsWithTheLastValues(t *testing.T) {
	for _, skus := range [][]string{nil, {"0", "1", "17"}} {
		s, model := shop(t), &lossy{}
		s.stop()
		facts := make([]aggregates.Event, 1000)
		for i := range facts {
			facts[i] = received("berlin", 1)
		}
		for i := range 350 { // more than is written and published at once, and farBehind more
			s.SKU(t, fmt.Sprint(min(i, 10+i%10)), facts...)
		}
		s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
		model.held.Store(true)
		s.run()
		for s.Loads() < 2 { // until what there was before is loaded
			time.Sleep(time.Millisecond)
		}
		v := s.watch("web", availability.FromStart, skus...)
		for !v.caughtUp { // with what there was before
			v.next()
		}
		model.held.Store(false)
		v.settled()
		if got := v.values["web 1"]; got.ATS != 1000 {
			t.Errorf("the watch of %q has %+v", skus, got)
		}
		s.stop()
	}
}
