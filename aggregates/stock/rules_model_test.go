package stock

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// Random histories of stock, reservations and rules of every kind, on three channels and four locations, held against a model
// that keeps lists of what was said and answers every question from the beginning. What a channel may take it finds by cuts:
// no more than the least of all ways to separate the demands from the stock.
type ruled struct {
	t        *rapid.T
	state    *State
	now      aggregates.Instant
	log      []logged
	policies []*Policy
	shared   []SafetyRule
	moves    Moves

	onHand   map[string]int64
	promises map[string]*undertaking
	own      []SafetyRule
	buffers  []SafetyRule // of the SKU, and of categories
	fences   map[[2]string]*AllocationRequest
	left     []departure
	rules    map[string]SellingRule
}

type undertaking struct {
	channel string
	splits  []Split
	until   aggregates.Instant
	method  string
	bound   bool
}

// departure is what left through a channel, and the allocations that count it.
type departure struct {
	channel, location string
	quantity          int64
	counts            map[[2]string]bool
}

var (
	places    = []string{"aachen", "berlin", "celle", "dresden"}
	outlets   = []string{"market", "store", "web"}
	sourcings = [][]string{{"celle", "berlin"}, {"aachen", "celle", "dresden"}, {"berlin", "aachen"}, {"dresden", "celle", "berlin", "aachen"}, {"aachen"}, {}}
	noGroup   = ""
)

func newRuled(t *rapid.T) *ruled {
	h := &ruled{t: t, state: &State{}, now: clock("12:00"), onHand: map[string]int64{}, promises: map[string]*undertaking{},
		fences: map[[2]string]*AllocationRequest{}, rules: map[string]SellingRule{}}
	for range outlets {
		h.policies = append(h.policies, nil)
	}
	for i := range outlets {
		h.policy(i)
	}
	h.do(func(m aggregates.Metadata) ([]aggregates.Event, error) {
		_, events, err := Register(h.state, RegisterRequest{Name: "Milk", Category: "dairy"}, m, h.now)
		return events, err
	})
	return h
}

func (h *ruled) draw(what string, low, high int) int {
	return low + rapid.SampledFrom(numbers[:high-low+1]).Draw(h.t, what)
}

func (h *ruled) place() string  { return places[h.draw("place", 0, 3)] }
func (h *ruled) outlet() string { return outlets[h.draw("outlet", 0, 2)] }

// do decides, checks that the state stays as it is, and folds.
func (h *ruled) do(decide func(m aggregates.Metadata) ([]aggregates.Event, error)) error {
	m := aggregates.Metadata{OccurredAt: h.now, RecordedAt: h.now, IdempotencyKey: fmt.Sprint(len(h.log)), Fingerprint: uint64(len(h.log))}
	before := encoded(h.tb(), h.state)
	events, err := decide(m)
	if !bytes.Equal(before, encoded(h.tb(), h.state)) {
		h.t.Fatal("a decision changed the state")
	}
	for _, e := range events {
		h.state.Evolve(e, m)
		h.log = append(h.log, logged{e, m})
		if err := h.state.Check(); err != nil {
			h.t.Fatalf("after %s: %v", e.EventType(), err)
		}
	}
	return err
}

func (h *ruled) tb() testing.TB { return failing{TB: nil, t: h.t} }

// policy gives a channel another policy.
func (h *ruled) policy(i int) {
	sites := slices.Clone(sourcings[h.draw("sourcing", 0, len(sourcings)-1)])
	terms := Terms{Methods: methods, Places: kinds, Moves: h.moves, Strategy: Strategy(h.draw("strategy", 0, 2)), Closed: h.draw("closed", 0, 19) == 0, SellOut: int64(max(0, h.draw("sell out", -5, 2)))}
	if h.draw("share", 0, 3) == 0 {
		terms.Share = Portion{BasisPoints: int64(h.draw("basis points", 0, 999)) * 3}
	}
	for _, r := range h.shared {
		terms.Safety = terms.Safety.With(r)
	}
	terms.Buffers = h.sharedBuffers()
	h.policies[i] = NewPolicy(outlets[i], sites, int64(max(0, h.draw("buffer", -3, 2))), 40).With(terms)
}

