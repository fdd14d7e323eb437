package pebble

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
)

func durable(first uint64, count, size int) *group {
	r := &request{appended: true, frames: make([]byte, 0, size)}
	for i := range count {
		r.records = append(r.records, aggregates.Record{Position: first + uint64(i)})
	}
	return &group{requests: []*request{r}, events: count, end: first + uint64(count) - 1}
}

func positions(t *tail, from uint64) (list []uint64, ok bool) {
	ok = t.read(from, func(r *aggregates.Record) bool { list = append(list, r.Position); return true })
	return list, ok
}

func TestTailGivesRecordsFromAPosition(t *testing.T) {
	var x tail
	if _, ok := positions(&x, 1); ok {
		t.Error("an empty tail has nothing to give")
	}
	x.add(durable(5, 3, 10))
	x.add(durable(8, 1, 10))
	x.add(&group{end: 8}) // of no events
	x.add(durable(9, 2, 10))
	for from, want := range map[uint64]string{5: "[5 6 7 8 9 10]", 6: "[6 7 8 9 10]", 8: "[8 9 10]", 10: "[10]", 11: "[]"} {
		if got, ok := positions(&x, from); !ok || fmt.Sprint(got) != want {
			t.Errorf("from %d: %v, %v, want %s", from, got, ok, want)
		}
	}
	if got, ok := positions(&x, 4); ok {
		t.Errorf("the tail does not go back to 4, got %v", got)
	}
	if x.end.Load() != 10 {
		t.Errorf("the tail ends at %d, want 10", x.end.Load())
	}
	seen := 0
	x.read(5, func(*aggregates.Record) bool { seen++; return seen < 4 })
	if seen != 4 {
		t.Errorf("%d records were visited, want 4", seen)
	}
}

func TestTailIsBounded(t *testing.T) {
	for name, x := range map[string]struct{ count, size, groups int }{
		"records":  {1000, 10, 200},
		"bytes":    {1, 1 << 20, 100},
		"both":     {5000, 5 << 20, 40},
		"one huge": {maxTailRecords + 5, 2 * maxTailBytes, 3},
	} {
		var tail tail
		next := uint64(1)
		for range x.groups {
			tail.add(durable(next, x.count, x.size))
			next += uint64(x.count)
			if len(tail.runs) > 1 && (tail.records > maxTailRecords || tail.bytes > maxTailBytes) {
				t.Fatalf("%s: the tail holds %d records and %d bytes in %d runs", name, tail.records, tail.bytes, len(tail.runs))
			}
		}
		records, bytes := 0, 0
		for _, r := range tail.runs {
			records += len(r.records)
			bytes += r.bytes
		}
		if records != tail.records || bytes != tail.bytes {
			t.Errorf("%s: %d records and %d bytes, counted as %d and %d", name, records, bytes, tail.records, tail.bytes)
		}
		if got, ok := positions(&tail, next-1); !ok || len(got) != 1 {
			t.Errorf("%s: the newest record is not there: %v, %v", name, got, ok)
		}
	}
}

func TestHeadsAreBoundedAndKeepWhatIsUsed(t *testing.T) {
	var h heads
	h.put("hot", head{next: 7})
	for n := range 2 * maxHeads {
		h.put(fmt.Sprint(n), head{next: uint64(n)})
		if n%(maxHeads/4) == 0 {
			if x, ok := h.get("hot"); !ok || x.next != 7 {
				t.Fatalf("after %d others the head in use is %+v, %v", n, x, ok)
			}
		}
		if size := len(h.young) + len(h.old); size > maxHeads {
			t.Fatalf("%d heads are kept, at most %d may", size, maxHeads)
		}
	}
	if _, ok := h.get("0"); ok {
		t.Error("a head that was not used for long is still there")
	}
	if x, ok := h.get(fmt.Sprint(2*maxHeads - 1)); !ok || x.next != 2*maxHeads-1 {
		t.Error("the newest head is gone")
	}
}

