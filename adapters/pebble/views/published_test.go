package views

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
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