func (h *ruled) step() {
	switch n := h.draw("what", 0, 99); {
	case n < 22:
		h.fact()
	case n < 50:
		h.reserve()
	case n < 64:
		h.change()
	case n < 66:
		h.relocate()
	case n < 72:
		_ = h.do(func(aggregates.Metadata) ([]aggregates.Event, error) { return Expire(h.state, h.now, 9), nil })
		for id, p := range h.promises {
			if p.until != 0 && p.until <= h.now {
				delete(h.promises, id)
			}
		}
	case n < 80:
		h.keep()
		h.hold()
	case n < 88:
		h.allocate()
	case n < 90:
		h.sell()
	case n < 91:
		h.oversell()
	case n < 92:
		h.steer()
	case n < 95:
		h.share()
	case n < 98:
		h.policy(h.draw("which", 0, 2))
	default:
		var restored State
		if err := restored.UnmarshalBinary(encoded(h.tb(), h.state)); err != nil {
			h.t.Fatal(err)
		}
		h.state = &restored
	}
}

func (h *ruled) fact() {
	r := Movement{Kind: KindReceived, Location: h.place(), Quantity: int64(h.draw("quantity", 0, 9))}
	if h.draw("sold", 0, 2) == 0 {
		r.Kind, r.Channel, r.Quantity = KindSold, h.outlet(), r.Quantity/3
	}
	if err := h.do(func(m aggregates.Metadata) ([]aggregates.Event, error) {
		_, events, err := Move(h.state, r, m, h.now)
		return events, err
	}); err != nil {
		h.t.Fatal(err)
	}
	if r.Kind == KindReceived {
		h.onHand[r.Location] += r.Quantity
		return
	}
	h.depart(r.Channel, r.Location, r.Location, r.Quantity)
}

// depart notes that units leave a place that were counted at another one.
func (h *ruled) depart(channel, from, countedAt string, quantity int64) {
	h.onHand[from] -= quantity
	d := departure{channel: channel, location: countedAt, quantity: quantity, counts: map[[2]string]bool{}}
	if h.state.tallied() {
		for key := range h.fences {
			d.counts[key] = true
		}
	}
	h.left = append(h.left, d)
}

func (h *ruled) reserve() {
	i := h.draw("channel", 0, 2)
	p := h.policies[i]
	id := fmt.Sprint("r", len(h.log), " ", h.draw("id", 0, 999))
	r := ReserveRequest{ReservationID: id, Quantity: int64(h.draw("quantity", 1, 12)), Confirmed: h.draw("confirmed", 0, 2) == 0}
	if h.draw("wish", 0, 4) == 0 {
		r.Location, r.Binding = h.place(), h.draw("binding", 0, 1) == 0
	}
	if h.draw("by a method", 0, 3) == 0 {
		r.Method = []string{"pickup", "same_day", "ship"}[h.draw("method", 0, 2)]
	}
	ats, beyond := h.atsBy(p, r.Method, ""), h.beyond(p)
	guaranteed := h.guaranteed()
	var placed Reservation
	err := h.do(func(m aggregates.Metadata) (events []aggregates.Event, err error) {
		placed, events, err = Reserve(h.state, r, m, p, h.now)
		return events, err
	})
	if err != nil {
		var short *InsufficientError
		if errors.As(err, &short) && !r.Binding && (short.Available != ats || beyond != Unlimited && r.Quantity <= ats+beyond) {
			h.t.Fatalf("refused %d of %d and %d beyond: %v", r.Quantity, ats, beyond, err)
		}
		return
	}
	var stocked, later int64
	for _, x := range placed.Splits {
		if !slices.Contains(h.serving(p, r.Method, ""), x.Location) || r.Binding && x.Location != r.Location {
			h.t.Fatalf("taken from %+v", x)
		}
		if x.Backordered {
			later += x.Quantity
		} else {
			stocked += x.Quantity
		}
	}
	if stocked > ats || stocked+later != r.Quantity || beyond != Unlimited && later > beyond || later > 0 && stocked < ats && !r.Binding {
		h.t.Fatalf("%d taken of %d, %d of %d beyond, for %d", stocked, ats, later, beyond, r.Quantity)
	}
	h.promises[id] = &undertaking{channel: p.Channel, splits: placed.Splits, until: placed.ExpiresAt, method: r.Method, bound: r.Binding}
	for channel, was := range guaranteed {
		if is := h.guaranteed()[channel]; channel != p.Channel && is < was {
			h.t.Fatalf("a reservation on %s left %d guaranteed to %s, of %d", p.Channel, is, channel, was)
		}
	}
}

