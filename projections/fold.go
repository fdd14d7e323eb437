package projections

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

// parallelFrom is the number of events from which on it pays to fold a batch in several goroutines.
const parallelFrom = 64

// folder spreads the events of a batch over workers: a stream always goes to the same one.
type folder struct {
	projection Projection
	raw        RecordFolder // the projection, when it reads records itself
	seed       maphash.Seed
	workers    []worker
}

type worker struct {
	part   []int32 // indexes into the batch
	event  Event
	facts  *codec.FactReader // when the projection has no use for more than facts and times
	newest aggregates.Instant
	err    error
	failed uint64 // position of the event that err is about
}

func newFolder(p Projection, workers int) folder {
	raw, _ := p.(RecordFolder)
	f := folder{projection: p, raw: raw, seed: maphash.MakeSeed(), workers: make([]worker, workers)}
	if _, ok := p.(FactFolder); ok {
		for w := range f.workers {
			f.workers[w].facts = codec.NewFactReader()
		}
	}
	return f
}

// fold applies records; it returns when the newest of them was recorded, as far as they were decoded.
func (f *folder) fold(ctx context.Context, records []aggregates.Record) (aggregates.Instant, error) {
	for w := range f.workers {
		f.workers[w].part, f.workers[w].newest = f.workers[w].part[:0], 0
	}
	for i := range records {
		w := &f.workers[f.pick(records[i].Stream)]
		w.part = append(w.part, int32(i))
	}
	f.runWorkers(ctx, records)
	return f.result()
}

func (f *folder) pick(stream string) int {
	if len(f.workers) == 1 {
		return 0
	}
	return int(maphash.String(f.seed, stream) % uint64(len(f.workers)))
}

func (f *folder) runWorkers(ctx context.Context, records []aggregates.Record) {
	var others sync.WaitGroup
	for w := 1; w < len(f.workers); w++ {
		if len(f.workers[w].part) == 0 {
			continue
		}
		if len(records) < parallelFrom {
			f.foldPart(ctx, w, records)
			continue
		}
		others.Go(func() { f.foldPart(ctx, w, records) })
	}
	f.foldPart(ctx, 0, records)
	others.Wait()
}

func (f *folder) foldPart(ctx context.Context, number int, records []aggregates.Record) {
	w := &f.workers[number]
	for _, i := range w.part {
		r := &records[i]
		if f.projection.Ignores(r.Type) {
			continue
		}
		if w.err = f.foldOne(ctx, number, r); w.err != nil {
			w.failed = r.Position
			return
		}
	}
}

func (f *folder) foldOne(ctx context.Context, number int, r *aggregates.Record) error {
	w := &f.workers[number]
	if f.raw != nil {
		recorded, err := f.raw.FoldRecord(ctx, r)
		w.newest = max(w.newest, recorded)
		return err
	}
	var err error
	e := &w.event
	if e.Record = *r; w.facts != nil {
		e.Fact, e.Metadata.OccurredAt, e.Metadata.RecordedAt, err = w.facts.Read(r)
	} else {
		e.Fact, e.Metadata, err = codec.Decode(*r)
	}
	if err != nil {
		return &UnreadableError{Stream: strings.Clone(r.Stream), Revision: r.Revision, Position: r.Position,
			Type: strings.Clone(r.Type), Err: err}
	}
	w.newest = max(w.newest, e.Metadata.RecordedAt)
	return f.projection.Fold(ctx, number, e)
}

// result is the newest recording, or the error that is about the earliest event.
func (f *folder) result() (newest aggregates.Instant, err error) {
	var failed uint64
	for i := range f.workers {
		w := &f.workers[i]
		newest = max(newest, w.newest)
		if w.err != nil && (err == nil || w.failed < failed) {
			err, failed = w.err, w.failed
		}
	}
	return newest, err
}
