package availability_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// Documents and policies change at once; in the end everything stored is right.
func TestPolicyChangesConvergeUnderLiveUpdates(t *testing.T) {
	s := prepare(t)
	s.cache = 20_000
	s.run()
	facts := viewtest.NewFacts(3)
	facts.SKUs = 1000
	facts.Policies = true
	for i := range 300 {
		s.SKU(t, fmt.Sprintf("bulk %03d", i), received("place 1", int64(i)))
	}
	for range 20 {
		facts.Add(t, s.History, 40)
		s.seen()
		s.wantOracle()
	}
	stored := s.documents()
	s.stop()
	s.wantFreshFold(stored)
}

// wantFreshFold builds the read model from scratch, and compares the stored documents byte by byte.
func (s *scenario) wantFreshFold(stored string) {
	s.Helper()
	fresh := prepare(s.TB)
	fresh.History, fresh.workers = s.History, 1
	fresh.run()
	defer fresh.stop()
	if whole := fresh.documents(); whole != stored {
		s.Fatalf("built at once:\n%s\nbuilt in steps:\n%s", firstDifference(whole, stored), firstDifference(stored, whole))
	}
}

func firstDifference(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			return line
		}
	}
	return "(a prefix)"
}

func TestSameEventsSameBytes(t *testing.T) {
	for seed := range uint64(4) {
		s := prepare(t)
		facts := viewtest.NewFacts(seed)
		facts.Policies = true
		facts.Add(t, s.History, 600)
		var stored string
		for _, workers := range []int{1, 8} {
			s.workers = workers
			s.run()
			got := s.documents()
			s.wantOracle()
			if stored != "" && got != stored {
				t.Fatalf("%d workers made other bytes:\n%s", workers, firstDifference(got, stored))
			}
			stored = got
			if err := s.db.Availability().Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.stop()
		}
	}
}

// Stopped or cut off at any moment, the projection comes to the same documents as if nothing had happened.
func TestRestartsAndCrashesChangeNothing(t *testing.T) {
	for _, cache := range []int64{1, 0} {
		s := prepare(t)
		s.cache = cache
		s.run()
		facts := viewtest.NewFacts(9)
		facts.Policies = true
		random := rand.New(rand.NewPCG(5, 5))
		for range 40 {
			facts.Add(t, s.History, 1+random.IntN(30))
			s.workers = 1 + random.IntN(8)
			switch random.IntN(3) {
			case 0:
				s.restart()
			case 1:
				s.crash(random.IntN(101), random)
			default:
				s.seen()
				s.wantOracle()
			}
		}
		stored := s.documents()
		s.wantOracle()
		s.stop()
		s.wantFreshFold(stored)
	}
}

// behind is a read model whose progress seems to have been lost: it is written by somebody who is ahead.
type behind struct{ availability.ReadModel }

func (behind) Progress(context.Context) (projections.Progress, error) {
	return projections.Progress{}, nil
}

func TestEventsThatADocumentIncludesAreNotCountedAgain(t *testing.T) {
	s := start(t)
	facts := viewtest.NewFacts(2)
	facts.Policies = true
	facts.Add(t, s.History, 300)
	s.seen()
	s.wrap = func(m availability.ReadModel) availability.ReadModel { return behind{m} }
	s.restart()
	facts.Add(t, s.History, 1)
	s.seen()
	s.wantOracle()
	s.stop()
	s.wrap = func(m availability.ReadModel) availability.ReadModel { return m }
	s.run()
	stored := s.documents()
	s.stop()
	s.wantFreshFold(stored)
}

