package policy

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/services/commands"
)

// draft is the service on paper: every command is decided as it would be, on the states as they are, and what it would record is folded into copies. Nothing is
// recorded. A draft has one user.
func (s *Service) draft() *Service {
	d := &directory{base: s.Directory, channels: map[string]*channel.State{}, locations: map[string]*location.State{}, rules: s.Directory.Rules().State}
	d.rules.Said = said.Memory{}
	return s.onPaper(d)
}

// fork makes another draft of a draft, as it is now.
func (s *Service) fork() *Service {
	of := s.Directory.(*directory)
	d := &directory{base: of.base, changed: of.changed, channels: copies(of.channels), locations: copies(of.locations), rules: of.rules}
	return s.onPaper(d)
}

func copies[S any](of map[string]*S) map[string]*S {
	list := make(map[string]*S, len(of))
	for id, s := range of {
		x := *s
		list[id] = &x
	}
	return list
}

func (s *Service) onPaper(d *directory) *Service {
	now := s.now()
	c := s.Config
	c.Directory = d
	if _, again := s.SKUs.(*paper[stock.State]); !again {
		c.SKUs = &paper[stock.State]{now: now, states: map[string]*stock.State{}, load: s.stateOf, evolve: (*stock.State).Evolve}
	}
	c.Channels = &paper[channel.State]{now: now, states: d.channels, load: d.channelState, evolve: (*channel.State).Evolve, changed: d.forget}
	c.Locations = &paper[location.State]{now: now, states: d.locations, load: d.locationState, evolve: (*location.State).Evolve, changed: d.forget}
	c.Rules = &paper[rules.State]{now: now, states: map[string]*rules.State{aggregates.SharedRules: &d.rules}, evolve: (*rules.State).Evolve, changed: d.forget}
	return New(c)
}

// withSKU is a draft whose one SKU has a state.
func (s *Service) withSKU(sku string, state *stock.State, now aggregates.Instant) *Service {
	c := s.Config
	c.SKUs = &paper[stock.State]{now: now, states: map[string]*stock.State{sku: state}, evolve: (*stock.State).Evolve}
	return New(c)
}

func (s *Service) now() aggregates.Instant {
	if s.Now != nil {
		return s.Now()
	}
	return aggregates.At(time.Now())
}

// stateOf copies the state of a SKU as it is on its stream.
func (s *Service) stateOf(ctx context.Context, sku string) (*stock.State, error) {
	in := &copying{}
	if _, err := s.SKUs.Do(ctx, sku, metadata(ctx, ""), in); err != nil {
		return nil, err
	}
	state := new(stock.State)
	return state, state.UnmarshalBinary(in.data)
}

// copying is the intention to look at a state.
type copying struct{ data []byte }

// Decide copies.
func (x *copying) Decide(s *stock.State, _ aggregates.Metadata, _ aggregates.Instant) (_ []aggregates.Event, err error) {
	x.data, err = s.MarshalBinary()
	return nil, err
}

// paper are streams of which nothing is written.
type paper[S any] struct {
	now     aggregates.Instant
	states  map[string]*S
	load    func(context.Context, string) (*S, error)
	evolve  func(*S, aggregates.Event, aggregates.Metadata)
	changed func() // nil when nobody needs to know
}

// Do decides and folds.
func (p *paper[S]) Do(ctx context.Context, id string, m aggregates.Metadata, in commands.Intention[S]) (commands.Outcome, error) {
	s, known := p.states[id]
	if !known {
		var err error
		if s, err = p.load(ctx, id); err != nil {
			return commands.Outcome{}, err
		}
		p.states[id] = s
	}
	m.RecordedAt, m.OccurredAt = p.now, p.now
	events, err := in.Decide(s, m, p.now)
	if err != nil {
		return commands.Outcome{}, err
	}
	for _, e := range events {
		p.evolve(s, e, m)
	}
	if len(events) > 0 && p.changed != nil {
		p.changed()
	}
	return commands.Outcome{Recorded: len(events)}, nil
}

// Submit does, at once.
func (p *paper[S]) Submit(id string, m aggregates.Metadata, in commands.Intention[S], done func(commands.Outcome, error)) error {
	done(p.Do(context.Background(), id, m, in))
	return nil
}

// directory is what is in force on paper.
type directory struct {
	base      Directory
	channels  map[string]*channel.State
	locations map[string]*location.State
	rules     rules.State

	changed  bool                         // from what is in force
	resolved map[string]*policies.Channel // since the last change
}

var _ Directory = (*directory)(nil)

func (d *directory) forget() { d.changed, d.resolved = true, nil }

func (d *directory) channelState(_ context.Context, id string) (*channel.State, error) {
	s := &channel.State{}
	if c, ok := d.base.Channel(id); ok {
		*s = c.State
	}
	return s, nil
}

func (d *directory) locationState(_ context.Context, id string) (*location.State, error) {
	s, _ := d.base.Location(id)
	return &s, nil
}

// Channel returns a channel as it would be.
func (d *directory) Channel(id string) (*policies.Channel, bool) {
	was, known := d.base.Channel(id)
	if !d.changed {
		return was, known
	}
	if c := d.resolved[id]; c != nil {
		return c, true
	}
	c := &policies.Channel{ID: id}
	if known {
		*c = *was
	}
	if s := d.channels[id]; s != nil {
		c.State = *s
	}
	if !c.State.Known {
		return nil, false
	}
	c.Policy = policies.Resolve(id, &c.State, &d.rules, func(place string) location.State { s, _ := d.Location(place); return s }, zone)
	if d.resolved == nil {
		d.resolved = map[string]*policies.Channel{}
	}
	d.resolved[id] = c
	return c, true
}

func zone(name string) *time.Location {
	l, _ := time.LoadLocation(name)
	return l
}

// Channels lists the channels as they would be.
func (d *directory) Channels() (list []*policies.Channel) {
	ids := map[string]bool{}
	for _, c := range d.base.Channels() {
		ids[c.ID] = true
	}
	for id := range d.channels {
		ids[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if c, ok := d.Channel(id); ok {
			list = append(list, c)
		}
	}
	return list
}

// Location returns a location as it would be.
func (d *directory) Location(id string) (location.State, bool) {
	if s := d.locations[id]; s != nil {
		return *s, s.Known
	}
	return d.base.Location(id)
}

// Locations lists those in force.
func (d *directory) Locations() []*policies.Location { return d.base.Locations() }

// Rules are the shared rules as they would be.
func (d *directory) Rules() *policies.SharedRules { return &policies.SharedRules{State: d.rules} }

// Position, WaitFor and WaitForEnd are those of what is in force: nothing on paper is waited for.
func (d *directory) Position() uint64 { return d.base.Position() }

// WaitFor waits for what is in force.
func (d *directory) WaitFor(ctx context.Context, position uint64) error {
	return d.base.WaitFor(ctx, position)
}

// WaitForEnd waits for what is in force.
func (d *directory) WaitForEnd(ctx context.Context) error { return d.base.WaitForEnd(ctx) }
