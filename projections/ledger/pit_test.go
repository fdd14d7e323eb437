package ledger_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
	"github.com/stockfold/stockfold/projections/ledger"
)

func all(t rapid.TB, l *ledger.Ledger, c ledger.Cut, m valuation.Method) *ledger.Snapshot {
	s, err := l.All(context.Background(), c, m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func quantities(s *ledger.Snapshot) map[place]lies {
	found := map[place]lies{}
	for _, sku := range s.SKUs {
		for _, p := range sku.Places {
			l := lies{onHand: p.OnHand, reserved: p.Reserved, inTransit: p.InTransit, incoming: p.Incoming}
			if l != (lies{}) {
				found[place{sku.SKU, p.Location}] = l
			}
		}
	}
	return found
}

func same(t rapid.TB, what string, c ledger.Cut, got, want map[place]lies) {
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s at %d, position %d:\n got %v\nwant %v", what, c.At-noon, c.Position, got, want)
	}
}

// At every instant, and as known at every position, the ledger tells what the oracles tell: with blocks of a few postings, with everything
// in memory, and after a restart.
func TestEveryPastStateIsAsTheOraclesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.store.Close()
		for range rapid.SampledFrom([]int{120, 60, 20}).Draw(t, "steps") {
			h.step()
		}
		fs := vfs.NewMem()
		l, stop := h.open(fs, rapid.SampledFrom([]int{5, 40, 1000}).Draw(t, "interval"))
		defer func() { stop() }()
		h.await(l)
		h.mergeLate(l)
		h.compare(l)
		stop()
		l, stop = h.open(fs, 7)
		h.await(l)
		h.compare(l)
		for range 20 {
			h.step()
			h.mergeLate(l)
		}
		h.await(l)
		h.compare(l)
	})
}

// mergeLate merges what came late, or does not.
func (h *history) mergeLate(l *ledger.Ledger) {
	if !rapid.Bool().Draw(h.T, "merge late") {
		return
	}
	if err := l.MergeLate(context.Background()); err != nil {
		h.Fatal(err)
	}
}

// What came late is in blocks soon, without anything more coming, and stays there.
func TestWhatCameLateIsMergedSoon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.store.Close()
		for range 30 {
			h.step()
		}
		fs := vfs.NewMem()
		for range 2 {
			l, stop := h.open(fs, 1000)
			h.await(l)
			for l.Late() {
				time.Sleep(time.Millisecond)
			}
			h.compare(l)
			stop()
		}
	})
}

func (h *history) compare(l *ledger.Ledger) {
	for range 6 {
		c := h.someCut()
		c.Axis = ledger.Recorded
		s := all(h.T, l, ledger.Cut{Axis: ledger.Recorded, At: c.At}, valuation.Average)
		same(h.T, "what was known", c, quantities(s), h.known(c.At))
		again := all(h.T, l, ledger.Cut{Axis: ledger.Recorded, At: c.At, Position: s.Position}, valuation.Average)
		if s.Position != 0 && !reflect.DeepEqual(again.SKUs, s.SKUs) {
			h.Fatalf("with the position %d that was told, another answer", s.Position)
		}
		c.Axis = ledger.Occurred
		same(h.T, "what was true", c, quantities(all(h.T, l, c, valuation.FIFO)), h.truth(c.At, c.Position))
	}
}

func (h *history) someCut() ledger.Cut {
	return ledger.Cut{
		At:       noon + aggregates.Second*aggregates.Instant(rapid.IntRange(-310, int((h.now-noon)/aggregates.Second)+60).Draw(h.T, "at")),
		Position: uint64(rapid.IntRange(1, max(1, len(h.log))).Draw(h.T, "position")),
	}
}

