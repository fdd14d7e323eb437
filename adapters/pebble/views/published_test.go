package views

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func published(sku, channel string, position uint64, ago time.Duration) *pb.PublishedChange {
	return &pb.PublishedChange{Id: fmt.Sprint(position), Sku: sku, Channel: channel, Position: position, Ats: 7,
		PublishedAt: timestamppb.New(time.Now().Add(-ago)), Topic: "t", Partition: 2, Offset: int64(position)}
}

func positions(t *testing.T, m *Published, sku string, from uint64, limit int) (list []uint64) {
	t.Helper()
	all, err := m.Of(t.Context(), sku, from, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		list = append(list, c.Position)
	}
	return list
}

func TestPublishedValuesAreKeptWithinAgeAndNumber(t *testing.T) {
	db, err := Open("views", Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := db.Published(time.Hour, 4)
	if at, err := m.Oldest(t.Context()); at != 0 || err != nil {
		t.Errorf("the oldest of none is of %v, %v", at.Time(), err)
	}
	record := func(list ...*pb.PublishedChange) {
		if err := m.Record(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	record(published("a", "web", 1, 2*time.Hour), published("a", "web", 2, time.Minute), published("ab", "web", 3, time.Minute))
	if got := positions(t, m, "a", 0, 10); fmt.Sprint(got) != "[1 2]" {
		t.Errorf("kept %v", got)
	}
	record(published("a", "web", 4, 0)) // the first is too old by now
	if got := positions(t, m, "a", 0, 10); fmt.Sprint(got) != "[2 4]" {
		t.Errorf("kept %v", got)
	}
	if at, err := m.Oldest(t.Context()); err != nil || time.Since(at.Time()) < time.Minute || time.Since(at.Time()) > time.Hour {
		t.Errorf("the oldest is of %v, %v", at.Time(), err)
	}
	if got := positions(t, m, "a", 3, 1); fmt.Sprint(got) != "[4]" {
		t.Errorf("from 3 on: %v", got)
	}
	m = db.Published(time.Hour, 4) // another process counts anew
	record(published("a", "pos", 5, 0), published("a", "web", 6, 0), published("a", "web", 7, 0))
	if got := append(positions(t, m, "a", 0, 10), positions(t, m, "ab", 0, 10)...); len(got) != 4 {
		t.Errorf("kept %v, at most 4 may be", got)
	}
}

// Values of one SKU and position that come one after the other are kept as one, count each, and are told one by one.
func TestPublishedValuesOfSeveralChannelsAreKeptTogether(t *testing.T) {
	db, err := Open("views", Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := db.Published(time.Hour, 7)
	now := timestamppb.New(time.Now().Add(-time.Minute))
	value := func(sku, channel string, position uint64) *pb.PublishedChange {
		return &pb.PublishedChange{Id: fmt.Sprint(sku, position, channel), Sku: sku, Channel: channel, Position: position, Ats: int64(10 + position),
			PublishedAt: now, Topic: "t", Partition: int32(position % 2), Offset: int64(100*position) + int64(len(channel))}
	}
	list := []*pb.PublishedChange{value("a", "app", 1), value("a", "store", 1), value("a", "web", 1), value("a", "app", 2), value("b", "app", 2), value("b", "web", 2)}
	if err := m.Record(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	got, err := m.Of(t.Context(), "a", 0, 10)
	if err != nil || len(got) != 4 {
		t.Fatalf("got %v, %v", got, err)
	}
	for i, c := range got {
		if !proto.Equal(c, list[i]) {
			t.Errorf("got %v, want %v", c, list[i])
		}
	}
	if got, err := m.Of(t.Context(), "a", 0, 2); err != nil || len(got) != 2 {
		t.Errorf("of at most 2: %v, %v", got, err)
	}
	keys := 0
	if err := db.scan(t.Context(), []byte{spacePublished}, []byte{spacePublishedByTime + 1}, func(_, _ []byte) (bool, error) { keys++; return true, nil }); err != nil || keys != 6 {
		t.Errorf("%d keys, %v; want 3 entries with 2 each", keys, err)
	}
	m = db.Published(time.Hour, 7) // another process counts anew
	if err := m.Record(t.Context(), []*pb.PublishedChange{published("c", "web", 3, 0), published("c", "web", 4, 0)}); err != nil {
		t.Fatal(err)
	}
	if m.held != 5 {
		t.Errorf("%d are kept, want 2 beside the 3 that did not have to go", m.held)
	}
	if got := append(positions(t, m, "a", 0, 10), positions(t, m, "b", 0, 10)...); fmt.Sprint(got) != "[2 2 2]" {
		t.Errorf("kept %v", got)
	}
}

// What is published again, alone or with others, takes nothing away, and is told once: as it was published first.
func TestPublishedAgainTakesNothingAway(t *testing.T) {
	db, err := Open("views", Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := db.Published(time.Hour, 100)
	for i, channels := range [][]string{{"store", "web"}, {"app", "store", "web"}, {"app"}} {
		list := make([]*pb.PublishedChange, len(channels))
		for j, channel := range channels {
			list[j] = published("a", channel, 7, time.Duration(30-i)*time.Minute)
		}
		at := list[0].PublishedAt
		for j := range list {
			list[j].PublishedAt, list[j].Offset = at, int64(i)
		}
		if err := m.Record(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	got, err := m.Of(t.Context(), "a", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]int64{}
	for _, c := range got {
		first[c.Channel] = c.Offset
	}
	if len(got) != 3 || fmt.Sprint(first) != "map[app:1 store:0 web:0]" {
		t.Errorf("got %v", got)
	}
	if m.held != 6 {
		t.Errorf("%d are kept, want 6", m.held)
	}
}

// What versions before kept is read and let go: each value alone, with nothing in its entry by time and no time in its key.
func TestPublishedValuesKeptAloneAreRead(t *testing.T) {
	db, err := Open("views", Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	was := published("a", "web", 1, time.Minute)
	value, err := was.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	var e publishedEntry
	if err := e.set([]*pb.PublishedChange{was}); err != nil {
		t.Fatal(err)
	}
	key, byTime := e.key[:len(e.key)-8], e.byTime[:len(e.byTime)-8]
	if err := firstOf(db.db.Set(key, value, pebbledb.NoSync), db.db.Set(byTime, nil, pebbledb.NoSync)); err != nil {
		t.Fatal(err)
	}
	m := db.Published(time.Hour, 1)
	got, err := m.Of(t.Context(), "a", 0, 10)
	if err != nil || len(got) != 1 || !proto.Equal(got[0], was) {
		t.Fatalf("got %v, %v", got, err)
	}
	if err := m.Record(t.Context(), []*pb.PublishedChange{published("a", "web", 2, 0)}); err != nil {
		t.Fatal(err)
	}
	if got := positions(t, m, "a", 0, 10); fmt.Sprint(got) != "[2]" {
		t.Errorf("kept %v", got)
	}
}
