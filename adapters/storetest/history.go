package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

var historyTests = []test{
	{"of random appends, repeats and conflicts equals a naive model", randomHistory},
}

// model is a store as simple as can be: the records of all streams in order of position.
type model struct {
	streams map[string][]aggregates.Record
	all     []aggregates.Record
}

// append says what a store must answer: the result, or how many events the stream really has.
func (m *model) append(stream string, next uint64, list []aggregates.NewEvent) (repeat commands.Appended, isNew bool, conflict *commands.ConflictError) {
	have := m.streams[stream]
	if next == uint64(len(have)) {
		return repeat, true, nil
	}
	if end := next + uint64(len(list)); end <= uint64(len(have)) {
		there := have[next:end]
		if slices.EqualFunc(there, list, func(r aggregates.Record, e aggregates.NewEvent) bool { return r.ID == e.ID }) {
			return commands.Appended{Position: there[len(there)-1].Position}, false, nil
		}
	}
	return repeat, false, &commands.ConflictError{Stream: stream, Expected: next, Actual: uint64(len(have))}
}

// randomHistory runs random operations against the store and the model, and compares every answer.
func randomHistory(f *fixture) {
	run := 0
	rapid.Check(f.T, func(t *rapid.T) {
		run++
		m := &model{streams: map[string][]aggregates.Record{}}
		after, err := f.Events.End(f.ctx)
		if err != nil {
			t.Fatal(err)
		}
		base := f.stream(fmt.Sprintf("%d-", run))
		names := rapid.SliceOfNDistinct(rapid.StringN(0, 8, 20), 1, 4, rapid.ID[string]).Draw(t, "names")
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { f.randomAppend(t, m, base+rapid.SampledFrom(names).Draw(t, "name")) },
			"read":   func(t *rapid.T) { f.randomRead(t, m, base+rapid.SampledFrom(names).Draw(t, "name")) },
			"subscribe": func(t *rapid.T) {
				f.randomSubscribe(t, m, after, base+rapid.SampledFrom(append([]string{""}, names...)).Draw(t, "prefix"))
			},
		})
	})
}

func (f *fixture) randomAppend(t *rapid.T, m *model, stream string) {
	have := len(m.streams[stream])
	next := uint64(rapid.IntRange(max(0, have-3), have+1).Draw(t, "next"))
	if rapid.Bool().Draw(t, "at the end") {
		next = uint64(have)
	}
	list := make([]aggregates.NewEvent, rapid.IntRange(1, 4).Draw(t, "count"))
	attempt := rapid.IntRange(0, 1).Draw(t, "attempt")
	for i := range list {
		list[i] = event(stream, int(next)+i+1000*attempt)
	}
	repeat, isNew, conflict := m.append(stream, next, list)
	got, err := f.Events.Append(f.ctx, stream, next, list)
	var refused *commands.ConflictError
	switch {
	case conflict != nil:
		if !errors.As(err, &refused) || *refused != *conflict {
			t.Fatalf("append at %d to %q: %v, want %v", next, stream, err, conflict)
		}
	case err != nil:
		t.Fatalf("append at %d to %q: %v", next, stream, err)
	case !isNew:
		if got != repeat {
			t.Fatalf("repeated append at %d to %q: %+v, want %+v", next, stream, got, repeat)
		}
	default:
		f.learn(t, m, stream, list, got)
	}
}

// learn takes an append into the model, with the positions that the store gave it.
func (f *fixture) learn(t *rapid.T, m *model, stream string, list []aggregates.NewEvent, got commands.Appended) {
	have := uint64(len(m.streams[stream]))
	var stored []aggregates.Record
	if err := f.Events.ReadStream(f.ctx, stream, have, collect(&stored)); err != nil {
		t.Fatal(err)
	}
	if len(stored) != len(list) || stored[len(stored)-1].Position != got.Position {
		t.Fatalf("%d events appended to %q, the last at %d; read back: %+v", len(list), stream, got.Position, stored)
	}
	for i, r := range stored {
		want := aggregates.Record{NewEvent: list[i], Stream: stream, Revision: have + uint64(i), Position: r.Position}
		if !sameRecord(r, want) || len(m.all) > 0 && r.Position <= m.all[len(m.all)-1].Position {
			t.Fatalf("read back %+v, want %+v", r, want)
		}
		m.streams[stream] = append(m.streams[stream], r)
		m.all = append(m.all, r)
	}
}

func (f *fixture) randomRead(t *rapid.T, m *model, stream string) {
	have := m.streams[stream]
	from := rapid.IntRange(0, len(have)+1).Draw(t, "from")
	var up, down []aggregates.Record
	if err := f.Events.ReadStream(f.ctx, stream, uint64(from), collect(&up)); err != nil {
		t.Fatal(err)
	}
	if want := have[min(from, len(have)):]; !slices.EqualFunc(up, want, sameRecord) {
		t.Fatalf("read of %q from %d: %+v, want %+v", stream, from, up, want)
	}
	start := uint64(from)
	if from > len(have) {
		start = math.MaxUint64
	}
	if err := f.Events.ReadStreamBackwards(f.ctx, stream, start, collect(&down)); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(have[:min(from+1, len(have))])
	slices.Reverse(want)
	if !slices.EqualFunc(down, want, sameRecord) {
		t.Fatalf("read of %q backwards from %d: %+v, want %+v", stream, start, down, want)
	}
}

func (f *fixture) randomSubscribe(t *rapid.T, m *model, after uint64, prefix string) {
	want := slices.Clone(m.all)
	want = slices.DeleteFunc(want, func(r aggregates.Record) bool { return len(r.Stream) < len(prefix) || r.Stream[:len(prefix)] != prefix })
	if len(m.all) == 0 {
		return
	}
	sub, err := f.Events.Subscribe(f.ctx, after, prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	got, err := until(f.ctx, sub, after, m.all[len(m.all)-1].Position)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, sameRecord) {
		t.Fatalf("subscription to %q: %+v, want %+v", prefix, got, want)
	}
}

func sameRecord(a, b aggregates.Record) bool {
	return a.ID == b.ID && a.Type == b.Type && string(a.Data) == string(b.Data) && a.Stream == b.Stream && a.Revision == b.Revision && a.Position == b.Position
}