// change releases, confirms or hands over a reservation.
func (h *ruled) change() {
	var live []string
	for id, p := range h.promises {
		if p.until == 0 || p.until > h.now {
			live = append(live, id)
		}
	}
	if len(live) == 0 {
		return
	}
	slices.Sort(live)
	id := live[h.draw("which", 0, min(999, len(live)-1))]
	p := h.promises[id]
	var after Reservation
	run := func(decide func(m aggregates.Metadata) (Reservation, []aggregates.Event, error)) {
		if err := h.do(func(m aggregates.Metadata) (events []aggregates.Event, err error) {
			after, events, err = decide(m)
			return events, err
		}); err != nil {
			h.t.Fatal(err)
		}
	}
	part := int64(h.draw("part", 0, 1)) // all, or one unit
	switch h.draw("change", 0, 2) {
	case 0:
		run(func(m aggregates.Metadata) (Reservation, []aggregates.Event, error) {
			return Release(h.state, ReleaseRequest{ReservationID: id, Quantity: part}, m, h.now)
		})
	case 1:
		run(func(m aggregates.Metadata) (Reservation, []aggregates.Event, error) {
			return Confirm(h.state, ConfirmRequest{ReservationID: id}, m, h.now)
		})
	default:
		from := ""
		if h.draw("elsewhere", 0, 3) == 0 {
			from = h.place()
		}
		run(func(m aggregates.Metadata) (Reservation, []aggregates.Event, error) {
			return Fulfil(h.state, FulfilRequest{ReservationID: id, Quantity: part, Location: from}, m, h.now)
		})
		for _, x := range h.log[len(h.log)-1:] {
			h.handedOver(p.channel, x.event)
		}
	}
	if p.until, p.splits = after.ExpiresAt, after.Splits; after.Remaining == 0 {
		delete(h.promises, id)
	}
}

func (h *ruled) handedOver(channel string, e aggregates.Event) {
	if _, oversold := e.(*OversoldDetected); oversold {
		for i := len(h.log) - 2; ; i-- { // one for each location
			if e = h.log[i].event; e.EventType() == TypeReservationFulfilled {
				break
			}
		}
	}
	for _, x := range e.(*ReservationFulfilled).Splits {
		h.depart(channel, x.Location, x.ReservedAt, x.Quantity)
	}
}

// period draws when a rule is in force.
func (h *ruled) period() (p Period) {
	if h.draw("bound", 0, 2) == 0 {
		p.From = h.now + aggregates.Instant(h.draw("from", 0, 60)-20)*aggregates.Second
		if h.draw("ends", 0, 3) > 0 {
			p.Until = p.From + aggregates.Instant(h.draw("for", 1, 60))*aggregates.Second
		}
	}
	return p
}

func (h *ruled) portion() Portion {
	if h.draw("percent", 0, 1) == 0 {
		return Portion{BasisPoints: int64(h.draw("basis points", 0, 999)) * 6}
	}
	return Portion{Units: int64(h.draw("units", 0, 3))}
}

