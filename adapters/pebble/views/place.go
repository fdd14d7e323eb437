package views

import (
	"context"
	"encoding/binary"
	"fmt"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/projections/availability"
)

// SelfCheckPlace keeps how far the self-check of availability has come, in this process's own database: a power cut takes the last steps of it, and whatever takes
// the database takes all.
type SelfCheckPlace struct{ db *DB }

// SelfCheckPlace returns the place of the self-check.
func (d *DB) SelfCheckPlace() *SelfCheckPlace { return &SelfCheckPlace{d} }

// Load returns what was saved last; nothing and 0 when nothing was.
func (p *SelfCheckPlace) Load(ctx context.Context) (sku string, position uint64, err error) {
	_, err = p.db.get(ctx, []byte{spaceSelfCheck}, func(value []byte) error {
		name, rest, ok := cutName(value)
		if !ok || len(rest) != 8 {
			return fmt.Errorf("%w: the place of the self-check has %d bytes", pebbledb.ErrCorruption, len(value))
		}
		sku, position = string(name), binary.BigEndian.Uint64(rest)
		return nil
	})
	return sku, position, err
}

// Save takes the place of what was saved before.
func (p *SelfCheckPlace) Save(ctx context.Context, sku string, position uint64) error {
	value := binary.BigEndian.AppendUint64(appendName(appendVersion(nil, 0, 0), sku), position)
	return p.db.update(ctx, func(db *pebbledb.DB) error { return db.Set([]byte{spaceSelfCheck}, value, pebbledb.NoSync) })
}

var _ availability.Place = (*SelfCheckPlace)(nil)
