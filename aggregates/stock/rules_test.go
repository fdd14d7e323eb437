package stock

import (
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// Steps and expectations of rules.

func keep(r KeepRequest) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		events, err := Keep(w.state, r, m, w.now)
		return nil, events, err
	}}
}

func allocated(r AllocationRequest) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Allocate(w.state, r, m, w.now))
	}}
}

func selling(r SellingRule) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(SetSelling(w.state, r, m, w.now))
	}}
}

// on lets a step be done on another channel.
func on(p *Policy, s step) step {
	decide := s.decide
	s.decide = func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		before := w.policy
		w.policy = p
		defer func() { w.policy = before }()
		return decide(w, m)
	}
	return s
}

func atsOn(p *Policy, want int64) expectation {
	return func(w *world) {
		w.t.Helper()
		if got := w.state.Available(p, w.now); got != want {
			w.t.Fatalf("available on %s %d, expected %d", p.Channel, got, want)
		}
	}
}

func offers(want Offer) expectation {
	return func(w *world) {
		w.t.Helper()
		if got := w.state.Offer(w.policy, w.now); got != want {
			w.t.Fatalf("offer %+v, expected %+v", got, want)
		}
	}
}

func soldOn(channel, location string, quantity int64) step {
	return move(Movement{Kind: KindSold, Location: location, Quantity: quantity, Channel: channel})
}

func percent(n int64) Portion { return Portion{BasisPoints: n * 100} }
func pieces(n int64) Portion  { return Portion{Units: n} }

func shop(terms Terms) *Policy {
	return NewPolicy("web", []string{"berlin", "hamburg", "munich"}, 0, 900).With(terms)
}

func market() *Policy { return NewPolicy("market", []string{"munich", "berlin"}, 0, 900) }

// dairy is stocked with 10 in Berlin and 7 in Hamburg.
func dairy(t *testing.T, p *Policy) given {
	return scenario(t).under(p).given(registered(RegisterRequest{Name: "Milk", Category: "dairy"}), counted("berlin", 10), counted("hamburg", 7))
}

func TestThePortionThatIsKeptBack(t *testing.T) {
	for _, x := range []struct {
		kept         Portion
		onHand, want int64
	}{
		{pieces(3), 10, 3}, {pieces(3), -1, 3}, {Portion{}, 10, 0},
		{percent(10), 10, 1}, {percent(10), 11, 2}, {percent(10), 0, 0}, {percent(10), -5, 0},
		{percent(100), 9_000_000_000_000_000_000, 9_000_000_000_000_000_000},
		{Portion{BasisPoints: 1}, 1, 1}, {Portion{BasisPoints: 3333}, 3, 1}, {Portion{BasisPoints: 3334}, 3, 2},
	} {
		if got := x.kept.Of(x.onHand); got != x.want {
			t.Errorf("%+v of %d is %d, want %d", x.kept, x.onHand, got, x.want)
		}
	}
}

// The most specific rule wins, wholly: each step adds a rule that beats those before it, then they end one by one.
func TestTheMostSpecificRuleWins(t *testing.T) {
	shared := Safety{}.With(SafetyRule{Channel: "web", Portion: pieces(1)}).With(SafetyRule{Location: "berlin", Portion: pieces(2)}).
		With(SafetyRule{Category: "dairy", Portion: pieces(3)}).With(SafetyRule{Category: "dairy", Location: "berlin", Portion: percent(35)})
	g := dairy(t, shop(Terms{Safety: shared}))
	another := NewPolicy("market", []string{"berlin"}, 0, 900).With(Terms{Safety: shared})
	g.
		when(wait(time.Second)).then(ats(6+4), atsOn(another, 6)).
		when(keep(KeepRequest{Portion: pieces(5)})).then(ats(5+2), atsOn(another, 5)).
		when(keep(KeepRequest{Channel: "web", Portion: pieces(6)})).then(ats(4+1), atsOn(another, 5)).
		when(keep(KeepRequest{Location: "berlin", Portion: pieces(7)})).then(ats(3+1), atsOn(another, 3)).
		when(keep(KeepRequest{Location: "berlin", Channel: "web"})).then(ats(10+1), atsOn(another, 3)).
		when(keep(KeepRequest{Location: "berlin", Channel: "web", End: true})).then(ats(3+1)).
		when(keep(KeepRequest{Location: "berlin", End: true})).then(ats(4+1), atsOn(another, 5)).
		when(keep(KeepRequest{Channel: "web", End: true})).then(ats(5 + 2)).
		when(keep(KeepRequest{End: true})).then(ats(6 + 4))
}

