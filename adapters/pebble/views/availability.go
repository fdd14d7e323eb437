package views

import (
	"context"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// Availability keeps the documents of availability: the SKU is the key.
type Availability struct{ db *DB }

// Availability returns the read model of availability.
func (d *DB) Availability() *Availability { return &Availability{d} }

// Progress tells how far the documents have come.
func (a *Availability) Progress(ctx context.Context) (projections.Progress, error) {
	return a.db.progress(ctx, spaceAvailability)
}

// Read returns a SKU's document, nil when there is none.
func (a *Availability) Read(ctx context.Context, sku string) (d *availability.Document, err error) {
	_, err = a.db.get(ctx, documentKey(nil, sku), func(value []byte) error {
		d, err = availability.Decode(value)
		return err
	})
	return d, err
}

// Scan returns up to limit documents of the SKUs after a SKU, in bytewise order.
func (a *Availability) Scan(ctx context.Context, after string, limit int) (list []*availability.Document, err error) {
	from := append(documentKey(nil, after), 0) // the next possible key
	if after == "" {
		from = []byte{spaceDocuments}
	}
	err = a.db.scan(ctx, from, []byte{spaceDocuments + 1}, func(_, value []byte) (bool, error) {
		if len(list) >= limit {
			return false, nil
		}
		err := versioned(value, func(value []byte) error {
			d, err := availability.Decode(value)
			list = append(list, d)
			return err
		})
		return len(list) < limit, err
	})
	return list, err
}

// Write stores documents and progress in one batch.
func (a *Availability) Write(ctx context.Context, documents []*availability.Document, p projections.Progress) error {
	return a.db.write(ctx, spaceAvailability, p, func(b *pebbledb.Batch) (err error) {
		var encoder availability.Encoder
		var key, value []byte
		for _, d := range documents {
			key = documentKey(key[:0], d.SKU)
			value = appendVersion(value[:0], d.Position, d.Policies())
			if value, err = encoder.Append(value, d); err != nil {
				return err
			}
			if err := b.Merge(key, value, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reset removes everything.
func (a *Availability) Reset(ctx context.Context) error {
	return a.db.reset(ctx, spaceAvailability, spaceReservations)
}

func documentKey(dst []byte, sku string) []byte { return append(append(dst, spaceDocuments), sku...) }

var _ availability.ReadModel = (*Availability)(nil)