// Whatever comes later, a settled answer on the recorded axis stays the same, values included; and so does one on the occurred axis with its
// position.
func TestAnswersAreForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.store.Close()
		l, stop := h.open(vfs.NewMem(), rapid.SampledFrom([]int{5, 30}).Draw(t, "interval"))
		defer stop()
		type answer struct {
			ledger.Cut
			valuation.Method
			*ledger.Snapshot
		}
		var given []answer
		for range 60 {
			h.step()
			if rapid.IntRange(0, 5).Draw(t, "ask") > 0 {
				continue
			}
			h.await(l)
			c, m := h.someCut(), valuation.Method(rapid.IntRange(0, 1).Draw(t, "method"))
			c.Axis, c.Position = ledger.Axis(rapid.IntRange(0, 1).Draw(t, "axis")), 0
			s := all(t, l, c, m)
			if c.Axis == ledger.Occurred {
				c.Position = s.Position
			}
			if s.Settled || c.Position != 0 {
				given = append(given, answer{c, m, s})
			}
		}
		h.await(l)
		for _, x := range given {
			now := all(t, l, x.Cut, x.Method)
			if !reflect.DeepEqual(now.SKUs, x.SKUs) || now.Position != x.Snapshot.Position || now.Events != x.Events {
				t.Fatalf("%+v: was %+v, is %+v", x.Cut, x.Snapshot, now)
			}
		}
	})
}

// Opening plus what flowed is closing, in units and in value, by both methods and on both axes; opening and closing are those of snapshots, and the
// steps of a SKU add up to its lines.
func TestRollForwardAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.store.Close()
		for range 100 {
			h.step()
		}
		l, stop := h.open(vfs.NewMem(), rapid.SampledFrom([]int{5, 30, 1000}).Draw(t, "interval"))
		defer stop()
		h.await(l)
		for range 4 {
			to, m := h.someCut(), valuation.Method(rapid.IntRange(0, 1).Draw(t, "method"))
			to.Axis = ledger.Axis(rapid.IntRange(0, 1).Draw(t, "axis"))
			from := to
			from.At -= aggregates.Second * aggregates.Instant(rapid.IntRange(0, 200).Draw(t, "length"))
			report, err := l.Between(context.Background(), from.At, to, m)
			if err != nil {
				t.Fatal(err)
			}
			opening, closing := amounts(all(t, l, from, m)), amounts(all(t, l, to, m))
			for _, x := range report.Lines {
				sum, p := x.Opening, place{x.SKU, x.Location}
				for _, f := range x.Flow {
					sum.Add(f)
				}
				if sum != x.Closing || x.Opening != opening[p] || x.Closing != closing[p] {
					t.Fatalf("%+v: comes to %+v; snapshots say %+v and %+v", x, sum, opening[p], closing[p])
				}
				delete(opening, p)
				delete(closing, p)
				h.traced(l, from.At, to, m, x)
			}
			for p, a := range opening {
				if a != (ledger.Amount{}) || closing[p] != a {
					t.Fatalf("%v is in no line", p)
				}
			}
		}
	})
}

func (h *history) traced(l *ledger.Ledger, from aggregates.Instant, to ledger.Cut, m valuation.Method, x ledger.Line) {
	steps, _, err := l.Trace(context.Background(), x.SKU, from, to, m)
	if err != nil {
		h.Fatal(err)
	}
	var flow [stock.Flows]ledger.Amount
	for _, s := range steps {
		if s.Location == x.Location {
			flow[s.Flow].Add(s.Amount)
		}
	}
	if flow != x.Flow {
		h.Fatalf("steps of %s at %s come to %+v, the line says %+v", x.SKU, x.Location, flow, x.Flow)
	}
}

func amounts(s *ledger.Snapshot) map[place]ledger.Amount {
	found := map[place]ledger.Amount{}
	for _, sku := range s.SKUs {
		for _, p := range sku.Places {
			found[place{sku.SKU, p.Location}] = ledger.Amount{Units: p.Units(), Value: p.Value}
		}
	}
	return found
}

// A crash at any time leaves a ledger that goes on: what was stored of a checkpoint that was not finished is not counted twice.
func TestACrashWhileACheckpointIsWrittenLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		defer h.store.Close()
		for range 40 {
			h.step()
		}
		fs, fails := vfs.NewMem(), rapid.IntRange(0, 30).Draw(t, "writes until it crashes")
		db := h.views(fs)
		m := &failing{ReadModel: db.Ledger(), left: fails, failed: make(chan struct{})}
		l, stop := h.run(m, 10)
		m.crash(l)
		stop()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		l, end := h.open(fs, 10)
		defer end()
		h.await(l)
		h.compare(l)
	})
}
