package esdbserver

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
)

// Everything is read in pages: what a client takes its time over holds nothing in the store.

// page is a run of records with memory of its own.
type page struct {
	records []aggregates.Record
	bytes   int
}

// add copies a record into the page; it is false once the page is full.
func (p *page) add(r aggregates.Record) bool {
	r.Data = append([]byte(nil), r.Data...)
	p.records = append(p.records, r)
	p.bytes += len(r.Data)
	return len(p.records) < pageRecords && p.bytes < pageBytes
}

// readStream visits a stream's events from one revision to another, both included, in ascending order.
func (s *service) readStream(ctx context.Context, stream string, from, to uint64, visit func(aggregates.Record) error) error {
	for from <= to {
		var p page
		if err := s.store.ReadStream(ctx, stream, from, func(r aggregates.Record) bool { return r.Revision <= to && p.add(r) }); err != nil {
			return err
		}
		for _, r := range p.records {
			if err := visit(r); err != nil {
				return err
			}
		}
		if len(p.records) == 0 {
			return nil
		}
		from = p.records[len(p.records)-1].Revision + 1
	}
	return nil
}

// readStreamBackwards visits a stream's events from one revision down to another, both included.
func (s *service) readStreamBackwards(ctx context.Context, stream string, from, to uint64, visit func(aggregates.Record) error) error {
	for {
		var p page
		if err := s.store.ReadStreamBackwards(ctx, stream, from, func(r aggregates.Record) bool { return r.Revision >= to && p.add(r) }); err != nil {
			return err
		}
		for _, r := range p.records {
			if err := visit(r); err != nil {
				return err
			}
		}
		if len(p.records) == 0 || p.records[len(p.records)-1].Revision <= to {
			return nil
		}
		from = p.records[len(p.records)-1].Revision - 1
	}
}

// readForwards visits the events after a position up to another, which the store must have reached.
func readForwards(ctx context.Context, store Store, after, through uint64, prefixes []string, visit func(aggregates.Record) error) error {
	if after >= through {
		return nil
	}
	sub, err := store.Subscribe(ctx, after, prefixes...)
	if err != nil {
		return err
	}
	defer sub.Close()
	for at := after; at < through; {
		b, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		for _, r := range b.Records {
			if r.Position > through {
				return nil
			}
			if err := visit(r); err != nil {
				return err
			}
		}
		at = b.Through
	}
	return nil
}

// errCrowded says that a run of positions holds more bytes than are to be in memory.
var errCrowded = errors.New("more than a page")

// readBackwards visits the events up to a position, which the store must have reached, in descending order. It reads
// runs of positions forwards, shorter ones where events are large.
func readBackwards(ctx context.Context, store Store, through uint64, prefixes []string, visit func(aggregates.Record) error) error {
	for run := uint64(scanPositions); through > 0; {
		after := through - min(through, run)
		var p page
		err := readForwards(ctx, store, after, through, prefixes, func(r aggregates.Record) error {
			p.add(r)
			if p.bytes > backwardsBytes && run > 1 {
				return errCrowded
			}
			return nil
		})
		if errors.Is(err, errCrowded) {
			run = max(1, run/8)
			continue
		}
		if err != nil {
			return err
		}
		for i := len(p.records) - 1; i >= 0; i-- {
			if err := visit(p.records[i]); err != nil {
				return err
			}
		}
		through, run = after, min(2*run, scanPositions)
	}
	return nil
}
