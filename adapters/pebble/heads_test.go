package pebble

import (
	"fmt"
	"strings"
	"testing"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// TestWhatIsKnownOfStreamsIsNeverMoreOrLessThanTheyHave: whatever was appended, read and let go, and however the store was
// closed in between, every reader finds every event from anywhere on, and a writer the stream's end.
func TestWhatIsKnownOfStreamsIsNeverMoreOrLessThanTheyHave(t *testing.T) {
	streams := []string{"sku-a", "sku-b", "sku-c"}
	rapid.Check(t, func(rt *rapid.T) {
		disk := vfs.NewCrashableMem()
		open := func() *Store {
			s, err := Open("events", Options{FS: disk})
			if err != nil {
				rt.Fatal(err)
			}
			return s
		}
		s, events := open(), map[string]int{}
		defer func() { _ = s.Close() }()
		read := func(stream string, from uint64) {
			want := from
			if err := s.ReadStream(background, stream, from, func(r aggregates.Record) bool {
				if r.Revision != want {
					rt.Fatalf("%s from %d: event %d, want %d", stream, from, r.Revision, want)
				}
				want++
				return true
			}); err != nil {
				rt.Fatal(err)
			}
			if want != max(from, uint64(events[stream])) {
				rt.Fatalf("%s from %d: read up to %d of %d", stream, from, want, events[stream])
			}
		}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			stream := rapid.SampledFrom(streams).Draw(rt, "stream")
			switch rapid.SampledFrom([]string{"append", "append", "append", "read", "read", "save", "load", "load", "close", "crash", "forget"}).Draw(rt, "step") {
			case "append":
				n := rapid.IntRange(1, 3).Draw(rt, "count")
				if _, err := s.Append(background, stream, uint64(events[stream]), facts(stream, events[stream], n, 0)); err != nil {
					rt.Fatal(err)
				}
				events[stream] += n
			case "read":
				read(stream, uint64(rapid.IntRange(0, events[stream]+1).Draw(rt, "from")))
			case "save":
				next := rapid.IntRange(0, events[stream]).Draw(rt, "next")
				if err := s.SaveSnapshot(background, stream, "v1", commands.Snapshot{Next: uint64(next)}); err != nil {
					rt.Fatal(err)
				}
			case "load":
				x, _, err := s.LoadSnapshot(background, stream, "v1")
				if err != nil {
					rt.Fatal(err)
				}
				read(stream, x.Next)
			case "close":
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				s = open()
			case "crash":
				after := disk.CrashClone(vfs.CrashCloneCfg{})
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				disk = after
				s = open()
			case "forget":
				s.heads.mu.Lock()
				s.heads.young, s.heads.old = nil, nil
				s.heads.generation++
				s.heads.mu.Unlock()
			}
		}
		for _, stream := range streams {
			read(stream, 0)
			if _, err := s.Append(background, stream, uint64(events[stream]), facts(stream, events[stream], 1, 0)); err != nil {
				rt.Error(err)
			}
		}
	})
}

func TestHeadsAreThereAfterACleanStop(t *testing.T) {
	disk := vfs.NewMem()
	s, err := Open("events", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		mustAppend(t, s, fmt.Sprint("sku-", n), 0, n+1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openOn(t, disk)
	for n := range 100 {
		if h, ok := s.heads.get(fmt.Sprint("sku-", n)); !ok || h.next != uint64(n+1) {
			t.Errorf("sku-%d: %v, %v", n, h, ok)
		}
	}
}

// Heads that were kept at another end than the store has, or are damaged, are not believed; what is kept is bounded.
func TestHeadsOfAnotherEndOrDamagedOnesAreNotBelieved(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	var kept heads
	for n := range 10 {
		kept.put(fmt.Sprint("sku-", n), head{next: 300})
	}
	if err := kept.save(s.db, 7); err != nil {
		t.Fatal(err)
	}
	var other heads
	if err := other.load(s.db, 8); err != nil || len(other.young) != 0 {
		t.Errorf("at another end: %v, %v", other.young, err)
	}
	value, closer, err := s.db.Get(headsKey)
	if err != nil {
		t.Fatal(err)
	}
	whole := string(value)
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		var h heads
		h.parse(whole[:cut], 7)
		for stream, x := range h.young {
			if x.next != 300 || !strings.HasPrefix(stream, "sku-") {
				t.Fatalf("cut to %d bytes: %q has %d events", cut, stream, x.next)
			}
		}
	}
	for n := range maxHeads / 2 {
		kept.put(fmt.Sprintf("%0100d", n), head{next: 1})
	}
	if err := kept.save(s.db, 7); err != nil {
		t.Fatal(err)
	}
	if value, closer, err = s.db.Get(headsKey); err != nil || len(value) > maxSavedHeads || len(value) < maxSavedHeads/2 {
		t.Errorf("kept %d bytes, %v", len(value), err)
	}
	if err := firstError(closer.Close(), s.db.Delete(headsKey, pebbledb.NoSync)); err != nil {
		t.Fatal(err)
	}
}
