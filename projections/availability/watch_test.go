package availability_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// shop is a scenario with a channel that sells from one location.
func shop(t testing.TB) *scenario {
	s := prepare(t)
	s.heartbeat = time.Hour
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.seen()
	return s
}

// viewer is what a client of a watch knows.
type viewer struct {
	*scenario
	*availability.Watcher
	channel  string
	skus     []string
	values   map[string]availability.Availability // by SKU and channel
	position uint64
	caughtUp bool
	messages int
}

func (s *scenario) watch(channel string, after uint64, skus ...string) *viewer {
	s.Helper()
	w, err := s.Watch(s.Context(), channel, skus, after)
	if err != nil {
		s.Fatal(err)
	}
	v := &viewer{scenario: s, Watcher: w, channel: channel, skus: skus, values: map[string]availability.Availability{}}
	s.Cleanup(w.Close)
	return v
}

// next takes one message.
func (v *viewer) next() []availability.Availability {
	v.Helper()
	ctx, done := v.patience()
	defer done()
	changes, position, caughtUp, err := v.Next(ctx)
	if err != nil {
		v.Fatalf("%v; has %v", err, v.values)
	}
	if position < v.position && v.position != 0 {
		v.Fatalf("position went back from %d to %d", v.position, position)
	}
	if v.caughtUp && !caughtUp {
		v.Fatal("no longer caught up")
	}
	if len(changes) > 1000 {
		v.Fatalf("%d changes at once", len(changes))
	}
	v.position, v.caughtUp = position, caughtUp
	v.messages++
	for _, a := range changes {
		if was := v.values[a.Channel+" "+a.SKU]; was.Position > a.Position {
			v.Fatalf("went back from %+v to %+v", was, a)
		}
		v.values[a.Channel+" "+a.SKU] = a
	}
	return slices.Clone(changes)
}

// until takes messages until a SKU has an ATS.
func (v *viewer) until(sku string, ats int64) {
	v.Helper()
	for v.values[v.channel+" "+sku].ATS != ats {
		v.next()
	}
}

// resume ends the watch and begins one after the last position.
func (v *viewer) resume() {
	v.Helper()
	v.Close()
	w, err := v.Watch(v.Context(), v.channel, v.skus, v.position)
	if err != nil {
		v.Fatal(err)
	}
	v.Watcher, v.caughtUp = w, false
	v.Cleanup(w.Close)
}

// settled takes messages until the viewer knows what can be read of all SKUs of the history.
func (v *viewer) settled() {
	v.Helper()
	v.seen()
	wanted := v.oracle()
	for {
		missing := ""
		for sku, channels := range wanted {
			if len(v.skus) > 0 && !slices.Contains(v.skus, sku) {
				continue
			}
			for channel, ats := range channels {
				a, ok := v.values[channel+" "+sku]
				if (v.channel == "" || v.channel == channel) && (!ok || a.ATS != ats) {
					missing = fmt.Sprintf("%q on %q: has %+v, want ATS %d", sku, channel, a, ats)
				}
			}
		}
		if missing == "" {
			return
		}
		ctx, done := v.patience()
		if _, err := v.nextWithin(ctx); err != nil {
			v.Fatalf("%s: %v; at %d; status %+v", missing, err, v.position, v.Status(v.Context()))
		}
		done()
	}
}

func (v *viewer) nextWithin(ctx context.Context) (int, error) {
	changes, position, caughtUp, err := v.Next(ctx)
	if err != nil {
		return 0, err
	}
	v.position, v.caughtUp = position, caughtUp
	for _, a := range changes {
		v.values[a.Channel+" "+a.SKU] = a
	}
	return len(changes), nil
}