// A document that a reader holds does not change when its SKU does.
func TestDocumentsAreImmutable(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "shoe", received("berlin", 10), &stock.ReservationPlaced{ReservationID: "r", Quantity: 2,
		Splits: []stock.Split{{Location: "berlin", Quantity: 2}}, ExpiresAt: s.Now.CeilSecond() + 100*aggregates.Second})
	s.seen()
	d, err := s.Stock(t.Context(), "shoe")
	if err != nil {
		t.Fatal(err)
	}
	before := said(d)
	for range 20 {
		s.SKU(t, "shoe", sold("berlin", 1), received("a", 1), &stock.ReservationPlaced{ReservationID: "r2", Quantity: 2,
			Splits: []stock.Split{{Location: "berlin", Quantity: 2}}, ExpiresAt: s.Now.CeilSecond() + 99*aggregates.Second})
		s.seen()
	}
	if after := said(d); after != before {
		t.Fatalf("was %s\nnow %s", before, after)
	}
}

// said tells all that a document says.
func said(d *availability.Document) string {
	text := fmt.Sprintf("%+v %+v", d.Balances.Item, d.Channels())
	for b := range d.Balances.Each {
		text += fmt.Sprintf(" %+v", *b)
	}
	return text
}

// Readers see the versions of a SKU only grow, with a cache too small for anything.
func TestReadersNeverGoBack(t *testing.T) {
	s := prepare(t)
	s.cache = 1
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.seen()
	var readers sync.WaitGroup
	done := make(chan struct{})
	for r := range 3 {
		readers.Go(func() {
			last := map[string]uint64{}
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				sku := fmt.Sprint((i + r) % 4)
				var at uint64
				switch i % 3 {
				case 0:
					a, err := s.Get(t.Context(), sku, "web")
					report(t, err)
					at = a.Position
				case 1:
					if d, err := s.Stock(t.Context(), sku); err == nil && d != nil {
						at = d.Channels()[0].Position
					}
				default:
					page, err := s.Scan(t.Context(), "", 10)
					report(t, err)
					for _, d := range page {
						if d.SKU == sku {
							at = d.Channels()[0].Position
						}
					}
				}
				if at < last[sku] {
					t.Errorf("%q went back from %d to %d (%d)", sku, last[sku], at, i%3)
					return
				}
				last[sku] = max(at, last[sku])
			}
		})
	}
	for i := range 600 {
		if i%50 == 0 {
			s.Channel(t, "web", int64(i%7), "berlin")
		}
		s.SKU(t, fmt.Sprint(i%4), received("berlin", 1))
	}
	s.seen()
	close(done)
	readers.Wait()
	s.wantOracle()
}

// heldWrite holds up the first write of a SKU's document until the pass over all documents has gone by.
type heldWrite struct {
	availability.ReadModel
	sku     string
	once    sync.Once
	writing chan struct{} // closed when the write has begun
	passed  chan struct{} // closed when a pass that began after that has found no more documents
	end     sync.Once
}

func (h *heldWrite) Write(ctx context.Context, list []*availability.Document, p projections.Progress) error {
	for _, d := range list {
		if d.SKU == h.sku {
			h.once.Do(func() {
				close(h.writing)
				<-h.passed
			})
		}
	}
	return h.ReadModel.Write(ctx, list, p)
}

func (h *heldWrite) Scan(ctx context.Context, after string, limit int) ([]*availability.Document, error) {
	list, err := h.ReadModel.Scan(ctx, after, limit)
	select {
	case <-h.writing:
		if len(list) == 0 {
			h.end.Do(func() { close(h.passed) })
		}
	default:
	}
	return list, err
}

// A document that is being written while the policies change is neither stored yet, so that the pass would find it, nor
// computed under the new ones: it is written again.
func TestAPolicyChangeReachesWhatIsBeingWritten(t *testing.T) {
	s := prepare(t)
	model := &heldWrite{sku: "new", writing: make(chan struct{}), passed: make(chan struct{})}
	s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "old", received("berlin", 50))
	s.converged()
	s.SKU(t, "new", received("berlin", 50))
	<-model.writing
	at := s.Channel(t, "web", 10, "berlin")
	s.converged()
	d, err := s.db.Availability().Read(t.Context(), "new")
	if err != nil || d.Policies() != at || d.Channels()[0].ATS != 40 {
		t.Fatalf("stored under the policies of %d: %+v, %v; want those of %d", d.Policies(), d.Channels(), err, at)
	}
}
