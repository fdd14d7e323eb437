package storetest

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

var readTests = []test{
	{"from any revision, both ways", readFrom},
	{"across many appends of one and of several events", readRuns},
	{"stops when told to", readStops},
	{"of a stream that does not exist", readNothing},
	{"inside a read", readNested},
	{"with a context that has ended", readEnded},
}

func readFrom(f *fixture) {
	stream := f.stream("a")
	for n := range 4 {
		f.append(stream, 3*n, 3)
		f.append(f.stream("b"), n, 1)
	}
	const n = 12
	for from := range n + 2 {
		f.same(f.read(stream, uint64(from)), stream, revisions(min(from, n), max(0, n-from)))
		down := revisions(0, min(from, n-1)+1)
		slices.Reverse(down)
		f.same(f.readBackwards(stream, uint64(from)), stream, down)
	}
	f.same(f.read(stream, math.MaxUint64), stream, nil)
	f.same(f.read(stream, math.MaxUint64-1), stream, nil)
	all := revisions(0, n)
	slices.Reverse(all)
	f.same(f.readBackwards(stream, math.MaxUint64), stream, all)
	f.same(f.readBackwards(stream, math.MaxUint64-1), stream, all)
}

func readRuns(f *fixture) {
	a, b := f.stream("a"), f.stream("b")
	next := 0
	for n := range 60 {
		count := 1 + n%7
		f.append(a, next, count)
		next += count
		f.append(b, n, 1)
	}
	f.holds(a, next)
	f.holds(b, 60)
	f.same(f.read(a, 100), a, revisions(100, next-100))
}

func readStops(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 10)
	for stop := 1; stop <= 10; stop++ {
		seen := 0
		each := func(aggregates.Record) bool { seen++; return seen < stop }
		if err := f.Events.ReadStream(f.ctx, stream, 0, each); err != nil || seen != stop {
			f.Fatalf("each was called %d times, want %d; error %v", seen, stop, err)
		}
		seen = 0
		if err := f.Events.ReadStreamBackwards(f.ctx, stream, math.MaxUint64, each); err != nil || seen != stop {
			f.Fatalf("backwards each was called %d times, want %d; error %v", seen, stop, err)
		}
	}
}

func readNothing(f *fixture) {
	f.append(f.stream("a"), 0, 1)
	for _, from := range []uint64{0, 1, math.MaxUint64} {
		f.same(f.read(f.stream("none"), from), f.stream("none"), nil)
		f.same(f.readBackwards(f.stream("none"), from), f.stream("none"), nil)
	}
}

func readNested(f *fixture) {
	a, b := f.stream("a"), f.stream("b")
	f.append(a, 0, 3)
	f.append(b, 0, 3)
	err := f.Events.ReadStream(f.ctx, a, 0, func(r aggregates.Record) bool {
		data := string(r.Data)
		f.same(f.read(b, 0), b, revisions(0, 3))
		f.append(f.stream("c"), int(r.Revision), 1)
		if string(r.Data) != data {
			f.Errorf("data changed from %q to %q before each returned", data, r.Data)
		}
		return true
	})
	if err != nil {
		f.Fatal(err)
	}
	f.holds(f.stream("c"), 3)
}

func readEnded(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 1000)
	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	each := func(aggregates.Record) bool { return true }
	if err := f.Events.ReadStream(ended, stream, 0, each); !errors.Is(err, context.Canceled) {
		f.Errorf("read: %v, want context.Canceled", err)
	}
	if err := f.Events.ReadStreamBackwards(ended, stream, math.MaxUint64, each); !errors.Is(err, context.Canceled) {
		f.Errorf("read backwards: %v, want context.Canceled", err)
	}
}
