package policies

import (
	"maps"
	"slices"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
)

// SharedRules are the rules that are about more than one SKU, location or channel. They are immutable.
type SharedRules struct {
	State      rules.State
	Position   uint64 // of their last event
	RecordedAt aggregates.Instant
}

// zones are the time zones by name, loaded once. One that is not known counts as UTC.
type zones map[string]*time.Location

func (z zones) of(name string) *time.Location {
	l, known := z[name]
	if !known {
		l, _ = time.LoadLocation(name)
		z[name] = l
	}
	return l
}

func (f *fold) foldRules(e *projections.Event) {
	if f.rules.Position >= e.Record.Position {
		return
	}
	fresh := &SharedRules{State: f.rules.State, Position: e.Record.Position, RecordedAt: e.Metadata.RecordedAt}
	fresh.State.Evolve(e.Fact, e.Metadata)
	f.rules = fresh
	f.dirty.Rules = fresh
	change := Change{Position: e.Record.Position}
	passed, period := e.Fact.(*rules.PeriodPassed)
	for _, id := range slices.Sorted(maps.Keys(f.channels)) {
		c := f.channels[id]
		next := f.policy(id, &c.State, c.Position)
		began := c.Policy.NextBoundary(c.RecordedAt)
		switch {
		case period && began != 0 && began <= passed.At, !c.Policy.SellsAs(next):
			f.setChannel(id, c.State, e)
			change.Channels = append(change.Channels, id)
		case !period:
			f.updatePolicy(c, next)
		}
	}
	f.changes = append(f.changes, change)
}

// updatePolicy gives a channel a policy under which it sells as before, but not from the same places for every method.
func (f *fold) updatePolicy(c *Channel, p *stock.Policy) {
	same := *c
	same.Policy = p
	f.channels[c.ID] = &same
}

// updatePlaces tells the channels that sell from a location of what it is.
func (f *fold) updatePlaces(place string) {
	if len(f.rules.State.Methods) == 0 {
		return
	}
	for id, c := range f.channels {
		if slices.Contains(c.Policy.Sites, place) {
			f.updatePolicy(c, f.policy(id, &c.State, c.Position))
		}
	}
}

// policy resolves what a channel may sell. Its position is that of the last event about the channel, whose own is given, the shared
// rules, or a place that was looked at: whoever folds them all up to there comes to the same.
func (f *fold) policy(id string, s *channel.State, position uint64) *stock.Policy {
	position = max(position, f.rules.Position)
	p := Resolve(id, s, &f.rules.State, func(place string) location.State {
		l := f.locations[place]
		if l == nil {
			return location.State{}
		}
		position = max(position, l.Position)
		return l.State
	}, f.zones.of)
	p.Position = position
	return p
}

// Resolve makes the policy of a channel of what is defined: the channel, the shared rules, and each place, which is the zero
// value when nobody defined it. zone finds a time zone by its name.
func Resolve(id string, s *channel.State, shared *rules.State, place func(string) location.State, zone func(string) *time.Location) *stock.Policy {
	sites := make([]string, 0, len(s.Sourcing))
	add := func(list []string) {
		for _, l := range list {
			if at := place(l); at.Known && !at.Disabled {
				sites = append(sites, l)
			}
		}
	}
	add(s.Sourcing)
	for _, group := range s.SourcingGroups {
		add(shared.Groups[group])
	}
	p := stock.NewPolicy(id, sites, s.Buffer, s.HoldSeconds)
	terms := stock.Terms{
		Closed: !s.Sells(), Strategy: stock.Strategy(s.Strategy), MaxSplits: s.MaxSplits, Share: stock.Portion{BasisPoints: s.BufferBasisPoints},
		BufferTime: stock.Period{From: s.BufferFrom, Until: s.BufferUntil}, LowStock: s.LowStock, SellOut: s.SellOut,
		Safety: safetyOf(shared.Safety, id, p), Buffers: safetyOf(shared.Buffers, id, p), Methods: shared.Methods,
		Moves: shared.Moves.Of(id),
	}
	if len(shared.Methods) > 0 {
		terms.Places = make(map[string]stock.Site, len(p.Sites))
		for _, site := range p.Sites {
			l := place(site)
			terms.Places[site] = stock.Site{Kind: l.Kind, Zone: zone(l.TimeZone)}
		}
	}
	return p.With(terms)
}

// safetyOf are the shared rules that can be about what a channel sells.
func safetyOf(all stock.Safety, channel string, p *stock.Policy) (list stock.Safety) {
	for _, r := range all {
		if (r.Channel == "" || r.Channel == channel) && (r.Location == "" || p.SellsFrom(r.Location)) {
			list = append(list, r)
		}
	}
	return list
}

// sellsFrom tells whether a channel's definition names a location, by itself or in a group.
func (f *fold) sellsFrom(s *channel.State, place string) bool {
	return slices.Contains(s.Sourcing, place) || slices.ContainsFunc(s.SourcingGroups, func(group string) bool {
		return slices.Contains(f.rules.State.Groups[group], place)
	})
}

// Rules are the shared rules in force. Do not change what they hold.
func (d *Directory) Rules() *SharedRules { return d.Tables().rules }

// Passed is the latest instant up to now at which a policy changed by its own rules without an event that says so yet, 0 when
// there is none; and when the next one comes, 0 when none will.
func (t *Tables) Passed(now aggregates.Instant) (passed, next aggregates.Instant) {
	for _, c := range t.channels {
		switch at := c.Policy.NextBoundary(c.RecordedAt); {
		case at == 0:
		case at <= now:
			passed = max(passed, at)
		case next == 0 || at < next:
			next = at
		}
	}
	return passed, next
}

// Rules are the shared rules of the tables. Do not change what they hold.
func (t *Tables) Rules() *SharedRules { return t.rules }
