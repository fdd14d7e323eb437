package stock

import (
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// What random histories under rules do beside selling: units are handed over by methods that not every location serves, orders come that are sold already,
// places are closed to a channel, and promises that cannot be kept there move.

var (
	kinds   = map[string]Site{"aachen": {Kind: "dc"}, "berlin": {Kind: "store"}, "celle": {Kind: "store"}, "dresden": {Kind: "dc"}}
	methods = map[string]Method{"ship": {Kinds: []string{"dc"}, CutOff: NoCutOff}, "pickup": {Kinds: []string{"store"}, CutOff: NoCutOff},
		"same_day": {Kinds: []string{"store"}, CutOff: 12*60 + 3}}
)

// serving are the channel's sites that may serve a way, told from the table alone.
func (h *ruled) serving(p *Policy, method, location string) (sites []string) {
	late := h.now.Time().UTC().Hour() > 12 || h.now.Time().UTC().Minute() >= 3
	for _, l := range p.Sites {
		store := l == "berlin" || l == "celle"
		ok := method == "" || method == "ship" && !store || method == "pickup" && store || method == "same_day" && store && !late
		if ok && (location == "" || l == location) {
			sites = append(sites, l)
		}
	}
	return sites
}

func (h *ruled) atsBy(p *Policy, method, location string) int64 {
	sites := h.serving(p, method, location)
	if len(sites) == 0 {
		return 0
	}
	return min(h.ats(p), h.pool(p, sites))
}

func (h *ruled) compareWays(p *Policy) {
	way := Way{Method: []string{"", "pickup", "same_day", "ship"}[h.draw("asked method", 0, 3)]}
	if h.draw("asked at a place", 0, 1) == 0 {
		way.Location = h.place()
	}
	want := h.atsBy(p, way.Method, way.Location)
	got, err := h.state.AvailableBy(p, way, h.now)
	if err != nil || got != want {
		h.t.Fatalf("available on %s by %+v is %d (%v), expected %d", p.Channel, way, got, err, want)
	}
	if steps, err := h.state.StepsBy(p, way, h.now); err != nil || addedUp(steps) != want {
		h.t.Fatalf("the steps on %s by %+v add up to %d (%v), expected %d", p.Channel, way, addedUp(steps), err, want)
	}
	if way.Location != "" {
		return
	}
	each, err := h.state.AvailableAtEach(p, way.Method, h.now)
	if err != nil || len(each) != len(h.serving(p, way.Method, "")) {
		h.t.Fatalf("%d places on %s by %q: %v", len(each), p.Channel, way.Method, err)
	}
	for _, x := range each {
		if want := h.atsBy(p, way.Method, x.Location); x.Quantity != want {
			h.t.Fatalf("available on %s by %q at %s is %d, expected %d", p.Channel, way.Method, x.Location, x.Quantity, want)
		}
	}
}

// oversell takes in an order of a marketplace, which is sold already.
func (h *ruled) oversell() {
	p := h.policies[h.draw("channel", 0, 2)]
	if len(p.Sites) == 0 {
		return
	}
	r := OrderRequest{ReservationID: fmt.Sprint("sold ", len(h.log)), OrderID: fmt.Sprint("o", len(h.log)), Version: 1, Sold: true,
		Lines: []int64{int64(h.draw("quantity", 1, 12))}}
	var placed Ordered
	if err := h.do(func(m aggregates.Metadata) (events []aggregates.Event, err error) {
		placed, events, err = Order(h.state, r, m, p, h.now)
		return events, err
	}); err != nil {
		h.t.Fatal(err)
	}
	h.promises[r.ReservationID] = &undertaking{channel: p.Channel, splits: placed.Reservation.Splits}
}

// steer sets a rule of which promises move by themselves.
func (h *ruled) steer() {
	r := MoveRule{Off: h.draw("off", 0, 1) == 0}
	if h.draw("of a channel", 0, 1) == 0 {
		r.Channel = h.outlet()
	}
	if h.draw("at a place", 0, 1) == 0 {
		r.Location = h.place()
	}
	h.moves = slices.DeleteFunc(slices.Clone(h.moves), func(x MoveRule) bool { return x.Channel == r.Channel && x.Location == r.Location })
	h.moves = append(h.moves, r)
	for i, p := range h.policies {
		terms := p.Terms
		terms.Moves = h.moves.Of(p.Channel)
		h.policies[i] = p.With(terms)
	}
}

func (h *ruled) policyOf(channel string) *Policy { return h.policies[slices.Index(outlets, channel)] }

// stays is what the rules of moves say, asked level by level.
func (h *ruled) stays(channel, location string) bool {
	for _, about := range []MoveRule{{Channel: channel, Location: location}, {Channel: channel}, {Location: location}, {}} {
		for _, r := range h.moves {
			if r.Channel == about.Channel && r.Location == about.Location {
				return r.Off
			}
		}
	}
	return false
}

func (h *ruled) missingAt(location string) int64 {
	firm := h.sum(func(_ *undertaking, x Split) bool { return x.Location == location && !x.Backordered })
	return max(0, firm-h.onHand[location])
}

// relocate moves what is at risk, as the process does: each in turn, all twice.
func (h *ruled) relocate() {
	for range 2 {
		risks, all := Risks(h.state, h.policyOf, h.now, 1_000)
		if all != len(risks) {
			h.t.Fatalf("%d of %d", len(risks), all)
		}
		h.checkRisks(risks)
		for _, x := range risks {
			h.moveOne(x.ReservationID)
		}
	}
}

// checkRisks holds what is listed against what the model has missing.
func (h *ruled) checkRisks(risks []AtRisk) {
	short := map[string]int64{}
	closed := map[string]int64{}
	for _, x := range risks {
		p := h.promises[x.ReservationID]
		if want := p.bound || h.stays(p.channel, x.Location); want != (x.Stays != MayMove) {
			h.t.Fatalf("%+v: stays is %v", x, want)
		}
		if x.Cause == CauseClosed {
			closed[x.Location] += x.Quantity
		} else {
			short[x.Location] += x.Quantity
		}
	}
	for _, l := range places {
		at := func(sold bool) int64 {
			return h.sum(func(p *undertaking, x Split) bool {
				return x.Location == l && !x.Backordered && slices.Contains(h.policyOf(p.channel).Sites, l) == sold
			})
		}
		if closed[l] != at(false) || short[l] != min(h.missingAt(l), at(true)) {
			h.t.Fatalf("at %s %d are at risk as closed and %d as short, expected %d and %d", l, closed[l], short[l], at(false), min(h.missingAt(l), at(true)))
		}
	}
}

// moveOne moves a promise by itself, and checks that nobody else's is worse off.
func (h *ruled) moveOne(id string) {
	before, p := h.promises[id], h.policyOf(h.promises[id].channel)
	missing, guaranteed := map[string]int64{}, h.guaranteed()
	for _, l := range places {
		missing[l] = h.missingAt(l)
	}
	var after Reservation
	if err := h.do(func(m aggregates.Metadata) (events []aggregates.Event, err error) {
		after, events, err = Reallocate(h.state, ReallocateRequest{ReservationID: id, ByRule: true}, m, p, h.now)
		return events, err
	}); err != nil {
		h.t.Fatal(err)
	}
	for _, x := range after.Splits {
		more := x.Quantity - unitsOf(before.splits, x)
		switch {
		case more > 0 && !slices.Contains(h.serving(p, before.method, ""), x.Location):
			h.t.Fatalf("%s, by %q, went to %+v", id, before.method, x)
		case more < 0 && (before.bound || h.stays(p.Channel, x.Location)):
			h.t.Fatalf("%s moved %d from %s, where it stays", id, -more, x.Location)
		}
	}
	if total(after.Splits) != total(before.splits) {
		h.t.Fatalf("%s held %v and holds %v", id, before.splits, after.Splits)
	}
	before.splits = after.Splits
	for _, l := range places {
		if now := h.missingAt(l); now > missing[l] {
			h.t.Fatalf("moving %s left %d missing at %s, where %d were", id, now, l, missing[l])
		}
	}
	for channel, was := range guaranteed {
		if is := h.guaranteed()[channel]; channel != p.Channel && is < was {
			h.t.Fatalf("moving %s left %d guaranteed to %s, of %d", id, is, channel, was)
		}
	}
}

func unitsOf(splits []Split, like Split) (sum int64) {
	for _, x := range splits {
		if x.Location == like.Location && x.Backordered == like.Backordered {
			sum += x.Quantity
		}
	}
	return sum
}