func (h *ruled) keep() {
	r := KeepRequest{Portion: h.portion(), Period: h.period(), End: h.draw("end", 0, 4) == 0}
	if h.draw("at a place", 0, 1) == 0 {
		r.Location = h.place()
	}
	if h.draw("of a channel", 0, 1) == 0 {
		r.Channel = h.outlet()
	}
	if err := h.do(func(m aggregates.Metadata) ([]aggregates.Event, error) { return Keep(h.state, r, m, h.now) }); err != nil {
		h.t.Fatal(err)
	}
	rule := SafetyRule{Location: r.Location, Channel: r.Channel, Portion: r.Portion, Period: r.Period}
	h.own = replaceRule(h.own, rule, r.End)
}

func replaceRule(list []SafetyRule, r SafetyRule, end bool) []SafetyRule {
	list = slices.DeleteFunc(slices.Clone(list), func(o SafetyRule) bool {
		return o.Category == r.Category && o.Location == r.Location && o.Channel == r.Channel && o.Period == r.Period
	})
	if end {
		return list
	}
	return append(list, r)
}

// share changes a shared rule, for all channels.
func (h *ruled) share() {
	r := SafetyRule{Portion: h.portion(), Period: h.period()}
	switch h.draw("level", 0, 3) {
	case 0:
		r.Category, r.Location = "dairy", h.place()
	case 1:
		r.Category = []string{"dairy", "meat"}[h.draw("category", 0, 1)]
	case 2:
		r.Location = h.place()
	default:
		r.Channel = h.outlet()
	}
	h.shared = replaceRule(h.shared, r, h.draw("end", 0, 3) == 0)
	for i, p := range h.policies {
		terms := p.Terms
		terms.Safety = nil
		for _, r := range h.shared {
			terms.Safety = terms.Safety.With(r)
		}
		h.policies[i] = p.With(terms)
	}
}

func (h *ruled) allocate() {
	r := AllocationRequest{Channel: h.outlet(), Locations: []string{"celle", "berlin"}, Fence: int64(h.draw("fence", 0, 9)), Restart: h.draw("restart", 0, 9) == 0}
	switch h.draw("group", 0, 3) {
	case 0:
		r.Group, r.Locations = "north", []string{"berlin", "celle"}
	case 1:
		r.Group, r.Locations = "south", []string{"aachen", "dresden"}
	case 2:
		r.Locations = []string{"aachen", "berlin", "dresden"}
	}
	if h.draw("capped", 0, 2) == 0 {
		r.Capped, r.Cap = true, int64(h.draw("cap", 0, 30))
	}
	err := h.do(func(m aggregates.Metadata) ([]aggregates.Event, error) {
		_, events, err := Allocate(h.state, r, m, h.now)
		return events, err
	})
	key := [2]string{r.Channel, r.Group}
	was := h.fences[key]
	used := h.used(&r, key)
	if r.Restart {
		used -= h.gone(&r, key)
	}
	ends := r.Fence == 0 && !r.Capped
	refuse := r.Capped && r.Cap < used || was != nil && r.Fence < was.Fence && r.Fence < used && !ends
	if refuse != (err != nil) {
		h.t.Fatalf("%+v after %+v with %d used: %v", r, was, used, err)
	}
	if err != nil {
		return
	}
	if ends || r.Restart || was == nil {
		for i := range h.left {
			delete(h.left[i].counts, key)
		}
	}
	if h.fences[key] = &r; ends {
		delete(h.fences, key)
	}
}

