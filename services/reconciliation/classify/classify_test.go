package classify

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
)

const (
	asOf   = aggregates.Instant(1_767_268_800_000_000)
	second = aggregates.Second
)

func TestWhatAgreesIsNoDiscrepancy(t *testing.T) {
	if c := (Case{Said: 5, Held: 5, Then: 5}); c.Differs() {
		t.Error("differs")
	}
	for _, c := range []Case{{Said: 5, Held: 5, Then: 4}, {Said: 5, Held: 4, Then: 5}, {Said: 4, Held: 5, Then: 5}} {
		if !c.Differs() {
			t.Errorf("%+v agrees", c)
		}
	}
}

func TestEachClassByItsEvidence(t *testing.T) {
	erp := func(c Case) Case { c.Source, c.AsOf = "erp", asOf; return c }
	sale := Fact{ID: "e-1", What: "StockSold", Source: "pos", RecordedAt: asOf + second, OccurredAt: asOf - second, Effect: -2}
	glimpsed := sale
	glimpsed.Glimpsed = true
	queued := sale
	queued.Queued = true
	for name, x := range map[string]struct {
		c    Case
		want reconciliation.Class
	}{
		"late, known to the source":           {Case{Said: 8, Held: 8, Then: 10, Late: []Fact{sale}}, reconciliation.LateEvent},
		"late, unknown to the source as well": {Case{Said: 10, Held: 8, Then: 10, Late: []Fact{sale}}, reconciliation.LateEvent},
		"queued":                              {Case{Said: 8, Held: 8, Then: 10, Late: []Fact{queued}}, reconciliation.QueuedEvent},
		"late, and something else":            {Case{Said: 3, Held: 8, Then: 10, Late: []Fact{sale}}, reconciliation.Unexplained},
		"dead letter":                         {Case{Said: 8, Held: 10, Then: 10, Letters: []Fact{sale}}, reconciliation.DeadLetter},
		"one of two dead letters":             {Case{Said: 8, Held: 10, Then: 10, Letters: []Fact{{Effect: 7}, sale}}, reconciliation.DeadLetter},
		"dead letter of another amount":       {Case{Said: 7, Held: 10, Then: 10, Letters: []Fact{sale}}, reconciliation.Unexplained},
		"dead letter that breaks rules":       {Case{Said: 8, Held: 10, Then: 10, Letters: []Fact{glimpsed}}, reconciliation.DeadLetter},
		"dead letter that cannot be read":     {Case{Said: 7, Held: 10, Then: 10, Unread: []Fact{{ID: "l-1"}}}, reconciliation.DeadLetter},
		"one that can be read before one that cannot": {Case{Said: 8, Held: 10, Then: 10, Unread: []Fact{{ID: "l-1"}}, Counts: []Count{{Counted: 9, Leads: 8}}},
			reconciliation.ConflictingCounts},
		"told twice":               {Case{Said: 12, Held: 10, Then: 10, Twice: []Fact{sale}}, reconciliation.Duplicate},
		"observed":                 {Case{Said: 8, Held: 10, Then: 10, Observed: []Fact{sale}, Owners: []string{"wms"}}, reconciliation.NotOwner},
		"not believed":             {Case{Said: 7, Held: 10, Then: 10, Owners: []string{"wms"}}, reconciliation.NotOwner},
		"believed":                 {Case{Said: 7, Held: 10, Then: 10, Owners: []string{"erp"}}, reconciliation.Unexplained},
		"another count":            {Case{Said: 7, Held: 10, Then: 10, Counts: []Count{{Counted: 9, Leads: 7}}}, reconciliation.ConflictingCounts},
		"decimals":                 {Case{Said: 5000, Held: 5, Then: 5}, reconciliation.UnitMistake},
		"cases":                    {Case{Said: 4, Held: 48, Then: 48}, reconciliation.UnitMistake},
		"a ratio of small numbers": {Case{Said: 20, Held: 2, Then: 2}, reconciliation.Unexplained},
		"sequence gap":             {Case{Said: 7, Held: 10, Then: 10, Gaps: []Gap{{ID: "l-1"}}}, reconciliation.SequenceGap},
		"not published": {Case{Said: 7, Held: 10, Then: 10, Shown: []Shown{{Available: 10, RecordedAt: asOf - second},
			{Available: 7, Published: asOf - 9*second}}}, reconciliation.NotDelivered},
		"published after": {Case{Said: 7, Held: 10, Then: 10, Shown: []Shown{{Available: 10, Published: asOf + second},
			{Available: 7, Published: asOf - 9*second}}}, reconciliation.NotDelivered},
		"refused downstream": {Case{Said: 7, Held: 10, Then: 10, Shown: []Shown{{Available: 10, Trouble: "too large"},
			{Available: 7, Published: asOf - 9*second}}}, reconciliation.NotDelivered},
		"published before": {Case{Said: 7, Held: 10, Then: 10, Shown: []Shown{{Available: 10, Published: asOf - second},
			{Available: 7, Published: asOf - 9*second}}}, reconciliation.Unexplained},
	} {
		c := erp(x.c)
		f := Explain(&c)
		if f.Class != x.want {
			t.Errorf("%s: class %d, want %d", name, f.Class, x.want)
		}
		for _, e := range f.Evidence {
			if e.Confidence == 0 {
				t.Errorf("%s: nobody says how sure %+v is", name, e)
			}
		}
		if (len(f.Evidence) == 0) != (f.Class == reconciliation.Unexplained) {
			t.Errorf("%s: evidence %+v of class %d", name, f.Evidence, f.Class)
		}
	}
}

