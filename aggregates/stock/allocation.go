package stock

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// Allocation guarantees units of the SKU to a channel (ring-fence), bounds what the channel may take (cap), or both: at the
// locations of a group, or, with no group, altogether. What the channel has used counts towards both: what it holds now and
// what has left through it since the allocation was first set, or restarted.
type Allocation struct {
	Channel   string
	Group     string   // of locations; "" is all that the channel does
	Locations []string // where the ring-fenced units are kept, sorted: the group's, or those the channel sold from, when it was set
	Fence     int64
	Capped    bool
	Cap       int64
	Left      int64 // units that left
}

// ends tells whether the allocation says nothing: it is taken away.
func (a *Allocation) ends() bool { return a.Fence == 0 && !a.Capped }

// has tells whether a location counts towards the allocation's use.
func (a *Allocation) has(location string) bool {
	if a.Group == "" {
		return true
	}
	_, found := slices.BinarySearch(a.Locations, location)
	return found
}

// Used is what the channel has used of an allocation at now.
func (b *Balances) Used(a *Allocation, now aggregates.Instant) int64 {
	used := a.Left
	for i := range b.list {
		if x := b.list[i]; len(x.Uses) > 0 && a.has(x.Location) {
			used = addUp(used, x.Used(a.Channel, now))
		}
	}
	return used
}

func (r *Rules) allocation(channel, group string) (int, bool) {
	if r == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(r.Allocations, Allocation{Channel: channel, Group: group}, func(a, b Allocation) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Group, b.Group))
	})
}

// AllocationRequest sets an allocation, in place of the one of the same channel and group. Without a fence and a cap it ends.
type AllocationRequest struct {
	Channel   string
	Group     string
	Locations []string
	Fence     int64
	Capped    bool
	Cap       int64
	Restart   bool // what left before counts no longer
}

// Allocated is an allocation as it is in force, with what is used of it.
type Allocated struct {
	Allocation
	Used int64
}

// Allocate sets a ring-fence or cap. What already is so yields no events. It returns ErrUnknownSKU, *AllocationUsedError when the
// cap, or a ring-fence that is made smaller, would be less than what is used, *OverlapError when another group of the channel
// has a location in common, *QuantityError, and *TooManyError.
func Allocate(s *State, r AllocationRequest, _ aggregates.Metadata, now aggregates.Instant) (Allocated, []aggregates.Event, error) {
	if kit := s.AsKit(); kit != nil {
		return Allocated{}, nil, &KitError{Kit: *kit}
	}
	e := r.event()
	if err := s.allocatable(e); err != nil {
		return Allocated{}, nil, err
	}
	i, found := s.rules.allocation(r.Channel, r.Group)
	was := Allocation{Channel: r.Channel, Group: r.Group}
	if found {
		was = s.rules.Allocations[i]
	}
	next := Allocation{Channel: e.Channel, Group: e.Group, Locations: e.Locations, Fence: e.Fence, Capped: e.Capped, Cap: e.Cap}
	if !e.Restart {
		next.Left = was.Left
	}
	var err error
	if e.Opening, err = s.opening(); err != nil {
		return Allocated{}, nil, err
	}
	used := s.Used(&next, now) + held(e.Opening, &next, now)
	if short := was.Fence > e.Fence && e.Fence < used && !next.ends(); short || e.Capped && e.Cap < used {
		return Allocated{}, nil, &AllocationUsedError{Channel: r.Channel, Group: r.Group, Fence: e.Fence, Capped: e.Capped, Cap: e.Cap, Used: used}
	}
	switch {
	case found && was.same(&next) && !(e.Restart && was.Left > 0), !found && next.ends():
		return Allocated{Allocation: was, Used: used}, nil, nil
	case !found && s.rules != nil && len(s.rules.Allocations) >= MaxAllocations:
		return Allocated{}, nil, fmt.Errorf("allocations: %w", &BoundError{What: "allocations of the SKU", Limit: MaxAllocations})
	}
	return Allocated{Allocation: next, Used: used}, []aggregates.Event{e}, nil
}

