package policies

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/projections"
)

// fold is the projection behind the directory. All of it fits in memory, so it folds there and writes what changed.
type fold struct {
	directory *Directory
	model     ReadModel

	channels  map[string]*Channel
	locations map[string]*Location
	rules     *SharedRules
	zones     zones
	dirty     Contents
	changes   []Change
	hidden    bool // the read model went back behind what is readable: readers keep what they have until it is built again
}

// documentSize is about what a changed document takes until it is written, in bytes.
const documentSize = 1024

func (f *fold) Load(ctx context.Context) (projections.Progress, error) {
	contents, progress, err := f.model.Load(ctx)
	if err != nil {
		return progress, err
	}
	f.clear()
	if contents.Rules != nil {
		f.rules = contents.Rules
	}
	for _, l := range contents.Locations {
		f.locations[l.ID] = l
	}
	for _, c := range contents.Channels {
		c.Policy = f.policy(c.ID, &c.State, c.Position)
		f.channels[c.ID] = c
	}
	if f.hidden = f.directory.runner.Lost(progress.Position); !f.hidden {
		t := newTables(f.channels, f.locations, f.rules)
		f.directory.publish(t, missed(f.directory.Tables(), t))
	}
	return progress, nil
}

func (f *fold) Reset(ctx context.Context) error {
	if err := f.model.Reset(ctx); err != nil {
		return err
	}
	f.clear()
	f.directory.publish(newTables(nil, nil, &SharedRules{}), nil)
	return nil
}

func (f *fold) clear() {
	f.channels, f.locations, f.rules, f.zones = map[string]*Channel{}, map[string]*Location{}, &SharedRules{}, zones{}
	f.dirty, f.changes = Contents{}, nil
}

// missed lists what became readable by loading: it was written, and not told to anybody, when writing failed half-way.
// What was there at the start is no change.
func missed(old, now *Tables) []Change {
	if len(old.channels) == 0 && len(old.places) == 0 {
		return nil
	}
	var changes []Change
	for _, l := range now.locations {
		if was, ok := old.Location(l.ID); !ok || was.Position != l.Position {
			changes = append(changes, Change{LocationDefined: l.ID, Position: l.Position})
		}
	}
	for _, c := range now.channels {
		if was, ok := old.Channel(c.ID); !ok || was.Position != c.Position {
			changes = append(changes, Change{Channels: []string{c.ID}, Position: c.Position})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Position, b.Position) })
	return changes
}

func (f *fold) Ignores(string) bool { return false }

func (f *fold) Tend(context.Context, projections.Touch) error { return nil }

// Watch looks for what the read model loses.
func (f *fold) Watch(ctx context.Context) error { return projections.WatchModel(ctx, f.model) }

func (f *fold) Unwritten() int {
	return documentSize * (len(f.dirty.Channels) + len(f.dirty.Locations))
}

func (f *fold) Fold(_ context.Context, _ int, e *projections.Event) error {
	stream := strings.Clone(e.Record.Stream)
	if id, ok := strings.CutPrefix(stream, aggregates.ChannelPrefix); ok {
		f.foldChannel(id, e)
	} else if id, ok := strings.CutPrefix(stream, aggregates.LocationPrefix); ok {
		f.foldLocation(id, e)
	} else if strings.HasPrefix(stream, aggregates.PolicyPrefix) {
		f.foldRules(e)
	}
	return nil
}

func (f *fold) foldChannel(id string, e *projections.Event) {
	var s channel.State
	if was := f.channels[id]; was != nil {
		if was.Position >= e.Record.Position {
			return
		}
		s = was.State
	}
	s.Evolve(e.Fact, e.Metadata)
	if !s.Known {
		return
	}
	f.setChannel(id, s, e)
	f.changes = append(f.changes, Change{Channels: []string{id}, Position: e.Record.Position})
}

func (f *fold) foldLocation(id string, e *projections.Event) {
	var s location.State
	was := f.locations[id]
	if was != nil {
		if was.Position >= e.Record.Position {
			return
		}
		s = was.State
	}
	s.Evolve(e.Fact, e.Metadata)
	l := &Location{ID: id, State: s, Position: e.Record.Position, RecordedAt: e.Metadata.RecordedAt}
	f.locations[id] = l
	f.dirty.Locations = append(f.dirty.Locations, l)
	change := Change{Position: e.Record.Position}
	if _, ok := e.Fact.(*location.Defined); ok {
		change.LocationDefined = id
	}
	if was.Sells() != l.Sells() {
		change.Channels = f.resolveSellersOf(id, e)
	} else if was != nil && (was.State.Kind != l.State.Kind || was.State.TimeZone != l.State.TimeZone) {
		f.updatePlaces(id)
	}
	f.changes = append(f.changes, change)
}

// resolveSellersOf gives the channels that sell from a location their new policy.
func (f *fold) resolveSellersOf(place string, e *projections.Event) (changed []string) {
	for _, id := range slices.Sorted(maps.Keys(f.channels)) {
		if c := f.channels[id]; f.sellsFrom(&c.State, place) {
			f.setChannel(id, c.State, e)
			changed = append(changed, id)
		}
	}
	return changed
}

func (f *fold) setChannel(id string, s channel.State, e *projections.Event) {
	c := &Channel{ID: id, State: s, Position: e.Record.Position, RecordedAt: e.Metadata.RecordedAt,
		Policy: f.policy(id, &s, e.Record.Position)}
	f.channels[id] = c
	f.dirty.Channels = append(f.dirty.Channels, c)
}

func (f *fold) Cut() projections.Pending {
	cut := &pending{fold: f, changed: f.dirty, changes: f.changes}
	if !cut.Empty() || f.hidden {
		cut.tables = newTables(f.channels, f.locations, f.rules)
	}
	f.dirty, f.changes = Contents{}, nil
	return cut
}

// pending is what was folded between two cuts. A document that changed several times is in it as often, the newest last.
type pending struct {
	fold    *fold
	changed Contents
	changes []Change
	tables  *Tables
}

func (p *pending) Empty() bool {
	return len(p.changed.Channels)+len(p.changed.Locations) == 0 && p.changed.Rules == nil
}

func (p *pending) Write(ctx context.Context, progress projections.Progress) error {
	return p.fold.model.Write(ctx, p.changed, progress)
}

func (p *pending) Publish(through uint64) {
	d := p.fold.directory
	switch {
	case p.fold.hidden && d.runner.Lost(through):
	case p.fold.hidden:
		p.fold.hidden = false
		d.publish(p.tables, missed(d.Tables(), p.tables))
	case !p.Empty():
		d.publish(p.tables, p.changes)
	}
}