func TestHowSureEvidenceIsIsSaid(t *testing.T) {
	sale := Fact{ID: "l-1", What: "StockSold in the dead letters for INVALID", OccurredAt: asOf - second, Effect: -2}
	glimpsed := sale
	glimpsed.Glimpsed = true
	for name, x := range map[string]struct {
		c    Case
		want reconciliation.Confidence
	}{
		"read whole":             {Case{Said: 8, Held: 10, Then: 10, Letters: []Fact{sale, glimpsed}}, reconciliation.Exact},
		"breaks rules":           {Case{Said: 8, Held: 10, Then: 10, Letters: []Fact{glimpsed}}, reconciliation.Likely},
		"cannot be read":         {Case{Said: 8, Held: 10, Then: 10, Unread: []Fact{glimpsed}}, reconciliation.Possible},
		"missing":                {Case{Said: 8, Held: 10, Then: 10, Gaps: []Gap{{ID: "l-1"}}}, reconciliation.Possible},
		"a pattern of decimals":  {Case{Said: 8000, Held: 8, Then: 8}, reconciliation.Likely},
		"somebody else's matter": {Case{Said: 8, Held: 10, Then: 10, Owners: []string{"wms"}}, reconciliation.Possible},
	} {
		x.c.Source, x.c.AsOf = "erp", asOf
		if f := Explain(&x.c); len(f.Evidence) != 1 || f.Evidence[0].Confidence != x.want {
			t.Errorf("%s: got %+v, want confidence %d", name, f, x.want)
		}
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	c := Case{Said: 300, Held: 300, Then: 0, AsOf: asOf}
	for range 300 {
		c.Late = append(c.Late, Fact{Effect: 1, RecordedAt: asOf + second})
	}
	if f := Explain(&c); len(f.Evidence) != MaxEvidence || f.Evidence[MaxEvidence-1].Text != "and 281 more" {
		t.Errorf("%d pieces of evidence, the last %+v", len(f.Evidence), f.Evidence[len(f.Evidence)-1])
	}
}

// A history with a fault of a known class, and with things around it that have nothing to do with it.
type planted struct {
	Case
	class reconciliation.Class
}

func plant(r *rand.Rand, class reconciliation.Class) planted {
	truth := int64(20 + r.IntN(180))
	p := planted{class: class, Case: Case{Source: "erp", AsOf: asOf, Said: truth, Held: truth, Then: truth}}
	fact := func(effect int64) Fact {
		return Fact{ID: fmt.Sprint("e-", r.IntN(1e6)), What: "StockSold", Source: "pos", OccurredAt: asOf - aggregates.Instant(r.IntN(1e9)), Effect: effect}
	}
	amount := func() int64 { return []int64{-1, 1}[r.IntN(2)] * int64(1+r.IntN(19)) }
	switch class {
	case reconciliation.LateEvent, reconciliation.QueuedEvent:
		for range 1 + r.IntN(5) {
			f := fact(-int64(1 + r.IntN(4)))
			f.RecordedAt, f.Queued = asOf+aggregates.Instant(1+r.IntN(1e9)), class == reconciliation.QueuedEvent
			p.Late = append(p.Late, f)
			p.Then -= f.Effect
		}
	case reconciliation.DeadLetter:
		if r.IntN(3) == 0 { // one that cannot be read: by its key, or for want of an amount
			p.Said += amount()
			p.Unread = []Fact{{ID: "l-1", What: "message in the dead letters for INVALID", OccurredAt: asOf - second, Glimpsed: true}}
			break
		}
		for range 1 + r.IntN(3) {
			f := fact(-int64(1 + r.IntN(9)))
			f.Glimpsed = r.IntN(2) == 0
			p.Letters = append(p.Letters, f)
			p.Held, p.Then = p.Held-f.Effect, p.Then-f.Effect
		}
	case reconciliation.Duplicate:
		f := fact(amount())
		p.Twice = []Fact{f}
		p.Held, p.Then = p.Held+f.Effect, p.Then+f.Effect
	case reconciliation.NotOwner:
		p.Owners = []string{"wms"}
		f := fact(amount())
		p.Said += f.Effect
		if r.IntN(2) == 0 {
			p.Observed = []Fact{f}
		}
	case reconciliation.ConflictingCounts:
		p.Said += amount()
		p.Counts = []Count{{Fact: fact(0), Counted: p.Said + 3, Leads: p.Said}, {Fact: fact(0), Counted: truth, Leads: truth}}
	case reconciliation.UnitMistake:
		p.Said *= []int64{10, 100, 1000, 6, 12, 24}[r.IntN(6)]
	case reconciliation.SequenceGap:
		p.Said += amount()
		p.Gaps = []Gap{{ID: "l-1", Source: "wms", Key: "milk", First: 4, Last: 5, Missing: 2}}
	case reconciliation.NotDelivered:
		p.Said += amount()
		p.Shown = []Shown{{Available: truth, RecordedAt: asOf - second}, {Available: p.Said, Published: asOf - 9*second}}
		if r.IntN(2) == 0 {
			p.Shown[0].Published = asOf + aggregates.Instant(1+r.IntN(1e9))
		}
	case reconciliation.Unexplained:
		p.Said += amount()
	}
	p.around(r, fact, truth)
	return p
}

// around adds what has nothing to do with the fault.
func (p *planted) around(r *rand.Rand, fact func(int64) Fact, truth int64) {
	for range r.IntN(3) { // letters about other amounts
		p.Letters = append(p.Letters, fact(int64(25+r.IntN(500))))
	}
	exact := p.class != reconciliation.SequenceGap && p.class != reconciliation.Unexplained && (p.class != reconciliation.NotOwner || len(p.Observed) > 0)
	if exact && r.IntN(4) == 0 { // one that nobody can read: what explains the difference to the unit comes first
		p.Unread = append(p.Unread, Fact{ID: "l-2", What: "message in the dead letters for MALFORMED", OccurredAt: asOf - second, Glimpsed: true})
	}
	if r.IntN(4) == 0 && len(p.Twice) == 0 {
		p.Twice = []Fact{fact(int64(25 + r.IntN(500)))}
	}
	if len(p.Owners) == 0 && r.IntN(3) == 0 {
		p.Owners = []string{"wms", "erp"}
	}
	if len(p.Counts) == 0 && r.IntN(3) == 0 { // a count that leads elsewhere
		p.Counts = []Count{{Fact: fact(0), Counted: truth, Leads: truth + int64(25+r.IntN(99))}}
	}
	if len(p.Shown) == 0 && r.IntN(4) == 0 {
		p.Shown = []Shown{{Available: truth, Published: asOf - second}, {Available: truth - int64(25+r.IntN(99)), Published: asOf - 9*second}}
	}
}

// Precision: of those that are put into a class, how many belong there. Recall: of those that belong there, how many are put there.
func TestPrecisionAndRecallAreAtLeast95PercentPerClass(t *testing.T) {
	const each = 2_000
	r := rand.New(rand.NewPCG(1, 2))
	var right, said [reconciliation.Unexplained + 1]int
	for class := reconciliation.LateEvent; class <= reconciliation.Unexplained; class++ {
		for range each {
			p := plant(r, class)
			if !p.Differs() {
				t.Fatalf("class %d: the fault makes no difference: %+v", class, p)
			}
			got := Explain(&p.Case).Class
			if said[got]++; got == class {
				right[class]++
			}
		}
	}
	for class := reconciliation.LateEvent; class <= reconciliation.Unexplained; class++ {
		precision, recall := float64(right[class])/float64(max(said[class], 1)), float64(right[class])/each
		t.Logf("class %2d: precision %.3f, recall %.3f", class, precision, recall)
		if precision < 0.95 || recall < 0.95 {
			t.Errorf("class %d: precision %.3f, recall %.3f, want 0.95 at least", class, precision, recall)
		}
	}
}

// The order of evidence makes no difference, and nothing is changed by looking at it.
func TestExplainChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2_000 {
		p := plant(r, reconciliation.LateEvent+reconciliation.Class(r.IntN(10)))
		before, first := fmt.Sprint(p.Case), fmt.Sprint(Explain(&p.Case))
		if again := fmt.Sprint(Explain(&p.Case)); again != first || fmt.Sprint(p.Case) != before {
			t.Fatalf("%s, then %s", first, again)
		}
	}
}