func TestOfTheSharedRulesTheMoreSpecificWins(t *testing.T) {
	var shared Safety
	for _, x := range []struct {
		rule SafetyRule
		want int64
	}{
		{SafetyRule{Channel: "web", Portion: pieces(1)}, 9 + 6},
		{SafetyRule{Location: "berlin", Portion: pieces(2)}, 8 + 6},
		{SafetyRule{Category: "dairy", Portion: pieces(3)}, 7 + 4},
		{SafetyRule{Category: "dairy", Location: "berlin", Portion: percent(35)}, 6 + 4},
		{SafetyRule{Category: "meat", Location: "berlin", Portion: percent(90)}, 6 + 4},
		{SafetyRule{Channel: "market", Portion: percent(90)}, 6 + 4},
	} {
		shared = shared.With(x.rule)
		dairy(t, shop(Terms{Safety: shared})).when(wait(time.Second)).then(ats(x.want))
	}
}

func TestKeepingNothingIsARule(t *testing.T) {
	dairy(t, shop(Terms{Safety: Safety{{Category: "dairy", Portion: pieces(3)}}})).
		when(keep(KeepRequest{Location: "berlin"})).then(ats(10+4), recorded(&SafetyStockSet{Location: "berlin", Explicit: true})).
		when(keep(KeepRequest{Location: "berlin"})).then(nothingRecorded()).
		when(keep(KeepRequest{Location: "berlin", Portion: percent(50)})).then(ats(5+4)).
		when(keep(KeepRequest{Location: "berlin", Portion: pieces(2)})).then(ats(8+4), recorded(&SafetyStockSet{Location: "berlin", Quantity: 2})).
		when(keep(KeepRequest{Location: "berlin", Portion: percent(50)})).then(ats(5 + 4)).
		when(keep(KeepRequest{Location: "berlin", End: true})).then(ats(7 + 4)).
		when(keep(KeepRequest{Location: "berlin", End: true})).then(nothingRecorded())
}

// A rule for a time beats the standing one of its level, and of two that overlap the one that began later wins, whatever
// the order in which they were set.
func TestRulesForATime(t *testing.T) {
	rules := []KeepRequest{
		{Location: "berlin", Portion: pieces(1)},
		{Location: "berlin", Portion: pieces(2), Period: Period{From: clock("13:00"), Until: clock("16:00")}},
		{Location: "berlin", Portion: pieces(3), Period: Period{From: clock("14:00")}},
		{Location: "berlin", Portion: pieces(4), Period: Period{From: clock("14:00"), Until: clock("15:00")}},
		{Portion: pieces(9), Period: Period{Until: clock("23:00")}}, // less specific
	}
	for shift := range rules {
		g := dairy(t, NewPolicy("web", []string{"berlin"}, 0, 900))
		for i := range rules {
			g.given(keep(rules[(i+shift)%len(rules)]))
		}
		for at, kept := range map[string]int64{"12:59:59": 1, "13:00": 2, "13:59": 2, "14:00": 4, "14:59:59": 4, "15:00": 3, "16:00": 3, "23:00": 3} {
			if got := g.w.state.Available(g.w.policy, clock(at)); got != 10-kept {
				t.Errorf("begun with %d: at %s there are %d, want %d", shift, at, got, 10-kept)
			}
		}
		for from, next := range map[string]string{"12:00": "13:00", "13:00": "14:00", "14:00": "15:00", "15:00": "16:00", "16:00": "23:00"} {
			if got := g.w.state.NextBoundary(clock(from)); got != clock(next) {
				t.Errorf("after %s the next is %v, want %s", from, got.Time(), next)
			}
		}
		if g.w.state.NextBoundary(clock("23:00")) != 0 {
			t.Error("there is another boundary")
		}
	}
}

