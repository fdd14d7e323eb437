package stock

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// Strategy is how a channel picks the locations that it takes units from.
type Strategy uint8

const (
	PriorityOrder  Strategy = iota // the first choice first
	MostStockFirst                 // where most is free
	FewestSplits                   // one location that has it all, the first choice of those; else where most is free
	FixedLocation                  // the location that the request names, and no other
)

// Method says which locations may serve a way of handing over, such as "ship", "pickup" or "same_day".
type Method struct {
	Kinds  []string // of locations; none for all
	CutOff int      // minutes after midnight, local time, from which on a location serves it no more that day; NoCutOff for never
}

// NoCutOff is the cut-off of a method that has none.
const NoCutOff = -1

// Site is what a policy knows of a location beside its name.
type Site struct {
	Kind string
	Zone *time.Location // nil is UTC
}

// usual are the methods that need no rule: without one, every location serves them.
var usual = []string{"ship", "pickup", "same_day"}

func (p *Policy) method(name string) (Method, bool) {
	if m, ruled := p.Methods[name]; ruled {
		return m, true
	}
	return Method{CutOff: NoCutOff}, slices.Contains(usual, name)
}

// Serves tells whether a location may serve a method at now.
func (m *Method) Serves(s Site, now aggregates.Instant) bool {
	if len(m.Kinds) > 0 && !slices.Contains(m.Kinds, s.Kind) {
		return false
	}
	return m.CutOff == NoCutOff || !reached(m.CutOff, s.Zone, now)
}

// reached tells whether the clock on the wall of a place has shown a minute of the day yet, on the day that it shows now. A minute that is
// left out when clocks go forward is reached when they do; one that comes twice is reached the first time.
func reached(minute int, zone *time.Location, now aggregates.Instant) bool {
	if zone == nil {
		zone = time.UTC
	}
	local := now.Time().In(zone)
	if minuteOf(local) >= minute {
		return true
	}
	began, _ := local.ZoneBounds()
	if began.IsZero() {
		return false
	}
	before := began.Add(-time.Nanosecond).In(zone)
	return before.YearDay() == local.YearDay() && before.Year() == local.Year() && minuteOf(before) >= minute
}

func minuteOf(t time.Time) int { return t.Hour()*60 + t.Minute() }

// site is a place that a reservation may take units from.
type site struct {
	location string
	rank     int
}

// sitesFor are the policy's sites that may serve a request, first choice first. It returns *MethodError, *NoLocationError and
// ErrLocationNeeded.
func (r *ReserveRequest) sitesFor(p *Policy, now aggregates.Instant) ([]site, error) {
	way := Way{Method: r.Method}
	if r.Binding || p.Strategy == FixedLocation {
		way.Location = r.Location
	}
	list, err := p.sitesBy(way, now)
	switch fixed := r.Binding || p.Strategy == FixedLocation; {
	case err != nil:
		return nil, err
	case fixed && r.Location == "":
		return nil, ErrLocationNeeded
	case len(list) == 0:
		return nil, &NoLocationError{Channel: p.Channel, Location: r.Location, Method: r.Method}
	}
	return list, nil
}

// source finds where units can be taken for a request under rules, and which of them are promised beyond the stock.
func (s *State) source(r *ReserveRequest, quantity int64, p *Policy, now aggregates.Instant) ([]Split, error) {
	offer := s.Offer(p, now)
	if offer.Standing == NotSoldHere {
		return nil, &NotSoldError{Channel: p.Channel}
	}
	sites, err := r.sitesFor(p, now)
	if err != nil {
		return nil, err
	}
	fresh := s.planFor(p, now, now)
	total, way := fresh.clone().most(sites)
	available := min(offer.ATS, total)
	if quantity > available && offer.Beyond != Unlimited && quantity-available > offer.Beyond {
		return nil, &InsufficientError{Requested: quantity, Available: available, Beyond: offer.Beyond}
	}
	stocked := min(quantity, available)
	splits, err := s.pick(r, fresh, sites, way, stocked, p, now, now)
	if err != nil {
		return nil, err
	}
	if quantity > stocked {
		splits = append(splits, Split{Location: r.owes(sites), Quantity: quantity - stocked, Backordered: true})
	}
	return splits, nil
}

// sourceAt finds where units can be promised for a later date under rules. Nothing is promised beyond what is to come by then.
func (s *State) sourceAt(r *ReserveRequest, quantity int64, p *Policy, now, date aggregates.Instant) ([]Split, error) {
	if p.Closed || len(p.Sites) == 0 || s.sellingRule(p.Channel).Unsold {
		return nil, &NotSoldError{Channel: p.Channel}
	}
	sites, err := r.sitesFor(p, now)
	if err != nil {
		return nil, err
	}
	fresh := s.planFor(p, now, date)
	total, way := fresh.clone().most(sites)
	if available := min(s.AvailableAt(p, now, date), total); quantity > available {
		return nil, &InsufficientError{Requested: quantity, Available: available, PromiseAt: date}
	}
	return s.pick(r, fresh, sites, way, quantity, p, now, date)
}