func (h *ruled) sell() {
	r := SellingRule{Backorders: int64(h.draw("back orders", -1, 9)), SellOut: int64(max(0, h.draw("sell out", -3, 2))), Unsold: h.draw("unsold", 0, 9) == 0}
	if h.draw("of a channel", 0, 2) > 0 {
		r.Channel = h.outlet()
	}
	if h.draw("release", 0, 3) == 0 {
		r.ReleaseAt, r.Preorders = h.now+aggregates.Instant(h.draw("release in", 1, 40))*aggregates.Second, int64(h.draw("pre-orders", -1, 9))
	}
	if h.draw("none", 0, 4) == 0 {
		r = SellingRule{Channel: r.Channel}
	}
	err := h.do(func(m aggregates.Metadata) ([]aggregates.Event, error) {
		_, events, err := SetSelling(h.state, r, m, h.now)
		return events, err
	})
	if err != nil {
		return
	}
	if h.rules[r.Channel] = r; r == (SellingRule{Channel: r.Channel}) {
		delete(h.rules, r.Channel)
	}
}

// What the model answers.

func (p *undertaking) live(now aggregates.Instant) bool { return p.until == 0 || p.until > now }

func (h *ruled) sum(of func(p *undertaking, x Split) bool) (sum int64) {
	for _, p := range h.promises {
		for _, x := range p.splits {
			if p.live(h.now) && of(p, x) {
				sum += x.Quantity
			}
		}
	}
	return sum
}

func (a *AllocationRequest) counts(location string) bool {
	return a.Group == noGroup || slices.Contains(a.Locations, location)
}

func (h *ruled) gone(a *AllocationRequest, key [2]string) (sum int64) {
	for _, d := range h.left {
		if d.channel == a.Channel && d.counts[key] && a.counts(d.location) {
			sum += d.quantity
		}
	}
	return sum
}

func (h *ruled) used(a *AllocationRequest, key [2]string) int64 {
	return h.gone(a, key) + h.sum(func(p *undertaking, x Split) bool { return p.channel == a.Channel && a.counts(x.Location) })
}

// kept asks level by level, and at each the rules in force from the one that wins.
func (h *ruled) kept(location, channel string) int64 {
	level := func(list []SafetyRule, category, location, channel string) *SafetyRule {
		var best *SafetyRule
		for i := range list {
			r := &list[i]
			if r.Category != category || r.Location != location || r.Channel != channel || r.From > h.now || r.Until != 0 && r.Until <= h.now {
				continue
			}
			end := func(r *SafetyRule) aggregates.Instant {
				if r.Until == 0 {
					return math.MaxInt64
				}
				return r.Until
			}
			standing := func(r *SafetyRule) bool { return r.Period == Period{} }
			switch {
			case best == nil, standing(best) && !standing(r), !standing(r) && r.From > best.From,
				!standing(r) && r.From == best.From && end(r) < end(best):
				best = r
			}
		}
		return best
	}
	for _, r := range []*SafetyRule{
		level(h.own, "", location, channel), level(h.own, "", location, ""), level(h.own, "", "", channel), level(h.own, "", "", ""),
		level(h.shared, "dairy", location, ""), level(h.shared, "dairy", "", ""), level(h.shared, "", location, ""), level(h.shared, "", "", channel),
	} {
		switch {
		case r == nil:
		case r.BasisPoints == 0:
			return r.Units
		default:
			return int64(math.Ceil(float64(max(0, h.onHand[location])*r.BasisPoints) / 10_000))
		}
	}
	return 0
}

type want struct {
	channel string
	at      []string
	need    int64
}

// flow is how much of the wants can be met: the least that separates them from what is free.
func flow(free map[string]int64, wants []want) int64 {
	least := int64(math.MaxInt64)
	for cut := range 1 << len(places) {
		through := int64(0)
		for i, l := range places {
			if cut>>i&1 == 1 {
				through += free[l]
			}
		}
		for _, w := range wants {
			if slices.ContainsFunc(w.at, func(l string) bool { return cut>>slices.Index(places, l)&1 == 0 }) {
				through += w.need
			}
		}
		least = min(least, through)
	}
	return least
}

// met cuts each want to what can be met of it, in order.
func met(free map[string]int64, wants []want) (list []want) {
	for _, w := range wants {
		before := flow(free, list)
		w.need = flow(free, append(slices.Clone(list), w)) - before
		list = append(list, w)
	}
	return list
}

