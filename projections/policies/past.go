package policies

import (
	"context"
	"fmt"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/proto/codec"
)

// AsOf folds all events of channels, locations and shared rules that a store holds now, as far as upto says that they count, and returns the directory that they come
// to. It keeps nothing.
func AsOf(ctx context.Context, store projections.Store, upto func(*aggregates.Record, aggregates.Metadata) bool) (*Tables, error) {
	end, err := store.End(ctx)
	if err != nil {
		return nil, fmt.Errorf("fold policies: find the store's end: %w", err)
	}
	f := &fold{}
	f.clear()
	sub, err := store.Subscribe(ctx, 0, prefixes()...)
	if err != nil {
		return nil, fmt.Errorf("fold policies: %w", err)
	}
	defer sub.Close()
	for at := uint64(0); at < end; {
		b, err := sub.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("fold policies after position %d: %w", at, err)
		}
		for i := range b.Records {
			if err := f.foldPast(ctx, &b.Records[i], upto); err != nil {
				return nil, err
			}
		}
		at = b.Through
	}
	return newTables(f.channels, f.locations, f.rules), nil
}

// foldPast folds an event that counts.
func (f *fold) foldPast(ctx context.Context, r *aggregates.Record, upto func(*aggregates.Record, aggregates.Metadata) bool) error {
	fact, m, err := codec.Decode(*r)
	if err != nil {
		return fmt.Errorf("fold policies: event %d of stream %q: %w", r.Revision, strings.Clone(r.Stream), err)
	}
	if !upto(r, m) {
		return nil
	}
	err = f.Fold(ctx, 0, &projections.Event{Record: *r, Fact: fact, Metadata: m})
	f.dirty, f.changes = Contents{}, nil
	return err
}
