package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// written appends some events to some streams and returns all of them, as they are stored.
func written(t *testing.T, s *Store, streams, events int) (all []aggregates.Record) {
	t.Helper()
	for i := range streams {
		stream := fmt.Sprint("sku-", i)
		var list []aggregates.NewEvent
		for j := range events {
			data := fmt.Appendf(nil, "event %d of %d", j, i)
			list = append(list, aggregates.NewEvent{ID: aggregates.NewEventID(stream, fmt.Sprint(j), 0, nil), Type: "Told", Data: data})
		}
		if _, err := s.Append(t.Context(), stream, 0, list); err != nil {
			t.Fatal(err)
		}
	}
	for i := range streams {
		all = append(all, inStream(t, s, fmt.Sprint("sku-", i))...)
	}
	return all
}

func inStream(t *testing.T, s *Store, stream string) (list []aggregates.Record) {
	t.Helper()
	err := s.ReadStream(t.Context(), stream, 0, func(r aggregates.Record) bool {
		r.Data = bytes.Clone(r.Data)
		list = append(list, r)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// subscribed is what a subscription to everything gives.
func subscribed(t *testing.T, s *Store) (list []aggregates.Record) {
	t.Helper()
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	end, _ := s.End(t.Context())
	for at := uint64(0); at < end; {
		b, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			r.Data = bytes.Clone(r.Data)
			list = append(list, r)
		}
		at = b.Through
	}
	return list
}

func same(a, b aggregates.Record) bool {
	return a.ID == b.ID && a.Type == b.Type && a.Stream == b.Stream && a.Revision == b.Revision && a.Position == b.Position && bytes.Equal(a.Data, b.Data)
}

// What is rewritten is read so by every way, from memory, from disk and after a restart, and everything else stays.
func TestRewrittenEventsAreReadByEveryWay(t *testing.T) {
	fs := vfs.NewMem()
	s := openOn(t, fs)
	all := written(t, s, 3, 40)
	var changed []aggregates.Record
	for i := range all {
		if i%3 == 0 {
			all[i].Data = fmt.Appendf(nil, "rewritten %d", i)
			changed = append(changed, all[i])
		}
	}
	if err := s.Rewrite(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if got := subscribed(t, s); !slices.EqualFunc(got, all, same) {
			t.Errorf("subscribed to %v", got)
		}
		for i := range 3 {
			if got := inStream(t, s, fmt.Sprint("sku-", i)); !slices.EqualFunc(got, all[40*i:40*i+40], same) {
				t.Errorf("stream %d is %v", i, got)
			}
		}
	}
	check()
	if err := s.Reclaim(t.Context(), all[len(all)-1].Position); err != nil {
		t.Fatal(err)
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openOn(t, fs)
	check()
	if _, err := s.Append(t.Context(), "sku-1", 40, []aggregates.NewEvent{{ID: aggregates.NewEventID("sku-1", "x", 0, nil), Type: "Told"}}); err != nil {
		t.Error(err)
	}
}

// A power cut after Rewrite has returned loses nothing of it, and at no time is there half of it.
func TestARewriteIsDurableAndWhole(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openOn(t, fs)
	all := written(t, s, 1, 50)
	before := fs.CrashClone(vfs.CrashCloneCfg{})
	for i := range all {
		all[i].Data = []byte("rewritten")
	}
	if err := s.Rewrite(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	for name, c := range map[string]struct {
		fs   vfs.FS
		want int
	}{"before": {before, 0}, "after": {after, 50}} {
		n := 0
		for _, r := range inStream(t, openOn(t, c.fs), "sku-0") {
			if string(r.Data) == "rewritten" {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d of 50 are rewritten, want %d", name, n, c.want)
		}
	}
}

// Nothing is rewritten when one event is not the one that stands there.
func TestOnlyTheVeryEventIsRewritten(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	all := written(t, s, 2, 5)
	for name, spoil := range map[string]func(*aggregates.Record){
		"another stream":   func(r *aggregates.Record) { r.Stream = "sku-1" },
		"another revision": func(r *aggregates.Record) { r.Revision++ },
		"another id":       func(r *aggregates.Record) { r.ID[3]++ },
		"another type":     func(r *aggregates.Record) { r.Type = "Said" },
		"beyond the end":   func(r *aggregates.Record) { r.Position = 11 },
	} {
		list := slices.Clone(all[:3])
		for i := range list {
			list[i].Data = []byte("rewritten")
		}
		spoil(&list[2])
		if err := s.Rewrite(t.Context(), list); !errors.Is(err, ErrNotThere) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := subscribed(t, s); !slices.EqualFunc(got, all, same) {
		t.Errorf("something was rewritten: %v", got)
	}
}

func TestStreamsAreListedInPages(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	want := map[string]bool{}
	for i := range 25 {
		name := fmt.Sprint("sku-", i*i*i)
		want[name] = true
		for _, stream := range []string{name, fmt.Sprint("order-", i)} {
			for n := range 3 {
				e := aggregates.NewEvent{ID: aggregates.NewEventID(stream, fmt.Sprint(n), 0, nil), Type: "Told"}
				if _, err := s.Append(t.Context(), stream, uint64(n), []aggregates.NewEvent{e}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, limit := range []int{1, 7, 25, 100} {
		var got []string
		for after := ""; ; {
			page, err := s.Streams(t.Context(), "sku-", after, limit)
			if err != nil || len(page) > limit {
				t.Fatal(page, err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1]
		}
		found := map[string]bool{}
		for _, name := range got {
			found[name] = true
		}
		if len(got) != len(want) || len(found) != len(want) {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
}

// Who reads a stream while its events are rewritten at once gets all of them as they were, or all as they are.
func TestAStreamIsReadBeforeOrAfterARewrite(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	const events = 12 // read one by one at first, and then with an iterator
	for i := range events {
		e := aggregates.NewEvent{ID: aggregates.NewEventID("sku-0", fmt.Sprint(i), 0, nil), Type: "Told", Data: []byte{0}}
		if _, err := s.Append(t.Context(), "sku-0", uint64(i), []aggregates.NewEvent{e}); err != nil {
			t.Fatal(err)
		}
	}
	all := inStream(t, s, "sku-0")
	done := make(chan error, 1)
	go func() {
		for n := range byte(200) {
			changed := slices.Clone(all)
			for i := range changed {
				changed[i].Data = []byte{n}
			}
			if err := s.Rewrite(t.Context(), changed); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		list := inStream(t, s, "sku-0")
		for _, r := range list {
			if !bytes.Equal(r.Data, list[0].Data) {
				t.Fatalf("event %d is of rewriting %d, the first of %d", r.Revision, r.Data, list[0].Data)
			}
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

// A snapshot that was dropped is gone, and others stay.
func TestADroppedSnapshotIsGone(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	for _, stream := range []string{"sku-0", "sku-1"} {
		if err := s.SaveSnapshot(t.Context(), stream, "v1", commands.Snapshot{Next: 3, Data: []byte("state")}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.DropSnapshot(t.Context(), "sku-0"); err != nil {
			t.Fatal(err)
		}
	}
	_, gone, err := s.LoadSnapshot(t.Context(), "sku-0", "v1")
	_, left, bad := s.LoadSnapshot(t.Context(), "sku-1", "v1")
	if err != nil || bad != nil || gone || !left {
		t.Errorf("dropped %v, the other %v, %v, %v", gone, left, err, bad)
	}
}
