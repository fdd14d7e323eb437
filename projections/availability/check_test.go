package availability_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// corrupt changes what is stored of a SKU behind the projection's back.
func (s *scenario) corrupt(sku string, change func(*availability.Document)) {
	s.Helper()
	d, err := s.db.Availability().Read(s.Context(), sku)
	if err != nil || d == nil {
		s.Fatalf("read %q: %v, %v", sku, d, err)
	}
	bad := *d
	bad.Balances = d.Balances.Clone()
	change(&bad)
	if err := s.db.Availability().Write(s.Context(), []*availability.Document{&bad}, projections.Progress{}); err != nil {
		s.Fatal(err)
	}
}

func (s *scenario) check(sku string) *availability.Drift {
	s.Helper()
	d, err := s.NewChecker(s.Store).Check(s.Context(), sku)
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// mend wants a SKU's document to be wrong, and right afterwards.
func (s *scenario) mend(sku string) *availability.Drift {
	s.Helper()
	d := s.check(sku)
	if d == nil {
		s.Fatalf("nothing is wrong with %q", sku)
	}
	if err := s.NewChecker(s.Store).Mend(s.Context(), d); err != nil {
		s.Fatal(err)
	}
	return d
}

func TestACorruptDocumentIsFoundExplainedAndMended(t *testing.T) {
	s := shop(t)
	first := s.SKU(t, "shoe", received("berlin", 5))
	s.SKU(t, "shoe", sold("berlin", 2))
	last := s.SKU(t, "shoe", received("paris", 1))
	s.SKU(t, "sock", received("berlin", 9))
	s.seen()
	if d := s.check("shoe"); d != nil {
		t.Fatalf("found in a right document: %s %+v", d.Explanation(), d.Differences)
	}
	v := s.watch("web", availability.FromNow)
	s.corrupt("shoe", func(d *availability.Document) { d.Balances.At("berlin").OnHand[stock.Sellable] = 5 })
	d := s.mend("shoe")
	if d.Kind != availability.DriftDiffers || d.Copy != availability.CopyStored || d.Position != last || d.Should != last {
		t.Errorf("got %+v", d)
	}
	if len(d.Differences) != 1 || d.Differences[0].Field != "balances[berlin].on_hand" || !strings.HasPrefix(d.Differences[0].Is, "5") ||
		!strings.HasPrefix(d.Differences[0].Should, "3") {
		t.Errorf("differences %+v", d.Differences)
	}
	if d.AsOf == nil || d.AsOf.Position != first || len(d.Concerned) != 1 || d.Concerned[0].Revision != 1 {
		t.Errorf("as of %v, concerned %v: the sale was lost", d.AsOf, d.Concerned)
	}
	if d := s.check("shoe"); d != nil {
		t.Errorf("after mending: %s", d.Explanation())
	}
	stored, err := s.db.Availability().Read(t.Context(), "shoe")
	if err != nil || stored.Balances.At("berlin").OnHand[stock.Sellable] != 3 || stored.Position != last {
		t.Errorf("stored %+v, %v", stored, err)
	}
	s.want("shoe", "web", 3)
	v.until("shoe", 3) // whoever watches was told, since what it heard may have been wrong
	kept := s.documents()
	s.stop()
	s.wantFreshFold(kept)
}

// What came between the check and the mending is in the document that is written.
func TestMendingKeepsWhatCameSinceTheCheck(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	s.corrupt("shoe", func(d *availability.Document) { d.Balances.At("berlin").OnHand[stock.Sellable] = 9 })
	s.restart() // what is remembered is as wrong as what is stored
	s.seen()
	d := s.check("shoe")
	if d == nil {
		t.Fatal("nothing is wrong")
	}
	last := s.SKU(t, "shoe", sold("berlin", 2))
	s.seen()
	s.want("shoe", "web", 7)
	if err := s.NewChecker(s.Store).Mend(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if a := s.want("shoe", "web", 3); a.Position != last {
		t.Errorf("got %+v, want position %d", a, last)
	}
	stored := s.documents()
	s.stop()
	s.wantFreshFold(stored)
}

// A document that the store gave back in an older form, or not at all, though the projection has gone on.
func TestWhatADocumentLacksIsFound(t *testing.T) {
	for _, missing := range []bool{false, true} {
		s := shop(t)
		early := s.SKU(t, "shoe", received("berlin", 5))
		s.seen()
		old, err := s.db.Availability().Read(t.Context(), "shoe")
		if err != nil {
			t.Fatal(err)
		}
		last := s.SKU(t, "shoe", sold("berlin", 2))
		s.seen()
		progress, err := s.db.Availability().Progress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kept := []*availability.Document{old}
		if missing {
			kept = nil
		}
		if err := errors.Join(s.db.Availability().Reset(t.Context()), s.db.Availability().Write(t.Context(), kept, progress)); err != nil {
			t.Fatal(err)
		}
		switch d := s.mend("shoe"); {
		case d.Should != last:
			t.Errorf("got %s: %+v", d.Explanation(), d)
		case missing && (d.Kind != availability.DriftMissing || d.Position != 0 || len(d.Concerned) != 2):
			t.Errorf("got %s: %+v", d.Explanation(), d)
		case !missing && (d.Kind != availability.DriftLacks || d.Position != early || d.AsOf == nil || d.AsOf.Position != early ||
			len(d.Concerned) != 1 || d.Concerned[0].Position != last):
			t.Errorf("got %s: %+v", d.Explanation(), d)
		}
		s.want("shoe", "web", 3)
		stored := s.documents()
		s.stop()
		s.wantFreshFold(stored)
	}
}

// A value that does not follow from the balances is wrong as well, unless its channel's policy is about to be taken in.
func TestAWrongValueIsFound(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	other, err := s.db.Availability().Read(t.Context(), "shoe")
	if err != nil {
		t.Fatal(err)
	}
	last := s.SKU(t, "shoe", received("berlin", 2))
	s.seen()
	wrong := *other // its value is that of 5
	wrong.Position, wrong.Balances = last, other.Balances.Clone()
	wrong.Balances.At("berlin").OnHand[stock.Sellable] = 7
	if err := s.db.Availability().Write(t.Context(), []*availability.Document{&wrong}, projections.Progress{}); err != nil {
		t.Fatal(err)
	}
	d := s.mend("shoe")
	found := map[string]string{}
	for _, x := range d.Differences {
		found[x.Field] = x.Is + " " + x.Should
	}
	if found["values[web].ats"] != "5 7" || found["recorded_at"] == "" || len(found) != 2 || len(d.Concerned) != 1 || d.Concerned[0].Position != last {
		t.Errorf("got %+v, concerned %v", found, d.Concerned)
	}
}

// A document of which this process has not seen the events yet is not wrong, nor can it be compared.
func TestADocumentAheadOfItsStreamIsNoDrift(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	s.corrupt("shoe", func(d *availability.Document) { d.Position += 1000 })
	if d, err := s.NewChecker(s.Store).Check(t.Context(), "shoe"); !errors.Is(err, availability.ErrAhead) || d != nil {
		t.Fatalf("got %v, %v", d, err)
	}
}

// A document of a position where the SKU has no event was not folded from its stream.
func TestAVersionThatNoEventHasIsFound(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	other := s.SKU(t, "sock", received("berlin", 5))
	last := s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	right, err := s.db.Availability().Read(t.Context(), "shoe")
	if err != nil {
		t.Fatal(err)
	}
	progress, err := s.db.Availability().Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrong := *right
	wrong.Position = other
	if err := errors.Join(s.db.Availability().Reset(t.Context()), s.db.Availability().Write(t.Context(), []*availability.Document{&wrong}, progress)); err != nil {
		t.Fatal(err)
	}
	if d := s.mend("shoe"); d.Kind != availability.DriftVersion || d.Position != other || d.Should != last {
		t.Errorf("got %s: %+v", d.Explanation(), d)
	}
}

// Documents are checked while they are folded, computed under new policies and written: none of them is taken for wrong.
func TestChecksBesideLiveUpdatesFindNothing(t *testing.T) {
	for _, cache := range []int64{1, 0} {
		s := prepare(t)
		s.cache = cache
		s.run()
		checker := s.NewChecker(s.Store)
		var checking sync.WaitGroup
		done, checked := make(chan struct{}), 0
		checking.Go(func() {
			for {
				skus := s.known()
				for _, sku := range skus {
					d, err := checker.Check(s.Context(), sku)
					if d != nil {
						t.Errorf("%q: %s, %+v, %v", sku, d.Explanation(), d.Differences, d.Concerned)
					} else if err == nil {
						checked++
					} else if !errors.Is(err, availability.ErrUnreadable) && !errors.Is(err, availability.ErrAhead) {
						t.Error(err)
					}
				}
				select {
				case <-done:
					if checked > 0 {
						return
					}
				default:
				}
			}
		})
		facts := viewtest.NewFacts(11)
		facts.Policies = true
		for range 60 {
			facts.Add(t, s.History, 20)
		}
		s.seen()
		close(done)
		checking.Wait()
		stored := s.documents()
		s.stop()
		s.wantFreshFold(stored)
	}
}

// known lists the SKUs that have documents.
func (s *scenario) known() (skus []string) {
	list, err := s.db.Availability().Scan(s.Context(), "", 1000)
	report(s, err)
	for _, d := range list {
		skus = append(skus, d.SKU)
	}
	return skus
}

// The self-check mends what is corrupted again and again while events come in. In the end everything is as if nothing had happened.
func TestSelfCheckMendsBesideLiveUpdates(t *testing.T) {
	for _, cache := range []int64{1, 0} {
		s := prepare(t)
		s.cache = cache
		s.run()
		var text lockedBuffer
		check := availability.NewSelfCheck(s.NewChecker(s.Store), &place{}, 1_000_000, slog.New(slog.NewTextHandler(&text, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { report(t, check.Run(ctx)) })
		facts := viewtest.NewFacts(13)
		facts.Policies = true
		for i := range 40 {
			facts.Add(t, s.History, 15)
			s.converged()
			if skus := s.known(); len(skus) > 0 {
				s.corrupt(skus[i%len(skus)], func(d *availability.Document) {
					d.RecordedAt += aggregates.Second
					for b := range d.Balances.Each {
						b.OnHand[stock.Sellable] += 3
					}
				})
			}
		}
		s.converged()
		s.corrupt(s.known()[0], func(d *availability.Document) { d.RecordedAt += aggregates.Second })
		for rounds := check.Stats().Rounds; check.Stats().Rounds < rounds+2; {
			time.Sleep(time.Millisecond)
		}
		cancel()
		running.Wait()
		x := check.Stats()
		if x.Drifted == 0 || x.Mended == 0 || x.Checked < x.Drifted || x.Mended > x.Drifted {
			t.Errorf("stats %+v", x)
		}
		if log := text.String(); !strings.Contains(log, "is not what its events come to") || !strings.Contains(log, "explanation=") ||
			!strings.Contains(log, "recorded_at.is=") || !strings.Contains(log, "events=") {
			t.Errorf("the log says\n%s", log)
		}
		stored := s.documents()
		s.stop()
		s.wantFreshFold(stored)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