// event is the request as it will be recorded: locations sorted, without repeats.
func (r *AllocationRequest) event() *AllocationSet {
	locations := slices.Compact(slices.Sorted(slices.Values(r.Locations)))
	return &AllocationSet{Channel: r.Channel, Group: r.Group, Locations: locations, Fence: r.Fence, Capped: r.Capped, Cap: r.Cap, Restart: r.Restart}
}

// allocatable checks what does not depend on what is used.
func (s *State) allocatable(e *AllocationSet) error {
	if !s.Item.Registered && !s.used {
		return ErrUnknownSKU
	}
	for _, quantity := range []int64{e.Fence, e.Cap} {
		if quantity < 0 || quantity > MaxQuantity {
			return &QuantityError{Quantity: quantity, Max: MaxQuantity}
		}
	}
	if s.rules == nil || e.Group == "" {
		return nil
	}
	for i := range s.rules.Allocations {
		o := &s.rules.Allocations[i]
		if o.Channel != e.Channel || o.Group == "" || o.Group == e.Group {
			continue
		}
		for _, location := range e.Locations {
			if o.has(location) {
				return &OverlapError{Channel: e.Channel, Group: e.Group, Other: o.Group, Location: location}
			}
		}
	}
	return nil
}

func (a *Allocation) same(o *Allocation) bool {
	return a.Fence == o.Fence && a.Capped == o.Capped && a.Cap == o.Cap && slices.Equal(a.Locations, o.Locations)
}

// held is what a channel holds of an opening, for an allocation that begins the count.
func held(list []Opening, a *Allocation, now aggregates.Instant) (sum int64) {
	for _, x := range list {
		if x.Channel == a.Channel && a.has(x.Location) && (x.Until == 0 || x.Until > now) {
			sum += x.Quantity
		}
	}
	return sum
}

// leave counts units that left through a channel.
func (b *Balances) leave(channel, location string, quantity int64) {
	counts := func(a *Allocation) bool { return a.Channel == channel && a.has(location) }
	if channel == "" || quantity == 0 || !b.tallied() || !slices.ContainsFunc(b.rules.Allocations, func(a Allocation) bool { return counts(&a) }) {
		return
	}
	b.changeRules(func(r *Rules) {
		r.Allocations = slices.Clone(r.Allocations)
		for i := range r.Allocations {
			if a := &r.Allocations[i]; counts(a) {
				a.Left = addUp(a.Left, quantity)
			}
		}
	})
}

// AllocationUsedError refuses an allocation of less than what the channel has used of it.
type AllocationUsedError struct {
	Channel, Group string
	Fence          int64
	Capped         bool
	Cap            int64
	Used           int64
}

func (e *AllocationUsedError) Error() string {
	what, quantity := "ring-fence", e.Fence
	if e.Capped && e.Cap < e.Used {
		what, quantity = "cap", e.Cap
	}
	where := ""
	if e.Group != "" {
		where = fmt.Sprintf(" in group %q", e.Group)
	}
	return fmt.Sprintf("channel %q%s has used %d, a %s of %d would be less; set at least %d, or restart the count of what has left",
		e.Channel, where, e.Used, what, quantity, e.Used)
}

// OverlapError refuses an allocation in a group that has a location in common with another group that the channel has
// an allocation in: a unit would count for both.
type OverlapError struct {
	Channel, Group, Other string
	Location              string
}

func (e *OverlapError) Error() string {
	return fmt.Sprintf("channel %q has an allocation in group %q already, which has location %q in common with group %q",
		e.Channel, e.Other, e.Location, e.Group)
}

// BoundError refuses one more of what a SKU may have so many of.
type BoundError struct {
	What  string
	Limit int
}

func (e *BoundError) Error() string {
	return fmt.Sprintf("there are %d %s, the most there may be", e.Limit, e.What)
}