func (h *ruled) free(p *Policy) map[string]int64 {
	free := map[string]int64{}
	for _, l := range places {
		firm := h.sum(func(_ *undertaking, x Split) bool { return x.Location == l && !x.Backordered })
		free[l] = max(0, h.onHand[l]-firm-h.kept(l, p.Channel))
	}
	return free
}

func (h *ruled) demands() (wants []want) {
	for _, channel := range outlets {
		var grouped int64
		for _, group := range []string{"north", "south", noGroup} {
			key := [2]string{channel, group}
			a := h.fences[key]
			if a == nil {
				continue
			}
			need := max(0, a.Fence-h.used(a, key))
			if group != noGroup {
				grouped += need
			} else {
				need = max(0, need-grouped)
			}
			wants = append(wants, want{channel, a.Locations, need})
		}
	}
	for _, l := range places {
		wants = append(wants, want{"", []string{l}, h.sum(func(_ *undertaking, x Split) bool { return x.Location == l && x.Backordered })})
	}
	return wants
}

func (h *ruled) ats(p *Policy) int64 {
	rule := h.ruleOf(p.Channel)
	if p.Closed || rule.Unsold || rule.ReleaseAt > h.now {
		return 0
	}
	pool := h.pool(p, p.Sites)
	if a := h.fences[[2]string{p.Channel, noGroup}]; a != nil && a.Capped {
		pool = min(pool, max(0, a.Cap-h.used(a, [2]string{p.Channel, noGroup})))
	}
	buffer := p.Buffer
	if p.Share.BasisPoints > 0 {
		var onHand int64
		for _, l := range p.Sites {
			onHand += max(0, h.onHand[l])
		}
		buffer = int64(math.Ceil(float64(onHand*p.Share.BasisPoints) / 10_000))
	}
	if r, ok := h.buffer(p.Channel); ok {
		buffer = h.keptBack(r, p)
	}
	pool = max(0, pool-buffer)
	threshold := rule.SellOut
	if threshold == 0 {
		threshold = p.SellOut
	}
	if pool <= threshold {
		return 0
	}
	return pool
}

// pool is what the channel can take at some of its sites together.
func (h *ruled) pool(p *Policy, sites []string) int64 {
	free := h.free(p)
	others := slices.DeleteFunc(met(free, h.demands()), func(w want) bool { return w.channel == p.Channel })
	own := slices.Clone(others)
	open := slices.Clone(sites)
	for _, group := range []string{"north", "south"} {
		if a := h.fences[[2]string{p.Channel, group}]; a != nil && a.Capped {
			inside := func(l string) bool { return slices.Contains(a.Locations, l) }
			own = append(own, want{at: slices.DeleteFunc(slices.Clone(sites), func(l string) bool { return !inside(l) }),
				need: max(0, a.Cap-h.used(a, [2]string{p.Channel, group}))})
			open = slices.DeleteFunc(open, inside)
		}
	}
	own = append(own, want{at: open, need: 1 << 40})
	return flow(free, own) - flow(free, others)
}

func (h *ruled) ruleOf(channel string) SellingRule {
	if r, ok := h.rules[channel]; ok {
		return r
	}
	return h.rules[""]
}

func (h *ruled) beyond(p *Policy) int64 {
	rule := h.ruleOf(p.Channel)
	limit := rule.Backorders
	if rule.ReleaseAt > h.now {
		limit = rule.Preorders
	}
	if limit <= 0 {
		return limit
	}
	return max(0, limit-h.sum(func(q *undertaking, x Split) bool {
		_, own := h.rules[q.channel]
		return x.Backordered && (q.channel == rule.Channel || rule.Channel == "" && !own)
	}))
}

