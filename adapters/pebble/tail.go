package pebble

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/stockfold/stockfold/aggregates"
)

// tail keeps the newest durable records in memory, at most maxTailRecords and maxTailBytes of them, so that
// subscriptions that keep up read no disk. It also tells the store's end, and wakes those who wait for it to move.
type tail struct {
	end atomic.Uint64 // position of the last durable event

	mu      sync.Mutex
	runs    []tailRun // of records at consecutive positions, oldest first
	records int
	bytes   int
	sleeper chan struct{} // closed when end moves; nil when nobody sleeps
}

type tailRun struct {
	records []aggregates.Record
	bytes   int
}

const recordBytes = int(unsafe.Sizeof(aggregates.Record{}))

// add makes a durable group visible.
func (t *tail) add(g *group) {
	if g.events == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range g.requests {
		if r.appended {
			t.push(tailRun{records: r.records, bytes: cap(r.frames) + recordBytes*len(r.records)})
		}
	}
	t.end.Store(g.end)
	if t.sleeper != nil {
		close(t.sleeper)
		t.sleeper = nil
	}
}

func (t *tail) push(r tailRun) {
	t.runs = append(t.runs, r)
	t.records += len(r.records)
	t.bytes += r.bytes
	drop := 0
	for drop < len(t.runs)-1 && (t.records > maxTailRecords || t.bytes > maxTailBytes) {
		t.records -= len(t.runs[drop].records)
		t.bytes -= t.runs[drop].bytes
		t.runs[drop] = tailRun{}
		drop++
	}
	t.runs = t.runs[drop:]
}

// rewrite gives a record other data, when it is here. Who has taken the record keeps what it said.
func (t *tail) rewrite(position uint64, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := sort.Search(len(t.runs), func(i int) bool { return t.runs[i].records[0].Position > position }) - 1
	if i < 0 {
		return
	}
	records := t.runs[i].records
	if at := position - records[0].Position; at < uint64(len(records)) {
		records[at].Data = data
	}
}

// read visits the records from a position on, in order, until visit returns false. It is false when the tail does
// not go back that far.
func (t *tail) read(from uint64, visit func(*aggregates.Record) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := sort.Search(len(t.runs), func(i int) bool { return t.runs[i].records[0].Position > from }) - 1
	if i < 0 {
		return false
	}
	for ; i < len(t.runs); i++ {
		records := t.runs[i].records
		skip := 0
		if first := records[0].Position; first < from {
			skip = min(int(from-first), len(records))
		}
		for ; skip < len(records); skip++ {
			if !visit(&records[skip]) {
				return true
			}
		}
	}
	return true
}

// wait returns once the store's end is after a position, or ctx ends, or one of the channels is closed.
func (t *tail) wait(ctx context.Context, after uint64, closing, down <-chan struct{}) {
	t.mu.Lock()
	if t.end.Load() > after {
		t.mu.Unlock()
		return
	}
	if t.sleeper == nil {
		t.sleeper = make(chan struct{})
	}
	sleeper := t.sleeper
	t.mu.Unlock()
	select {
	case <-sleeper:
	case <-ctx.Done():
	case <-closing:
	case <-down:
	}
}
