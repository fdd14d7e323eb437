package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

var concurrentTests = []test{
	{"exactly one writer wins each revision of a stream", oneWinner},
	{"the same append by many at once counts once", sameAppend},
	{"many streams at once", manyStreams},
	{"a writer reads what it has written", readYourWrites},
}

const writers = 16

// parallel runs f by several goroutines and waits for them; f must not end the test.
func parallel(goroutines int, f func(g int)) {
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() { f(g) })
	}
	all.Wait()
}

func oneWinner(f *fixture) {
	stream := f.stream("a")
	const each = 25
	var won sync.Map // revision → id
	parallel(writers, func(g int) {
		next := uint64(0)
		for n := 0; n < each; {
			e := aggregates.NewEvent{ID: aggregates.NewEventID(stream, fmt.Sprintf("%d/%d", g, n), 0, nil), Type: "StockSold", Data: fmt.Appendf(nil, "%d/%d", g, n)}
			_, err := f.Events.Append(f.ctx, stream, next, []aggregates.NewEvent{e})
			var conflict *commands.ConflictError
			switch {
			case err == nil:
				if other, twice := won.LoadOrStore(next, e.ID); twice {
					f.Errorf("revision %d was given to %v and %v", next, other, e.ID)
					return
				}
				n++
				next++
			case errors.As(err, &conflict) && conflict.Actual > next:
				next = conflict.Actual
			default:
				f.Errorf("append at %d: %v", next, err)
				return
			}
		}
	})
	list := f.read(stream, 0)
	if len(list) != writers*each {
		f.Fatalf("%d events, want %d", len(list), writers*each)
	}
	for i, r := range list {
		if id, _ := won.Load(uint64(i)); r.Revision != uint64(i) || r.ID != id {
			f.Fatalf("place %d holds revision %d, id %v; %v won it", i, r.Revision, r.ID, id)
		}
	}
}

func sameAppend(f *fixture) {
	stream := f.stream("a")
	for n := range 20 {
		results := make([]commands.Appended, writers)
		parallel(writers, func(g int) {
			var err error
			if results[g], err = f.Events.Append(f.ctx, stream, uint64(2*n), events(stream, 2*n, 2)); err != nil {
				f.Errorf("append: %v", err)
			}
		})
		if slices.ContainsFunc(results, func(r commands.Appended) bool { return r != results[0] }) {
			f.Fatalf("the same append returned %+v", results)
		}
	}
	f.holds(stream, 40)
}

func manyStreams(f *fixture) {
	const streams, each = 200, 10
	name := func(n int) string { return f.stream(fmt.Sprintf("s%d", n)) }
	positions := make([]map[uint64]bool, writers)
	parallel(writers, func(g int) {
		positions[g] = map[uint64]bool{}
		for n := range each {
			for x := g; x < streams; x += writers {
				got, err := f.Events.Append(f.ctx, name(x), uint64(n), events(name(x), n, 1))
				if err != nil {
					f.Errorf("append: %v", err)
					return
				}
				positions[g][got.Position] = true
			}
		}
	})
	all := map[uint64]bool{}
	for _, some := range positions {
		for p := range some {
			if all[p] {
				f.Fatalf("position %d was given twice", p)
			}
			all[p] = true
		}
	}
	for x := range streams {
		for _, r := range f.holds(name(x), each) {
			if !all[r.Position] {
				f.Fatalf("%q has an event at position %d, which no append returned", r.Stream, r.Position)
			}
		}
	}
}

func readYourWrites(f *fixture) {
	parallel(writers, func(g int) {
		stream := f.stream(fmt.Sprintf("s%d", g))
		for n := 0; n < 20 && !f.Failed(); n++ {
			got, err := f.Events.Append(f.ctx, stream, uint64(n), events(stream, n, 1))
			if err != nil {
				f.Errorf("append: %v", err)
				return
			}
			if end, err := f.Events.End(f.ctx); err != nil || end < got.Position {
				f.Errorf("after an append at %d the store ends at %d, error %v", got.Position, end, err)
			}
			var list []aggregates.Record
			if err := f.Events.ReadStream(f.ctx, stream, uint64(n), collect(&list)); err != nil || len(list) != 1 || list[0].Position != got.Position {
				f.Errorf("after an append at %d the stream has %+v, error %v", got.Position, list, err)
			}
		}
	})
}