// owes is where units that are yet to come are promised: at the wished location, else the first choice.
func (r *ReserveRequest) owes(sites []site) string {
	if slices.ContainsFunc(sites, func(s site) bool { return s.location == r.Location }) {
		return r.Location
	}
	return sites[0].location
}

// pick takes a quantity from the stock by the policy's strategy, in at most as many splits as it allows.
func (s *State) pick(r *ReserveRequest, x *plan, sites []site, way []Free, quantity int64, p *Policy, now, date aggregates.Instant) ([]Split, error) {
	if quantity == 0 {
		return nil, nil
	}
	free := make([]Free, 0, len(sites))
	for _, site := range sites {
		if at, found := slices.BinarySearch(x.locations, site.location); found {
			if spare := s.spare(s.At(site.location), p, now, date); spare > 0 && x.rest[at] >= 0 {
				free = append(free, Free{Location: site.location, Rank: site.rank, Quantity: spare})
			}
		}
	}
	taken := x.clone().greedy(inOrder(free, p.Strategy, r.Location, quantity), quantity)
	if totalFree(taken) < quantity {
		taken = trim(way, quantity) // the order of choice leads to less than there is, because of caps in groups
	}
	if p.MaxSplits > 0 && len(taken) > p.MaxSplits {
		taken = x.clone().greedy(inOrder(free, FewestSplits, "", quantity), quantity)
		if most := totalFree(taken[:min(len(taken), p.MaxSplits)]); most < quantity {
			return nil, &TooManySplitsError{Requested: quantity, Limit: p.MaxSplits, Most: most}
		}
	}
	splits := make([]Split, len(taken))
	for i, f := range taken {
		splits[i] = Split{Location: f.Location, Quantity: f.Quantity}
	}
	return splits, nil
}

// inOrder sorts what is free by a strategy; a wished location comes first.
func inOrder(free []Free, strategy Strategy, wish string, quantity int64) []Free {
	free = slices.Clone(free)
	slices.SortFunc(free, func(a, b Free) int {
		if c := first(a.Location == wish && wish != "", b.Location == wish && wish != ""); c != 0 {
			return c
		}
		switch strategy {
		case FewestSplits:
			if c := first(a.Quantity >= quantity, b.Quantity >= quantity); c != 0 {
				return c
			}
			if a.Quantity < quantity {
				return cmp.Or(-cmp.Compare(a.Quantity, b.Quantity), byRank(a, b))
			}
		case MostStockFirst:
			return cmp.Or(-cmp.Compare(a.Quantity, b.Quantity), byRank(a, b))
		}
		return byRank(a, b)
	})
	return free
}

// first orders what is true before what is not.
func first(a, b bool) int {
	if a == b {
		return 0
	}
	return order(a)
}

func totalFree(list []Free) (sum int64) {
	for _, f := range list {
		sum = addUp(sum, f.Quantity)
	}
	return sum
}

// trim takes a quantity from a list, first choice first.
func trim(list []Free, quantity int64) (taken []Free) {
	list = slices.Clone(list)
	slices.SortFunc(list, byRank)
	for _, f := range list {
		if f.Quantity = min(f.Quantity, quantity); f.Quantity > 0 {
			taken = append(taken, f)
			quantity -= f.Quantity
		}
	}
	return taken
}

// NotSoldError refuses a reservation on a channel that does not sell the SKU.
type NotSoldError struct{ Channel string }

func (e *NotSoldError) Error() string {
	return fmt.Sprintf("channel %q does not sell it: the channel is closed, has no location to sell from, or a selling rule says so", e.Channel)
}

// NoLocationError refuses a reservation that none of the channel's locations may serve.
type NoLocationError struct{ Channel, Location, Method string }

func (e *NoLocationError) Error() string {
	what := fmt.Sprintf("channel %q sells from no enabled location", e.Channel)
	if e.Location != "" {
		what += fmt.Sprintf(" %q", e.Location)
	}
	if e.Method != "" {
		what += fmt.Sprintf(" that may serve %q now, by its kind and cut-off time", e.Method)
	}
	return what
}

// MethodError refuses a way of handing over that has no rule.
type MethodError struct{ Method string }

func (e *MethodError) Error() string {
	return fmt.Sprintf("fulfilment method %q is not defined; define it with PutFulfilmentRule", e.Method)
}

// TooManySplitsError refuses a reservation that would take more locations than the channel allows.
type TooManySplitsError struct {
	Requested int64
	Limit     int
	Most      int64 // that so many locations have
}

func (e *TooManySplitsError) Error() string {
	return fmt.Sprintf("%d requested, but the %d locations that have most have %d together, and the channel takes from no more", e.Requested, e.Limit, e.Most)
}