// TestForgottenHeadIsReadAgain: what a cold stream has is found on disk.
func TestForgottenHeadIsReadAgain(t *testing.T) {
	disk := vfs.NewMem()
	s, err := Open("events", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		mustAppend(t, s, fmt.Sprintf("sku-%d", n%7), n/7*3, 3)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openOn(t, disk)
	for n := range 7 {
		stream := fmt.Sprintf("sku-%d", n)
		mustAppend(t, again, stream, length(t, again, stream), 1)
	}
	verify(t, again)
}

func TestEventTypesAreShared(t *testing.T) {
	var n interned
	for range 3 {
		for i := range 2 * maxKinds {
			if want := fmt.Sprint("type", i); n.get([]byte(want)) != want {
				t.Fatalf("%q came back otherwise", want)
			}
		}
	}
	if size := len(*n.known.Load()); size != maxKinds {
		t.Errorf("%d types are kept, want %d", size, maxKinds)
	}
}

// TestBatchesOfASubscriptionAreBounded reads from disk and from the tail.
func TestBatchesOfASubscriptionAreBounded(t *testing.T) {
	disk := vfs.NewMem()
	s, err := Open("events", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, "channel-a", 0, 1)
	for n := range 20 {
		mustAppend(t, s, "sku-a", 2000*n, 2000)
	}
	mustAppend(t, s, "channel-a", 1, 1)
	for n := range 8 {
		if _, err := s.Append(background, "sku-b", uint64(3*n), facts("sku-b", 3*n, 3, batchBytes/4)); err != nil {
			t.Fatal(err)
		}
	}
	bounded(t, s, "tail")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	bounded(t, openOn(t, disk), "disk")
}

func bounded(t *testing.T, s *Store, name string) {
	t.Helper()
	end := s.tail.end.Load()
	for _, prefixes := range [][]string{nil, {"channel-"}, {"sku-"}, {"none"}} {
		sub, err := s.Subscribe(background, 0, prefixes...)
		if err != nil {
			t.Fatal(err)
		}
		batches := 0
		for at := uint64(0); at < end; {
			b, err := sub.Next(background)
			if err != nil {
				t.Fatal(err)
			}
			batches++
			size := 0
			for _, r := range b.Records {
				size += len(r.Data)
			}
			if len(b.Records) > batchRecords || b.Through-at > scanRecords || size > batchBytes {
				t.Fatalf("%s, %q: a batch of %d records, %d bytes, over %d positions", name, prefixes, len(b.Records), size, b.Through-at)
			}
			at = b.Through
		}
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
		if len(prefixes) == 1 && prefixes[0] == "none" && batches > int(end)/scanRecords+1 {
			t.Errorf("%s: %d empty batches over %d positions", name, batches, end)
		}
	}
}

// TestBatchStaysUntilTheNextOne: its data must not lie in memory that the database uses for something else.
func TestBatchStaysUntilTheNextOne(t *testing.T) {
	disk := vfs.NewMem()
	s, err := Open("events", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		if _, err := s.Append(background, "sku-a", uint64(50*n), facts("sku-a", 50*n, 50, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := firstError(s.db.Flush(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = Open("events", Options{FS: disk, CacheBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sub, err := s.Subscribe(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for at := uint64(0); at < 2*batchRecords; {
		b, err := sub.Next(background)
		if err != nil {
			t.Fatal(err)
		}
		bounded(t, s, "others read meanwhile")
		for i, r := range b.Records {
			if want := fact("sku-a", int(at)+i, 100); r.ID != want.ID || string(r.Data) != string(want.Data) {
				t.Fatalf("record %d became %q", i, r.Data)
			}
		}
		at = b.Through
	}
}

func TestRecordLargerThanABatchIsHandedOutAlone(t *testing.T) {
	disk := vfs.NewMem()
	s, err := Open("events", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if _, err := s.Append(background, "sku-a", uint64(n), facts("sku-a", n, 1, MaxEventBytes)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sub, err := openOn(t, disk).Subscribe(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for n := range 3 {
		if b, err := sub.Next(background); err != nil || len(b.Records) != 1 || b.Through != uint64(n+1) {
			t.Errorf("batch %d: %d records through %d, error %v", n, len(b.Records), b.Through, err)
		}
	}
}

func TestNamesAndValuesOutOfBoundsAreRefused(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	long, large := strings.Repeat("x", MaxNameBytes+1), make([]byte, MaxValueBytes+1)
	for name, err := range map[string]error{
		"snapshot stream":   s.SaveSnapshot(background, "", "v1", commands.Snapshot{}),
		"snapshot schema":   s.SaveSnapshot(background, "a", long, commands.Snapshot{}),
		"snapshot data":     s.SaveSnapshot(background, "a", "v1", commands.Snapshot{Data: make([]byte, MaxSnapshotBytes+1)}),
		"topic":             s.SaveOffset(background, "", 0, ingest.Progress{}),
		"checkpoint":        s.SaveCheckpoint(background, long, 0),
		"letter id":         second(s.DeadLetters().Put(background, ingest.DeadLetter{State: ingest.Open})),
		"letter state":      second(s.DeadLetters().Put(background, ingest.DeadLetter{ID: "1"})),
		"letter state four": second(s.DeadLetters().Put(background, ingest.DeadLetter{ID: "1", State: 4})),
		"letter value":      second(s.DeadLetters().Put(background, ingest.DeadLetter{ID: "1", State: ingest.Open, Value: large})),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, _, err := s.DeadLetters().List(background, ingest.Query{}); err == nil {
		t.Error("a list without a limit was made")
	}
}

func second[T any](_ T, err error) error { return err }

// TestLargestStateFitsASnapshot: without one, a SKU in demand would be folded from its first event at every start.
func TestLargestStateFitsASnapshot(t *testing.T) {
	const few = 1000
	s, m := stock.State{}, aggregates.Metadata{RecordedAt: 1_767_614_400_000_000}
	size := func() int {
		data, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return len(data)
	}
	empty := size()
	for i := range few {
		m.Fingerprint, m.IdempotencyKey = uint64(i), fmt.Sprint(i)
		m.RecordedAt += aggregates.Second
		s.Evolve(&stock.ReservationPlaced{ReservationID: fmt.Sprintf("%0100d", i), Channel: "web", Quantity: 10,
			Splits: []stock.Split{{Location: "berlin", Quantity: 10}}, ExpiresAt: m.RecordedAt + 900*aggregates.Second}, m)
	}
	if all := (size() - empty) / few * stock.MaxLiveReservations; all > MaxSnapshotBytes {
		t.Errorf("%d live reservations take %d bytes, at most %d are possible", stock.MaxLiveReservations, all, MaxSnapshotBytes)
	}
	store := openOn(t, vfs.NewMem())
	data := make([]byte, 2*memTableBytes)
	if err := store.SaveSnapshot(background, "sku-a", "v1", commands.Snapshot{Data: data}); err != nil {
		t.Fatal(err)
	}
	if x, ok, err := store.LoadSnapshot(background, "sku-a", "v1"); !ok || err != nil || len(x.Data) != len(data) {
		t.Errorf("read %d bytes, %v, %v", len(x.Data), ok, err)
	}
}

// TestSnapshotAheadOfTheStoreIsNone: one that outlived the events it was made of must not be believed.
func TestSnapshotAheadOfTheStoreIsNone(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	at := mustAppend(t, s, "sku-a", 0, 1)
	if err := s.SaveSnapshot(background, "sku-a", "v1", commands.Snapshot{Next: 9, Position: at.Position + 1}); err != nil {
		t.Fatal(err)
	}
	if x, ok, err := s.LoadSnapshot(background, "sku-a", "v1"); ok || err != nil {
		t.Errorf("got %+v, %v, %v", x, ok, err)
	}
}

// TestDamageIsFound: a store whose parts contradict each other says so instead of guessing.
func TestDamageIsFound(t *testing.T) {
	read := func(s *Store) error {
		return s.ReadStream(background, "sku-a", 0, func(aggregates.Record) bool { return true })
	}
	backwards := func(s *Store) error {
		return s.ReadStreamBackwards(background, "sku-a", 9, func(aggregates.Record) bool { return true })
	}
	subscribe := func(s *Store) error {
		s.tail.runs = nil // read the database
		sub, err := s.Subscribe(background, 0)
		if err != nil {
			return err
		}
		_, err = sub.Next(background)
		return err
	}
	index, _ := streamBounds("sku-a")
	for name, x := range map[string]struct {
		damage func(s *Store) error
		calls  []func(*Store) error
	}{
		"event gone":      {func(s *Store) error { return s.db.Delete(appendEventKey(nil, 2), nil) }, []func(*Store) error{read, backwards, subscribe}},
		"last event gone": {func(s *Store) error { return s.db.Delete(appendEventKey(nil, 3), nil) }, []func(*Store) error{read, backwards}},
		"event cut":       {func(s *Store) error { return s.db.Set(appendEventKey(nil, 2), []byte{1, 5}, nil) }, []func(*Store) error{read, backwards, subscribe}},
		"event of another stream": {func(s *Store) error {
			return s.db.Set(appendEventKey(nil, 2), appendFrame(nil, "sku-b", 1, &aggregates.NewEvent{Type: "x"}), nil)
		}, []func(*Store) error{read, backwards}},
		"event of another revision": {func(s *Store) error {
			return s.db.Set(appendEventKey(nil, 2), appendFrame(nil, "sku-a", 2, &aggregates.NewEvent{Type: "x"}), nil)
		}, []func(*Store) error{read, backwards}},
		"index cut": {func(s *Store) error { return s.db.Set(appendRunKey(nil, index, 0), []byte{1}, nil) }, []func(*Store) error{read, backwards}},
	} {
		for n, call := range x.calls {
			s := openOn(t, vfs.NewMem())
			mustAppend(t, s, "sku-a", 0, 3)
			if err := call(s); err != nil {
				t.Fatalf("%s, call %d before the damage: %v", name, n, err)
			}
			if err := x.damage(s); err != nil {
				t.Fatal(err)
			}
			if err := call(s); err == nil {
				t.Errorf("%s, call %d: no error", name, n)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a reader found of a stream is kept only when nobody can have written to it since.
func TestHeadsAreLearnedUnlessTheStreamMayHaveBeenWritten(t *testing.T) {
	var h heads
	generation := h.now()
	h.learn(generation, "read", 3)
	if got, ok := h.get("read"); !ok || got.next != 3 {
		t.Errorf("learned %v, %v", got, ok)
	}
	h.put("written", head{next: 7, group: 1})
	h.learn(generation, "written", 6)
	if got, _ := h.get("written"); got.next != 7 {
		t.Errorf("what was read before took the place of what was written: %v", got)
	}
	for i := range maxHeads { // what was written meanwhile may have been let go
		h.put(fmt.Sprint("other-", i), head{next: 1})
	}
	h.learn(generation, "late", 2)
	if got, ok := h.get("late"); ok {
		t.Errorf("learned %v from an old reading", got)
	}
}
