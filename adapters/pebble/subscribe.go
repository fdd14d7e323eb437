package pebble

import (
	"bytes"
	"context"
	"slices"
	"strings"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// Subscribe is projections.Store's. A subscription that keeps up is served from memory, one that falls behind
// reads the database until it has caught up again; it holds nothing between two calls of Next.
func (s *Store) Subscribe(ctx context.Context, after uint64, prefixes ...string) (projections.Subscription, error) {
	if err := s.enterToRead(ctx); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	return &subscription{store: s, at: after, prefixes: slices.Clone(prefixes)}, nil
}

// End is projections.Store's.
func (s *Store) End(ctx context.Context) (uint64, error) {
	if err := s.enterToRead(ctx); err != nil {
		return 0, err
	}
	defer s.gate.leave()
	return s.tail.end.Load(), nil
}

type subscription struct {
	store    *Store
	at       uint64 // everything up to here was handed out
	prefixes []string
	closed   bool

	batch        // being gathered, or handed out last
	before batch // the one before that, which is still in use
}

// batch is the memory of what is handed out at once.
type batch struct {
	records []aggregates.Record
	data    []byte
	names   []byte // of the streams of records, one after the other, while a scan gathers them
	ends    []int  // of each of them
	bytes   int
	passed  int
}

// clear makes room for another batch.
func (b *batch) clear() {
	clear(b.records)
	b.records, b.data, b.names, b.ends, b.bytes, b.passed = b.records[:0], b.data[:0], b.names[:0], b.ends[:0], 0, 0
	if cap(b.data) > 2*batchBytes {
		b.data = nil
	}
}

func (n *subscription) Close() error {
	n.closed = true
	n.batch, n.before = batch{}, batch{}
	return nil
}

// Next is projections.Subscription's. A batch has at most batchRecords records and, beyond the first record,
// batchBytes of data.
func (n *subscription) Next(ctx context.Context) (b projections.Batch, err error) {
	s := n.store
	if n.closed {
		return b, errSubscriptionClosed
	}
	if err := s.enter(); err != nil {
		return b, err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	if err := n.await(ctx); err != nil {
		return b, err
	}
	n.batch, n.before = n.before, n.batch
	n.clear()
	if !s.tail.read(n.at+1, n.takeShared) {
		if err := n.scan(ctx, s.tail.end.Load()); err != nil {
			return b, err
		}
	}
	return projections.Batch{Records: n.records, Through: n.at}, nil
}

// await blocks until there is something after the subscription's position.
func (n *subscription) await(ctx context.Context) error {
	s := n.store
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.failure.get(); err != nil {
			return err
		}
		if s.tail.end.Load() > n.at {
			return nil
		}
		select {
		case <-s.gate.closing:
			return errClosed
		default:
		}
		s.tail.wait(ctx, n.at, s.gate.closing, s.failure.down)
	}
}

// takeShared takes a record of the tail, whose memory nobody changes.
func (n *subscription) takeShared(r *aggregates.Record) bool {
	if n.full(len(r.Data)) {
		return false
	}
	n.at = r.Position
	n.passed++
	if n.wants(r.Stream) {
		n.records = append(n.records, *r)
		n.bytes += len(r.Data)
	}
	return true
}

func (n *subscription) full(next int) bool {
	return len(n.records) >= batchRecords || n.passed >= scanRecords || len(n.records) > 0 && n.bytes+next > batchBytes
}

func (n *subscription) wants(stream string) bool {
	if len(n.prefixes) == 0 {
		return true
	}
	for _, p := range n.prefixes {
		if strings.HasPrefix(stream, p) {
			return true
		}
	}
	return false
}

// scan reads the database from the subscription's position to end, or as much as goes into a batch.
func (n *subscription) scan(ctx context.Context, end uint64) error {
	it, err := n.store.db.NewIterWithContext(ctx, &pebbledb.IterOptions{
		LowerBound: appendEventKey(nil, n.at+1), UpperBound: appendEventKey(nil, end+1),
	})
	if err != nil {
		return err
	}
	return firstError(n.collect(it), it.Error(), it.Close())
}

func (n *subscription) collect(it *pebbledb.Iterator) error {
	var f frame
	for ok := it.First(); ok; ok = it.Next() {
		position := eventPosition(it.Key())
		if position != n.at+1 {
			return missing(n.at + 1)
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := f.parse(position, value); err != nil {
			return err
		}
		if n.full(len(f.data)) {
			break
		}
		n.at = position
		n.passed++
		if n.wantsBytes(f.stream) {
			n.take(&f, position)
		}
	}
	n.nameRecords()
	return nil
}

func (n *subscription) wantsBytes(stream []byte) bool {
	if len(n.prefixes) == 0 {
		return true
	}
	for _, p := range n.prefixes {
		if len(stream) >= len(p) && bytes.Equal(stream[:len(p)], []byte(p)) {
			return true
		}
	}
	return false
}

// take copies a record of the database, all but the name of its stream.
func (n *subscription) take(f *frame, position uint64) {
	at := len(n.data)
	n.data = append(n.data, f.data...)
	n.bytes += len(f.data)
	n.names = append(n.names, f.stream...)
	n.ends = append(n.ends, len(n.names))
	n.records = append(n.records, aggregates.Record{
		NewEvent: aggregates.NewEvent{ID: f.id, Type: n.store.kinds.get(f.kind), Data: n.data[at:len(n.data):len(n.data)]},
		Revision: f.revision, Position: position,
	})
}

// nameRecords gives the records of a scan the names of their streams, in one piece of memory.
func (b *batch) nameRecords() {
	all, at := string(b.names), 0
	for i, end := range b.ends {
		b.records[i].Stream = all[at:end]
		at = end
	}
}
