package redis

import (
	"context"
	"encoding"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

// Spaces of keys.
const (
	spaceChannels  = "channels"
	spaceLocations = "locations"
	spaceRules     = "rules"
)

// Policies keeps the documents of channels and locations, all in one slot.
type Policies struct {
	db    *DB
	guard *guard
}

// Policies returns the read model of policies.
func (d *DB) Policies() *Policies {
	return &Policies{db: d, guard: d.guardOf(policies.Name, d.tags[:1])}
}

// Watch returns ErrLost when Redis loses something, nil at ctx's end, and why it cannot tell.
func (m *Policies) Watch(ctx context.Context) error { return m.guard.watch(ctx) }

func (m *Policies) key(space string) string { return m.db.key(space, tagged(m.db.tags[0])) }

// Load returns everything.
func (m *Policies) Load(ctx context.Context) (c policies.Contents, p projections.Progress, err error) {
	if p, err = m.guard.progress(ctx); err != nil {
		return c, p, err
	}
	var channels, locations, shared *goredis.MapStringStringCmd
	calls := []call{
		func(pipe goredis.Pipeliner) { channels = pipe.HGetAll(ctx, m.key(spaceChannels)) },
		func(pipe goredis.Pipeliner) { locations = pipe.HGetAll(ctx, m.key(spaceLocations)) },
		func(pipe goredis.Pipeliner) { shared = pipe.HGetAll(ctx, m.key(spaceRules)) },
	}
	if err = m.guard.read(ctx, calls, m.key(spaceChannels)); err != nil {
		return c, p, err
	}
	if c.Channels, err = readAll[policies.Channel](channels.Val()); err == nil {
		c.Locations, err = readAll[policies.Location](locations.Val())
	}
	var list []*policies.SharedRules
	if err == nil {
		list, err = readAll[policies.SharedRules](shared.Val())
	}
	if len(list) > 0 {
		c.Rules = list[0]
	}
	return c, p, err
}

func readAll[D any, P interface {
	*D
	encoding.BinaryUnmarshaler
}](stored map[string]string) ([]*D, error) {
	var list []*D
	for id, value := range stored {
		d := P(new(D))
		if err := readVersioned(value, d); err != nil {
			return nil, fmt.Errorf("%q: %w", id, err)
		}
		list = append(list, d)
	}
	return list, nil
}

// readVersioned reads what follows the position and the colon.
func readVersioned(value string, d encoding.BinaryUnmarshaler) error {
	_, contents, ok := strings.Cut(value, ":")
	if !ok {
		return fmt.Errorf("a value of %d bytes has no position", len(value))
	}
	return d.UnmarshalBinary([]byte(contents))
}

// Write stores what changed, and the progress after it.
func (m *Policies) Write(ctx context.Context, changed policies.Contents, p projections.Progress) error {
	return m.guard.writeOwn(ctx, p, func(ctx context.Context) error {
		var evals []*eval
		for _, c := range changed.Channels {
			e, err := writing(m.key(spaceChannels), c.ID, c.Position, c)
			if err != nil {
				return err
			}
			evals = append(evals, e)
		}
		for _, l := range changed.Locations {
			e, err := writing(m.key(spaceLocations), l.ID, l.Position, l)
			if err != nil {
				return err
			}
			evals = append(evals, e)
		}
		if r := changed.Rules; r != nil {
			e, err := writing(m.key(spaceRules), aggregates.SharedRules, r.Position, r)
			if err != nil {
				return err
			}
			evals = append(evals, e)
		}
		return m.db.runScripts(ctx, evals)
	})
}

// writing is the script that stores a field.
func writing(key, field string, position uint64, d encoding.BinaryAppender) (*eval, error) {
	contents, err := d.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	return &eval{script: writeField, keys: []string{key}, args: []any{field, decimal(position), contents}}, nil
}

// Reset removes everything.
func (m *Policies) Reset(ctx context.Context) error {
	return m.guard.reset(ctx, spaceChannels, spaceLocations, spaceRules)
}

var _ policies.ReadModel = (*Policies)(nil)