func TestWatchOfAllSKUsBeginsWithTheCurrentValues(t *testing.T) {
	s := shop(t)
	for i := range 2500 {
		s.SKU(t, fmt.Sprint(i), received("berlin", int64(i)))
	}
	s.seen()
	s.restart() // nothing is left in memory
	s.seen()
	v := s.watch("web", availability.FromStart)
	for !v.caughtUp {
		v.next()
	}
	if len(v.values) != 2500 || v.values["web 1234"].ATS != 1234 {
		t.Fatalf("%d values when caught up", len(v.values))
	}
	end, _ := s.Store.End(t.Context())
	if v.position != end {
		t.Fatalf("position %d, want %d", v.position, end)
	}
	s.SKU(t, "7", received("berlin", 1))
	s.seen()
	if got := v.next(); len(got) != 1 || got[0].ATS != 8 || v.position != end+1 {
		t.Fatalf("got %+v at %d", got, v.position)
	}
}

func TestWatchFromNowTellsOnlyWhatChanges(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	for _, skus := range [][]string{nil, {"shoe", "boot"}} {
		v := s.watch("web", availability.FromNow, skus...)
		if got := v.next(); len(got) != 0 || !v.caughtUp {
			t.Fatalf("got %+v, caught up %v", got, v.caughtUp)
		}
		at := s.SKU(t, "boot", received("berlin", 2))
		if got := v.next(); len(got) != 1 || got[0].SKU != "boot" || got[0].Position != at {
			t.Fatalf("got %+v", got)
		}
		s.SKU(t, "boot", sold("berlin", 2))
		v.until("boot", 0)
	}
}

func TestWatchOfNamedSKUsTellsOfThemAlone(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.SKU(t, "sock", received("berlin", 5))
	s.seen()
	v := s.watch("web", availability.FromStart, "shoe", "unknown", "shoe")
	got := v.next()
	if len(got) != 2 || got[0].ATS != 5 || got[1].Known || got[1].SKU != "unknown" || !v.caughtUp {
		t.Fatalf("got %+v", got)
	}
	s.SKU(t, "sock", sold("berlin", 1))
	s.SKU(t, "unknown", received("berlin", 9))
	if got := v.next(); len(got) != 1 || got[0].SKU != "unknown" || !got[0].Known || got[0].ATS != 9 {
		t.Fatalf("got %+v", got)
	}
}

func TestWatchTellsChangesOfValuesOnly(t *testing.T) {
	s := shop(t)
	s.Location(t, "hamburg")
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	v := s.watch("web", availability.FromNow)
	v.next()
	s.SKU(t, "shoe", received("hamburg", 5)) // web does not sell from there
	s.SKU(t, "sock", received("berlin", 1))
	if got := v.next(); len(got) != 1 || got[0].SKU != "sock" {
		t.Fatalf("got %+v", got)
	}
}

func TestWatchOfEveryChannel(t *testing.T) {
	s := shop(t)
	s.Channel(t, "app", 1, "berlin")
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	all, named := s.watch("", availability.FromStart), s.watch("", availability.FromStart, "shoe")
	for _, v := range []*viewer{all, named} {
		for !v.caughtUp {
			v.next()
		}
		if v.values["web shoe"].ATS != 5 || v.values["app shoe"].ATS != 4 {
			t.Fatalf("has %+v", v.values)
		}
	}
	s.Channel(t, "late", 2, "berlin") // defined after the watch began
	s.SKU(t, "shoe", received("berlin", 1))
	all.settled()
	named.settled()
}

// A slow reader gets each SKU's last value, and not those in between.
func TestSlowWatcherSeesTheLastValues(t *testing.T) {
	s := shop(t)
	all, named := s.watch("web", availability.FromNow), s.watch("web", availability.FromNow, "0", "1", "2")
	all.next()
	named.next()
	for i := range 300 {
		s.SKU(t, fmt.Sprint(i%3), received("berlin", 1))
	}
	s.seen()
	for _, v := range []*viewer{all, named} {
		got := v.next()
		if len(got) != 3 {
			t.Fatalf("%d changes of 3 SKUs: %+v", len(got), got)
		}
		for _, a := range got {
			if a.ATS != 100 {
				t.Fatalf("got %+v, want the last value 100", a)
			}
		}
	}
}