func TestThePassingOfABoundaryIsRecordedOnce(t *testing.T) {
	pass := step{decide: func(w *world, _ aggregates.Metadata) (any, []aggregates.Event, error) {
		return nil, PassPeriod(w.state, w.now), nil
	}}
	period := Period{From: clock("13:00"), Until: clock("14:00")}
	dairy(t, shop(Terms{})).
		when(keep(KeepRequest{Portion: pieces(2), Period: period})).then(ats(17)).
		when(pass).then(nothingRecorded()).
		when(wait(time.Hour)).then(ats(13)).
		when(pass).then(recorded(&SafetyPeriodPassed{At: clock("13:00")})).
		when(pass).then(nothingRecorded()).
		when(wait(time.Hour)).then(ats(17)).
		when(counted("berlin", 10)).then(ats(17)).
		when(pass).then(nothingRecorded()) // what was recorded since says it too
}

func TestWhatIsWrongWithARule(t *testing.T) {
	for _, r := range []KeepRequest{
		{Portion: pieces(-1)}, {Portion: pieces(MaxQuantity + 1)}, {Portion: Portion{BasisPoints: WholeBasisPoints + 1}},
		{Period: Period{From: 5, Until: 5}}, {Period: Period{From: -1}},
	} {
		if _, err := Keep(&State{}, r, aggregates.Metadata{}, 1); err == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
}

func TestBuffersAndThresholds(t *testing.T) {
	buffered := NewPolicy("web", []string{"berlin", "hamburg"}, 4, 900)
	for what, x := range map[string]struct {
		policy *Policy
		want   Offer
	}{
		"a share of what is on hand": {shop(Terms{Share: percent(10)}), Offer{ATS: 15, Standing: InStock}},
		"units":                      {buffered, Offer{ATS: 13, Standing: InStock}},
		"units for a time":           {buffered.With(Terms{BufferTime: Period{From: clock("11:00"), Until: clock("13:00")}}), Offer{ATS: 13, Standing: InStock}},
		"units, later":               {buffered.With(Terms{BufferTime: Period{From: clock("13:00")}}), Offer{ATS: 17, Standing: InStock}},
		"low":                        {shop(Terms{LowStock: 17}), Offer{ATS: 17, Standing: LowStock}},
		"just not low":               {shop(Terms{LowStock: 16}), Offer{ATS: 17, Standing: InStock}},
		"sold out":                   {shop(Terms{SellOut: 17}), Offer{Standing: OutOfStock}},
		"just not sold out":          {shop(Terms{SellOut: 16}), Offer{ATS: 17, Standing: InStock}},
		"closed":                     {shop(Terms{Closed: true}), Offer{Standing: NotSoldHere}},
		"no location":                {NewPolicy("web", nil, 0, 900), Offer{Standing: NotSoldHere}},
	} {
		t.Run(what, func(t *testing.T) { dairy(t, x.policy).when(wait(time.Second)).then(offers(x.want)) })
	}
}

func TestASellOutThresholdIsAlsoTheGuards(t *testing.T) {
	dairy(t, shop(Terms{SellOut: 5})).
		when(reserve("a", 12)).then(ats(0)).
		when(reserve("b", 1)).then(refused(&InsufficientError{Requested: 1})).
		when(selling(SellingRule{SellOut: 2})).then(ats(5)).
		when(selling(SellingRule{Channel: "web", SellOut: 9})).then(ats(0)).
		when(selling(SellingRule{Channel: "web", LowStock: 5})).then(ats(0), offers(Offer{Standing: OutOfStock})).
		when(selling(SellingRule{Channel: "web"})).then(ats(5))
}