// guaranteed is what can be met of the ring-fences of each channel, as far as safety stock is the same for all.
func (h *ruled) guaranteed() map[string]int64 {
	sums := map[string]int64{}
	if slices.ContainsFunc(slices.Concat(h.own, h.shared), func(r SafetyRule) bool { return r.Channel != "" }) {
		return sums
	}
	for _, w := range met(h.free(h.policies[0]), h.demands()) {
		if w.channel != "" {
			sums[w.channel] += w.need
		}
	}
	return sums
}

func (h *ruled) compare() {
	for _, p := range h.policies {
		if got, want := h.state.Available(p, h.now), h.ats(p); got != want {
			h.t.Fatalf("available on %s is %d, expected %d, after %d events", p.Channel, got, want, len(h.log))
		}
		h.compareWays(p)
		if o := h.state.Offer(p, h.now); o.Standing != NotSoldHere && o.Beyond != h.beyond(p) {
			h.t.Fatalf("beyond that on %s are %d, expected %d", p.Channel, o.Beyond, h.beyond(p))
		}
		if sum, want := addedUp(h.state.Steps(p, h.now)), h.state.Available(p, h.now); sum != want {
			h.t.Fatalf("the steps on %s add up to %d, available are %d: %+v", p.Channel, sum, want, h.state.Steps(p, h.now))
		}
		for x := range h.state.Each {
			if rules := h.state.SafetyRules(x, p, h.now); len(rules) > 0 && rules[0].Portion.Of(x.OnHand[Sellable]) != h.state.kept(x, p, h.now) {
				h.t.Fatalf("at %s the first rule is %+v, kept are %d", x.Location, rules[0], h.state.kept(x, p, h.now))
			} else if len(rules) == 0 && h.state.kept(x, p, h.now) != 0 {
				h.t.Fatalf("at %s no rule is told, kept are %d", x.Location, h.state.kept(x, p, h.now))
			}
		}
	}
}

// sellAll takes all of every channel's ATS, in some order, and finds no location with more promised than lies there that was not
// so before.
func (h *ruled) sellAll() {
	var s State
	if err := s.UnmarshalBinary(encoded(h.tb(), h.state)); err != nil {
		h.t.Fatal(err)
	}
	short := map[string]bool{}
	for x := range s.Each {
		short[x.Location] = x.Oversold(h.now)
	}
	for i, p := range rapid.Permutation(h.policies).Draw(h.t, "order") {
		ats := s.Available(p, h.now)
		if ats == 0 {
			continue
		}
		m := aggregates.Metadata{RecordedAt: h.now, Fingerprint: uint64(i)}
		_, events, err := Reserve(&s, ReserveRequest{ReservationID: fmt.Sprint("all ", i), Quantity: ats}, m, p, h.now)
		if err != nil {
			h.t.Fatalf("all of %d on %s: %v", ats, p.Channel, err)
		}
		s.Evolve(events[0], m)
	}
	for x := range s.Each {
		if x.Oversold(h.now) && !short[x.Location] {
			h.t.Fatalf("%s is oversold: %d of %d", x.Location, x.Firm(h.now), x.OnHand[Sellable])
		}
	}
}

func TestRandomHistoriesUnderRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newRuled(t)
		for range 220 {
			h.now += aggregates.Second * aggregates.Instant(h.draw("pass", 0, 3))
			h.step()
			h.compare()
		}
		h.sellAll()
		if !bytes.Equal(encoded(h.tb(), h.state), encoded(h.tb(), refold(h.log))) {
			t.Fatal("the state is not the fold of its events")
		}
		inSteps(h.tb(), h.log, h.policies)
		var alone Balances
		for _, x := range h.log {
			alone.Evolve(x.event)
		}
		for _, p := range h.policies {
			if alone.Offer(p, h.now) != h.state.Offer(p, h.now) || alone.Offer(p, h.now) != ptr(alone.Clone()).Offer(p, h.now) {
				t.Fatalf("balances alone offer %+v, the state %+v", alone.Offer(p, h.now), h.state.Offer(p, h.now))
			}
		}
	})
}

func ptr(b Balances) *Balances { return &b }
