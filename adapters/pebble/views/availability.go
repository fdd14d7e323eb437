package views

import (
	"context"
	"maps"
	"slices"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// Availability keeps the documents of availability: the SKU is the key.
type Availability struct{ db *DB }

// Availability returns the read model of availability.
func (d *DB) Availability() *Availability { return &Availability{d} }

// gatherDocuments makes what gathers the documents written.
func (d *DB) gatherDocuments() *gathered[*availability.Document] {
	return &gathered[*availability.Document]{db: d, space: spaceAvailability, turn: make(chan struct{}, 1),
		join: newerDocument, size: (*availability.Document).Size, store: d.storeDocuments}
}

// newerDocument returns the one of the higher version, of equal versions the one written last.
func newerDocument(old, now *availability.Document) *availability.Document {
	if old != nil && (old.Position > now.Position || old.Position == now.Position && old.Policies() > now.Policies()) {
		return old
	}
	return now
}

// Progress tells how far the documents have come.
func (a *Availability) Progress(ctx context.Context) (projections.Progress, error) {
	return a.db.documents.progress(ctx)
}

// Read returns a SKU's document, nil when there is none.
func (a *Availability) Read(ctx context.Context, sku string) (*availability.Document, error) {
	var written, stored *availability.Document
	a.db.documents.read(sku, func(d *availability.Document) { written = newerDocument(written, d) })
	_, err := a.db.get(ctx, documentKey(nil, sku), func(value []byte) (err error) {
		stored, err = availability.Decode(value)
		return err
	})
	if written == nil || err != nil {
		return stored, err
	}
	d := *newerDocument(stored, written)
	return &d, nil
}

// Scan returns up to limit documents of the SKUs after a SKU, in bytewise order.
func (a *Availability) Scan(ctx context.Context, after string, limit int) (list []*availability.Document, err error) {
	if err := a.db.documents.settle(ctx); err != nil {
		return nil, err
	}
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

// ScanLoud is availability.Surveyor's.
func (a *Availability) ScanLoud(ctx context.Context, after string, limit int) (list []*availability.Document, reached string, err error) {
	if err := a.db.documents.settle(ctx); err != nil {
		return nil, "", err
	}
	passed := 0
	err = a.db.scan(ctx, append(documentKey(nil, after), 0), []byte{spaceDocuments + 1}, func(key, value []byte) (bool, error) {
		err := versioned(value, func(value []byte) (err error) {
			if availability.Quiet(value) {
				return nil
			}
			d, err := availability.Decode(value)
			list = append(list, d)
			return err
		})
		if passed++; len(list) < limit && passed < maxPassed {
			return true, err
		}
		reached = string(key[1:])
		return false, err
	})
	return list, reached, err
}

// maxPassed bounds the documents that one ScanLoud passes over, and with it how long it holds the database open.
const maxPassed = 1 << 16

// Write takes documents and progress, which are stored in one batch with what is written a moment later.
func (a *Availability) Write(ctx context.Context, documents []*availability.Document, p projections.Progress) error {
	return a.db.documents.write(ctx, p, func(take func(string, *availability.Document)) {
		for _, d := range documents {
			take(d.SKU, d)
		}
	})
}

func (d *DB) storeDocuments(ctx context.Context, documents map[string]*availability.Document, p projections.Progress) error {
	return d.write(ctx, spaceAvailability, p, func(b *pebbledb.Batch) (err error) {
		var encoder availability.Encoder
		var key, value []byte
		for _, sku := range slices.Sorted(maps.Keys(documents)) { // in order, which the database takes faster
			d := documents[sku]
			key = documentKey(key[:0], sku)
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
	return a.db.documents.reset(ctx, spaceReservations, func() {})
}

func documentKey(dst []byte, sku string) []byte { return append(append(dst, spaceDocuments), sku...) }

var (
	_ availability.ReadModel = (*Availability)(nil)
	_ availability.Surveyor  = (*Availability)(nil)
)
