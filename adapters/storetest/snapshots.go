package storetest

import (
	"fmt"
	"strings"

	"github.com/stockfold/stockfold/services/commands"
)

var snapshotTests = []test{
	{"come back as saved", snapshotSaved},
	{"take the place of older ones", snapshotReplaced},
	{"are never those of another schema or stream", snapshotApart},
	{"share no memory with the caller", snapshotOwned},
	{"of any size", snapshotSizes},
}

func (f *fixture) save(stream, schema string, x commands.Snapshot) {
	f.Helper()
	if err := f.Events.SaveSnapshot(f.ctx, stream, schema, x); err != nil {
		f.Fatalf("save a snapshot of %q: %v", stream, err)
	}
}

func (f *fixture) load(stream, schema string) (commands.Snapshot, bool) {
	f.Helper()
	x, ok, err := f.Events.LoadSnapshot(f.ctx, stream, schema)
	if err != nil {
		f.Fatalf("load a snapshot of %q: %v", stream, err)
	}
	return x, ok
}

// loads asserts what is loaded.
func (f *fixture) loads(stream, schema string, want commands.Snapshot) {
	f.Helper()
	x, ok := f.load(stream, schema)
	if !ok || x.Next != want.Next || x.Position != want.Position || string(x.Data) != string(want.Data) {
		f.Fatalf("the snapshot of %q under %q is %+v, %v, want %+v", stream, schema, x, ok, want)
	}
}

func snapshotSaved(f *fixture) {
	stream := f.stream("a")
	if x, ok := f.load(stream, "v1"); ok {
		f.Fatalf("nothing was saved, got %+v", x)
	}
	at := f.append(stream, 0, 3)
	want := commands.Snapshot{Next: 3, Position: at.Position, Data: []byte("state after 3")}
	f.save(stream, "v1", want)
	f.loads(stream, "v1", want)
	f.holds(stream, 3)
}

func snapshotReplaced(f *fixture) {
	stream := f.stream("a")
	for n := range 5 {
		at := f.append(stream, n, 1)
		want := commands.Snapshot{Next: uint64(n + 1), Position: at.Position, Data: fmt.Appendf(nil, "state after %d", n+1)}
		f.save(stream, "v1", want)
		f.loads(stream, "v1", want)
	}
}

func snapshotApart(f *fixture) {
	names := append([]string{"plain"}, traps...)
	saved := map[string]commands.Snapshot{}
	for _, name := range names {
		at := f.append(f.stream(name), 0, 1)
		saved[name] = commands.Snapshot{Next: 1, Position: at.Position, Data: []byte("of " + name)}
		f.save(f.stream(name), "v1", saved[name])
	}
	for _, name := range names {
		f.loads(f.stream(name), "v1", saved[name])
		for _, schema := range []string{"v", "v11", "v2", "V1"} {
			if x, ok := f.load(f.stream(name), schema); ok {
				f.Fatalf("schema %q of %q was never saved, got %+v", schema, name, x)
			}
		}
	}
	stream := f.stream("plain")
	second := commands.Snapshot{Next: 1, Position: saved["plain"].Position, Data: []byte("under another schema")}
	f.save(stream, "v2", second)
	f.loads(stream, "v2", second)
	if x, ok := f.load(stream, "v1"); ok && string(x.Data) != "of plain" {
		f.Fatalf("under v1 there is %+v", x)
	}
}

func snapshotOwned(f *fixture) {
	stream := f.stream("a")
	at := f.append(stream, 0, 1)
	data := []byte("state")
	f.save(stream, "v1", commands.Snapshot{Next: 1, Position: at.Position, Data: data})
	clear(data)
	want := commands.Snapshot{Next: 1, Position: at.Position, Data: []byte("state")}
	f.loads(stream, "v1", want)
	x, _ := f.load(stream, "v1")
	clear(x.Data)
	f.loads(stream, "v1", want)
}

func snapshotSizes(f *fixture) {
	stream := f.stream("a")
	at := f.append(stream, 0, 1)
	for _, size := range []int{0, 1, 1000, 100_000, 2 << 20} {
		want := commands.Snapshot{Next: 1, Position: at.Position, Data: []byte(strings.Repeat("x", size))}
		f.save(stream, "v1", want)
		f.loads(stream, "v1", want)
	}
}
