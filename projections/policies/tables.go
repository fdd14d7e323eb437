package policies

import (
	"cmp"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// Channel is a defined channel. It is immutable.
type Channel struct {
	ID    string
	State channel.State
	// Position of the last event that changed what the channel may sell: its own, one of a location that
	// it sells from, or of a shared rule. RecordedAt is that event's.
	Position   uint64
	RecordedAt aggregates.Instant
	// Policy with only the locations that are defined and enabled, first choice first.
	Policy *stock.Policy
}

// Location is a place that was heard of; State.Known tells whether it is defined. It is immutable.
type Location struct {
	ID         string
	State      location.State
	Position   uint64 // of its last event
	RecordedAt aggregates.Instant
}

// Sells tells whether channels may sell from the location.
func (l *Location) Sells() bool { return l != nil && l.State.Known && !l.State.Disabled }

// Tables are the directory as of one position. They are immutable.
type Tables struct {
	version   uint64
	channels  []*Channel // by id
	index     map[string]int
	locations []*Location // the defined ones, by id
	places    map[string]*Location
	rules     *SharedRules
}

// Version is the position of the last event that changed any channel's policy. Availability computed under
// tables of the same version is the same.
func (t *Tables) Version() uint64 { return t.version }

// Channels lists the defined channels in bytewise order of id. Do not change the slice.
func (t *Tables) Channels() []*Channel { return t.channels }

// Index returns a channel's place in Channels.
func (t *Tables) Index(id string) (int, bool) {
	i, ok := t.index[id]
	return i, ok
}

// Channel returns a defined channel.
func (t *Tables) Channel(id string) (*Channel, bool) {
	i, ok := t.index[id]
	if !ok {
		return nil, false
	}
	return t.channels[i], true
}

// Location returns a defined location.
func (t *Tables) Location(id string) (*Location, bool) {
	l, ok := t.places[id]
	return l, ok
}

// Locations lists the defined locations in bytewise order of id. Do not change the slice.
func (t *Tables) Locations() []*Location { return t.locations }

func newTables(channels map[string]*Channel, locations map[string]*Location, shared *SharedRules) *Tables {
	t := &Tables{
		rules:    shared,
		channels: slices.SortedFunc(maps.Values(channels), func(a, b *Channel) int { return cmp.Compare(a.ID, b.ID) }),
		index:    make(map[string]int, len(channels)),
		places:   make(map[string]*Location, len(locations)),
	}
	for i, c := range t.channels {
		t.index[c.ID] = i
		t.version = max(t.version, c.Position)
	}
	for id, l := range locations {
		if l.State.Known {
			t.places[id] = l
			t.locations = append(t.locations, l)
		}
	}
	slices.SortFunc(t.locations, func(a, b *Location) int { return cmp.Compare(a.ID, b.ID) })
	return t
}
