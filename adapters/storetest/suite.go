// Package storetest is the contract of event stores as tests: every backend passes it.
//
// It owns what commands.Store, projections.Store, ingest.DeadLetters, ingest.Offsets and projections.Checkpoints
// promise. It takes nothing for granted that these do not say: a store may hold other streams already, its positions
// grow but may have gaps, and what it keeps beside events is optional. It leaves to each backend what only that one can
// do: to crash, to fill up, to be opened twice.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
)

// Events is the part that every backend has.
type Events interface {
	commands.Store
	projections.Store
	// ReadStreamBackwards calls each for the events of a stream in descending order, from revision from or, when
	// that is beyond it, from the stream's end, until there are no more or each returns false.
	ReadStreamBackwards(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
}

// Backend is what is tested. Parts that it does not have are nil.
type Backend struct {
	Events      Events
	DeadLetters ingest.DeadLetters
	Offsets     ingest.Offsets
	Checkpoints projections.Checkpoints
	// Reopen ends the process that holds the store, as far as a test can, and starts it again on the same data.
	Reopen func(t *testing.T) Backend
}

// Run runs the suite. open gives every test a backend of its own, or one of a shared server, and cleans up after it.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	parts := []struct {
		name  string
		tests []test
	}{
		{"append", appendTests},
		{"concurrent", concurrentTests},
		{"read", readTests},
		{"names", nameTests},
		{"subscribe", subscribeTests},
		{"snapshots", snapshotTests},
		{"dead letters", letterTests},
		{"progress", progressTests},
		{"history", historyTests},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			for _, x := range part.tests {
				t.Run(x.name, func(t *testing.T) { x.run(newFixture(t, open)) })
			}
		})
	}
}

type test struct {
	name string
	run  func(f *fixture)
}

// timeout ends a test that hangs; nothing is measured against it.
const timeout = time.Minute

// fixture is one test with its backend and streams that nobody else writes.
type fixture struct {
	*testing.T
	Backend
	ctx  context.Context
	base string
}

func newFixture(t *testing.T, open func(t *testing.T) Backend) *fixture {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	return &fixture{T: t, Backend: open(t), ctx: ctx, base: "storetest-" + rand.Text() + "-"}
}

// stream is the name of a stream of this test alone.
func (f *fixture) stream(name string) string { return f.base + name }

// key is an id or name for other things of this test alone.
func (f *fixture) key(name string) string { return f.base + name }

// reopen closes and opens the backend, or skips the test.
func (f *fixture) reopen() {
	f.Helper()
	if f.Reopen == nil {
		f.Skip("this backend cannot be reopened by a test")
	}
	f.Backend = f.Reopen(f.T)
}

// event is the n-th event for a stream, the same for the same arguments.
func event(stream string, n int) aggregates.NewEvent {
	types := []string{"StockReceived", "StockSold", "ReservationPlaced"}
	return aggregates.NewEvent{
		ID: aggregates.NewEventID(stream, fmt.Sprint(n), 0, nil), Type: types[n%len(types)], Data: fmt.Appendf(nil, "event %d of %s", n, stream),
	}
}

// events are count events from the n-th on.
func events(stream string, n, count int) []aggregates.NewEvent {
	list := make([]aggregates.NewEvent, count)
	for i := range list {
		list[i] = event(stream, n+i)
	}
	return list
}

// append appends count events at next, which must be the stream's end; event numbers are revisions.
func (f *fixture) append(stream string, next, count int) commands.Appended {
	f.Helper()
	got, err := f.Events.Append(f.ctx, stream, uint64(next), events(stream, next, count))
	if err != nil {
		f.Fatalf("append %d events at %d to %q: %v", count, next, stream, err)
	}
	return got
}

// conflict asserts that an append is refused for its expected revision.
func (f *fixture) conflict(stream string, next uint64, list []aggregates.NewEvent, actual uint64) {
	f.Helper()
	_, err := f.Events.Append(f.ctx, stream, next, list)
	var conflict *commands.ConflictError
	if !errors.As(err, &conflict) {
		f.Fatalf("append at %d to %q, which has %d events: got error %v, want a conflict", next, stream, actual, err)
	}
	if want := (commands.ConflictError{Stream: stream, Expected: next, Actual: actual}); *conflict != want {
		f.Fatalf("conflict says %+v, want %+v", *conflict, want)
	}
}

// read returns a stream's records from a revision on, with data of their own.
func (f *fixture) read(stream string, from uint64) []aggregates.Record {
	f.Helper()
	var list []aggregates.Record
	if err := f.Events.ReadStream(f.ctx, stream, from, collect(&list)); err != nil {
		f.Fatalf("read %q from %d: %v", stream, from, err)
	}
	return list
}

func (f *fixture) readBackwards(stream string, from uint64) []aggregates.Record {
	f.Helper()
	var list []aggregates.Record
	if err := f.Events.ReadStreamBackwards(f.ctx, stream, from, collect(&list)); err != nil {
		f.Fatalf("read %q backwards from %d: %v", stream, from, err)
	}
	return list
}

func collect(list *[]aggregates.Record) func(aggregates.Record) bool {
	return func(r aggregates.Record) bool {
		r.Data = append([]byte{}, r.Data...)
		*list = append(*list, r)
		return true
	}
}

// holds asserts that a stream has exactly the first n events, whichever way it is read, and returns them.
func (f *fixture) holds(stream string, n int) []aggregates.Record {
	f.Helper()
	list := f.read(stream, 0)
	f.same(list, stream, revisions(0, n))
	var last uint64
	for _, r := range list {
		if r.Position <= last {
			f.Fatalf("%q: position %d of revision %d does not come after %d", stream, r.Position, r.Revision, last)
		}
		last = r.Position
	}
	back := f.readBackwards(stream, math.MaxUint64)
	if len(back) != len(list) {
		f.Fatalf("%q has %d events forwards and %d backwards", stream, len(list), len(back))
	}
	for i := range back {
		equal(f, back[i], list[len(list)-1-i])
	}
	return list
}

// same asserts that records are those of the given revisions of a stream, in that order.
func (f *fixture) same(list []aggregates.Record, stream string, want []int) {
	f.Helper()
	if len(list) != len(want) {
		f.Fatalf("%q: got %d events, want %d (revisions %v)", stream, len(list), len(want), want)
	}
	for i, n := range want {
		equal(f, list[i], aggregates.Record{NewEvent: event(stream, n), Stream: stream, Revision: uint64(n), Position: list[i].Position})
	}
}

func revisions(from, count int) []int {
	list := make([]int, count)
	for i := range list {
		list[i] = from + i
	}
	return list
}

func equal(f *fixture, got, want aggregates.Record) {
	f.Helper()
	if !sameRecord(got, want) {
		f.Fatalf("got record %+v, want %+v", got, want)
	}
}
