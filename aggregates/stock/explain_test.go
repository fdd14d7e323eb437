package stock

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

func addedUp(steps []Step) (sum int64) {
	for _, s := range steps {
		sum += s.Amount
	}
	return sum
}

// Whatever happened, and at whichever past instant, the steps add up to what was available, what lies at a location is its count and
// the changes since, and what is reserved is what the holds hold.
func TestStepsAddUpOverRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistoryOf(t)
		for range 250 {
			h.now += aggregates.Second / 2 * aggregates.Instant(rapid.IntRange(0, 4).Draw(t, "pass"))
			h.step()
		}
		for range 20 {
			known := h.boundary(h.draw("known", 0, len(h.log)))
			now := h.now
			if known > 0 && known < len(h.log) {
				now = h.log[known-1].meta.RecordedAt
			}
			h.traced(h.log[:known], now)
		}
		h.traced(h.log, h.now)
	})
}

func (h *history) traced(log []logged, now aggregates.Instant) {
	var trace Trace
	then := &State{}
	for i, x := range log {
		trace.Add(x.event, aggregates.Record{Revision: uint64(i)}, x.meta)
		then.Evolve(x.event, x.meta)
	}
	for _, p := range append(channels, NewPolicy("poor", []string{"munich", "nowhere", "hamburg"}, 1000, 0)) {
		h.equal("steps on "+p.Channel, addedUp(trace.Steps(p, now)), then.Available(p, now))
	}
	held := map[string]int64{}
	for _, x := range trace.Held(now) {
		if view, err := Find(then, x.ID, now); err != nil || view.Remaining != x.Remaining || view.Status != x.Status || x.Placed.Record.Revision >= trace.Events {
			h.t.Fatalf("held %+v, found %+v, %v", x, view, err)
		}
		for _, s := range x.Splits {
			held[s.Location] += s.Quantity
		}
	}
	for x := range then.Each {
		p := trace.Place(x.Location)
		h.equal("traced at "+x.Location, p.CountedLeft+p.Changed, x.OnHand[Sellable])
		h.equal("held at "+x.Location, held[x.Location], x.Live(now))
		if p.Changes < int64(len(p.Latest)) || len(p.Latest) > MaxLatest || p.Changes > 0 && len(p.Latest) == 0 {
			h.t.Fatalf("%d changes, the latest %+v", p.Changes, p.Latest)
		}
	}
}

func TestATraceSaysWhichEventsSetANumber(t *testing.T) {
	g := scenario(t).given(
		received("berlin", 9).at("08:00"), sold("berlin", 2).at("10:00"), counted("berlin", 12).at("09:00"),
		registered(RegisterRequest{SafetyStock: []SafetyStock{{Location: "berlin", Quantity: 3}}}),
		sold("berlin", 1).at("08:30"), reserve("cart", 4), reserve("large", 2), soldFor("berlin", 3, "cart"), received("hamburg", 5),
		move(ownedBy(Movement{Kind: KindCounted, Location: "berlin", Quantity: 99}, "wms")).from("legacy"))
	var trace Trace
	for i, x := range g.w.log {
		trace.Add(x.event, aggregates.Record{Revision: uint64(i)}, x.meta)
	}
	p := trace.Place("berlin")
	if p.Count == nil || p.Count.Record.Revision != 3 || p.Counted != 12 || p.CountedLeft != 10 || p.Changes != 1 || p.Changed != -3 ||
		p.Absorbed != 1 || p.SafetyStock == nil || p.Observed != 1 || p.Observations[0].Effect != 99 || p.Latest[0].Effect != -3 {
		t.Errorf("berlin: %+v", p)
	}
	held := trace.Held(g.w.now)
	if len(held) != 2 || held[0].ID != "large" || held[1].ID != "cart" || held[1].Remaining != 1 {
		t.Errorf("held %+v", held)
	}
	want := []Step{
		{StepOnHand, "hamburg", 5}, {StepOnHand, "berlin", 7}, {StepReserved, "berlin", -3}, {StepSafetyStock, "berlin", -3},
		{StepBuffer, "", -20}, {StepNotBelow, "", 14},
	}
	got := trace.Steps(NewPolicy("web", []string{"hamburg", "munich", "berlin"}, 20, 0), g.w.now)
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("step %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestStepsSayWhatIsKeptForLater(t *testing.T) {
	steps := func(want ...Step) expectation {
		return func(w *world) {
			if got := w.state.Steps(w.policy, w.now); !slices.Equal(got, want) {
				w.t.Errorf("steps %+v, expected %+v", got, want)
			}
		}
	}
	scenario(t).given(counted("berlin", 20), expected("po", "berlin", 10, day(4)), reserve("now", 3)).
		when(reserveFor("covered", 10, day(7))).then(steps(Step{StepOnHand, "berlin", 20}, Step{StepReserved, "berlin", -3})).
		when(reserveFor("more", 5, day(8))).
		then(steps(Step{StepOnHand, "berlin", 20}, Step{StepReserved, "berlin", -3}, Step{StepLater, "berlin", -5}), ats(12))
}
