package views

import (
	"context"
	"encoding"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

// Policies keeps the documents of channels and locations.
type Policies struct{ db *DB }

// Policies returns the read model of policies.
func (d *DB) Policies() *Policies { return &Policies{d} }

// Load returns everything.
func (m *Policies) Load(ctx context.Context) (c policies.Contents, p projections.Progress, err error) {
	if p, err = m.db.progress(ctx, spacePolicies); err != nil {
		return c, p, err
	}
	c.Channels, err = loadAll[policies.Channel](ctx, m.db, spaceChannels)
	if err == nil {
		c.Locations, err = loadAll[policies.Location](ctx, m.db, spaceLocations)
	}
	var shared []*policies.SharedRules
	if err == nil {
		shared, err = loadAll[policies.SharedRules](ctx, m.db, spaceRules)
	}
	if len(shared) > 0 {
		c.Rules = shared[0]
	}
	return c, p, err
}

func loadAll[D any, P interface {
	*D
	encoding.BinaryUnmarshaler
}](ctx context.Context, db *DB, space byte) (list []*D, err error) {
	err = db.scan(ctx, []byte{space}, []byte{space + 1}, func(_, value []byte) (bool, error) {
		d := P(new(D))
		list = append(list, d)
		return true, versioned(value, d.UnmarshalBinary)
	})
	return list, err
}

// Write stores what changed and the progress in one batch.
func (m *Policies) Write(ctx context.Context, changed policies.Contents, p projections.Progress) error {
	return m.db.write(ctx, spacePolicies, p, func(b *pebbledb.Batch) error {
		for _, c := range changed.Channels {
			if err := merge(b, spaceChannels, c.ID, c.Position, c); err != nil {
				return err
			}
		}
		for _, l := range changed.Locations {
			if err := merge(b, spaceLocations, l.ID, l.Position, l); err != nil {
				return err
			}
		}
		if r := changed.Rules; r != nil {
			return merge(b, spaceRules, aggregates.SharedRules, r.Position, r)
		}
		return nil
	})
}

func merge(b *pebbledb.Batch, space byte, id string, position uint64, d encoding.BinaryAppender) error {
	value, err := d.AppendBinary(appendVersion(nil, position, 0))
	if err != nil {
		return err
	}
	return b.Merge(append([]byte{space}, id...), value, nil)
}

// Reset removes everything.
func (m *Policies) Reset(ctx context.Context) error {
	return m.db.reset(ctx, spacePolicies, spaceEnd)
}

var _ policies.ReadModel = (*Policies)(nil)