func TestPolicyChangeReachesWatchers(t *testing.T) {
	s := shop(t)
	for i := range 500 {
		s.SKU(t, fmt.Sprint(i), received("berlin", int64(10+i)))
	}
	s.seen()
	v := s.watch("web", availability.FromNow)
	named := s.watch("web", availability.FromNow, "17", "18")
	at := s.Channel(t, "web", 10, "berlin")
	v.settled()
	named.settled()
	for v.position < at || named.position < at {
		if v.position < at {
			v.next()
		}
		if named.position < at {
			s.SKU(t, "17", received("berlin", 1))
			named.next()
		}
	}
}

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

// Clients that stop, stall and come back, of all SKUs and of some, across restarts and policy changes: in the end
// each has the last value of everything.
func TestWatchersConvergeWhateverHappens(t *testing.T) {
	s := prepare(t)
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
	s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
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

func TestHeartbeatMovesAnIdleWatcherOn(t *testing.T) {
	s := prepare(t)
	s.heartbeat = time.Millisecond
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	all, named := s.watch("web", availability.FromNow), s.watch("web", availability.FromNow, "shoe")
	at := s.SKU(t, "boot", &stock.ItemRegistered{Name: "Boot"})
	for all.position < at || named.position < at {
		for _, v := range []*viewer{all, named} {
			if got := v.next(); len(got) > 0 && got[0].SKU != "boot" {
				t.Fatalf("got %+v", got)
			}
		}
	}
	if !all.caughtUp || !named.caughtUp {
		t.Fatal("not caught up")
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	s := shop(t)
	v := s.watch("web", availability.FromNow)
	v.next()
	gone := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, _, _, err := v.Next(ctx); !errors.Is(err, gone) {
		t.Fatalf("got %v", err)
	}
	s.SKU(t, "shoe", received("berlin", 3))
	v.until("shoe", 3) // and can be gone on with
}

func TestWatchesAreBounded(t *testing.T) {
	s := shop(t)
	if _, err := s.Watch(t.Context(), "web", make([]string, availability.MaxWatchedSKUs+1), 0); err == nil {
		t.Fatal("too many SKUs were accepted")
	}
	var all []*availability.Watcher
	for range availability.MaxWatchers {
		w, err := s.Watch(t.Context(), "web", []string{"shoe"}, availability.FromNow)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	if _, err := s.Watch(t.Context(), "web", nil, 0); !errors.Is(err, availability.ErrTooManyWatchers) {
		t.Fatalf("got %v", err)
	}
	for _, w := range all {
		w.Close()
		w.Close()
	}
	w, err := s.Watch(t.Context(), "web", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

// 10,000 idle watchers take less than 50 KB each, the goroutine that waits included.
func TestIdleWatchersCostLittle(t *testing.T) {
	s := shop(t)
	for i := range 100 {
		s.SKU(t, fmt.Sprint(i), received("berlin", 5))
	}
	s.seen()
	const watchers = 10_000
	before := memory()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting, first sync.WaitGroup
	first.Add(watchers)
	for i := range watchers {
		v, err := s.Watch(ctx, "web", []string{fmt.Sprint(i % 100), fmt.Sprint("other ", i)}[:2*(i%2)], availability.FromStart)
		if err != nil {
			t.Fatal(err)
		}
		waiting.Go(func() {
			defer v.Close()
			told := false
			for {
				_, _, caughtUp, err := v.Next(ctx)
				if err != nil {
					return
				}
				if caughtUp && !told {
					told = true
					first.Done()
				}
			}
		})
	}
	first.Wait()
	if each := (memory() - before) / watchers; each > 50_000 {
		t.Errorf("%d bytes each", each)
	} else {
		t.Logf("%d bytes each", each)
	}
	cancel()
	waiting.Wait()
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
