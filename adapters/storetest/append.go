package storetest

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

var appendTests = []test{
	{"to a new stream and on", appendOn},
	{"positions grow over all streams", positionsGrow},
	{"a batch stands wholly or not at all", appendBatch},
	{"at another revision is a conflict and changes nothing", appendConflict},
	{"the first append of a stream that exists is a conflict", appendConflictNew},
	{"with other ids at an old revision is a conflict", appendOtherIDs},
	{"repeated returns the first result", appendRepeated},
	{"repeated after later appends returns the first result", appendRepeatedLate},
	{"repeated in part is a conflict", appendRepeatedPart},
	{"repeated with more is a conflict", appendRepeatedMore},
	{"does not keep the caller's bytes", appendKeepsNothing},
	{"of nothing is an error", appendNothing},
	{"of data of any bytes and of none", appendData},
	{"with a context that has ended is whole or nothing", appendEnded},
	{"survives reopening", appendReopened},
}

func appendOn(f *fixture) {
	stream := f.stream("a")
	f.holds(stream, 0)
	first := f.append(stream, 0, 1)
	second := f.append(stream, 1, 1)
	list := f.holds(stream, 2)
	if first.Position != list[0].Position || second.Position != list[1].Position {
		f.Fatalf("appends returned positions %d and %d, the events are at %d and %d", first.Position, second.Position, list[0].Position, list[1].Position)
	}
	if first.Position == 0 {
		f.Fatal("position 0 is before everything, no event may have it")
	}
}

func positionsGrow(f *fixture) {
	var last uint64
	for n := range 20 {
		for _, name := range []string{"a", "b", "c"} {
			got := f.append(f.stream(name), n, 1)
			if got.Position <= last {
				f.Fatalf("position %d does not come after %d", got.Position, last)
			}
			last = got.Position
		}
	}
	end, err := f.Events.End(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	if end < last {
		f.Fatalf("the store ends at %d, an event is at %d", end, last)
	}
}

func appendBatch(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 3)
	got := f.append(stream, 3, 500)
	list := f.holds(stream, 503)
	if last := list[502].Position; got.Position != last {
		f.Fatalf("append returned position %d, its last event is at %d", got.Position, last)
	}
	f.conflict(stream, 502, events(stream, 1000, 5), 503)
	f.holds(stream, 503)
}

func appendConflict(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 3)
	for _, next := range []uint64{0, 1, 2, 4, 5, 1 << 40} {
		f.conflict(stream, next, events(stream, 100, 2), 3)
	}
	f.holds(stream, 3)
	f.conflict(f.stream("none"), 1, events(f.stream("none"), 0, 1), 0)
	f.holds(f.stream("none"), 0)
	f.append(stream, 3, 1)
	f.holds(stream, 4)
}

func appendConflictNew(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 2)
	f.conflict(stream, 0, events(stream, 7, 1), 2)
}

func appendOtherIDs(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 4)
	mixed := events(stream, 1, 2)
	mixed[1].ID = aggregates.NewEventID(stream, "another", 0, nil)
	f.conflict(stream, 1, mixed, 4)
	f.holds(stream, 4)
}

func appendRepeated(f *fixture) {
	stream := f.stream("a")
	first := f.append(stream, 0, 3)
	for range 3 {
		if again := f.append(stream, 0, 3); again != first {
			f.Fatalf("the repeated append returned %+v, the first one %+v", again, first)
		}
	}
	f.holds(stream, 3)
	second := f.append(stream, 3, 2)
	if again := f.append(stream, 3, 2); again != second {
		f.Fatalf("the repeated append returned %+v, the first one %+v", again, second)
	}
	f.holds(stream, 5)
}

func appendRepeatedLate(f *fixture) {
	stream := f.stream("a")
	var results []commands.Appended
	for n := range 5 {
		results = append(results, f.append(stream, 2*n, 2))
		f.append(f.stream("b"), n, 1)
	}
	for n, first := range results {
		if again := f.append(stream, 2*n, 2); again != first {
			f.Fatalf("append %d repeated returned %+v, the first time %+v", n, again, first)
		}
	}
	f.holds(stream, 10)
}

func appendRepeatedPart(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 3)
	f.append(stream, 3, 3)
	// What stands there are exactly these ids, whatever appends they came by.
	if got := f.append(stream, 1, 4); got.Position != f.read(stream, 4)[0].Position {
		f.Fatalf("events 1-4 stand at their revisions, the append that repeats them returned %+v", got)
	}
	shifted := events(stream, 0, 3)
	f.conflict(stream, 1, shifted, 6)
	f.holds(stream, 6)
}

func appendRepeatedMore(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 3)
	f.conflict(stream, 0, events(stream, 0, 4), 3)
	f.conflict(stream, 2, events(stream, 2, 2), 3)
	f.holds(stream, 3)
}

func appendKeepsNothing(f *fixture) {
	stream := f.stream("a")
	list := events(stream, 0, 2)
	if _, err := f.Events.Append(f.ctx, stream, 0, list); err != nil {
		f.Fatal(err)
	}
	for i := range list {
		clear(list[i].Data)
		list[i] = aggregates.NewEvent{}
	}
	f.holds(stream, 2)
	f.same(f.until(f.subscribe(0, f.base), 0, f.end()), stream, revisions(0, 2))
}

func appendNothing(f *fixture) {
	if got, err := f.Events.Append(f.ctx, f.stream("a"), 0, nil); err == nil {
		f.Fatalf("an append of no events returned %+v, want an error", got)
	}
	f.holds(f.stream("a"), 0)
}

func appendData(f *fixture) {
	stream := f.stream("a")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	large := make([]byte, 1<<18)
	for i := range large {
		large[i] = byte(i * 2_654_435_761 >> 13)
	}
	for n, data := range [][]byte{all, {}, {0}, large} {
		e := event(stream, n)
		e.Data = data
		if _, err := f.Events.Append(f.ctx, stream, uint64(n), []aggregates.NewEvent{e}); err != nil {
			f.Fatal(err)
		}
		if got := f.read(stream, uint64(n)); len(got) != 1 || string(got[0].Data) != string(data) {
			f.Fatalf("%d bytes of data came back otherwise: %.50q", len(data), got[0].Data)
		}
	}
}

func appendEnded(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 1)
	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	if _, err := f.Events.Append(ended, stream, 1, events(stream, 1, 3)); err == nil {
		f.Fatal("an append under a context that has ended must say so")
	} else if !errors.Is(err, context.Canceled) && !errors.Is(err, commands.ErrUnknownOutcome) {
		f.Fatalf("got %v, want context.Canceled or commands.ErrUnknownOutcome", err)
	}
	if n := len(f.read(stream, 1)); n != 0 && n != 3 {
		f.Fatalf("%d of 3 events were appended", n)
	}
	f.append(stream, 1, 3)
	f.holds(stream, 4)
}

func appendReopened(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 3)
	last := f.append(f.stream("b"), 0, 2)
	before, err := f.Events.End(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	f.reopen()
	after, err := f.Events.End(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	if after < before {
		f.Fatalf("the store ended at %d, after reopening at %d", before, after)
	}
	f.holds(stream, 3)
	f.holds(f.stream("b"), 2)
	f.conflict(stream, 2, events(stream, 9, 1), 3)
	if again := f.append(f.stream("b"), 0, 2); again != last {
		f.Fatalf("after reopening the repeated append returned %+v, the first one %+v", again, last)
	}
	if next := f.append(stream, 3, 1); next.Position <= last.Position {
		f.Fatalf("after reopening position %d was given, %d was given before", next.Position, last.Position)
	}
	f.holds(stream, 4)
}
