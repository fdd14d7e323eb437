package viewtest

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/reservations"
)

// Reservations runs the contract of reservations.ReadModel.
func Reservations(t *testing.T, start func(t *testing.T) Backend[reservations.ReadModel]) {
	for name, test := range map[string]func(*testing.T, Backend[reservations.ReadModel]){
		"begins empty":                              recordsBeginEmpty,
		"gives back what was written":               recordsAreGivenBack,
		"finds an id on several SKUs":               recordsByID,
		"keeps any bytes in ids and SKUs":           recordsAnyBytes,
		"lists a SKU oldest first, in pages":        recordsList,
		"lists live ones only":                      recordsListLive,
		"lists holds by their end":                  recordsDue,
		"lists ended ones by their end":             recordsEnded,
		"forgets the former place of a changed one": recordsMove,
		"removes":                        recordsRemove,
		"follows an id":                  recordsFollowID,
		"never replaces a newer record":  recordsGuard,
		"never takes progress back":      recordsProgressGuard,
		"never goes back for a reader":   recordsConcurrent,
		"forgets everything on reset":    recordsReset,
		"survives reopening":             recordsReopen,
		"writes nothing when it is over": recordsCanceled,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// held makes a live hold that was placed at a position.
func held(id, sku string, placed uint64, until aggregates.Instant) *reservations.Record {
	return &reservations.Record{SKU: sku, Placed: placed, Position: placed, Reservation: stock.Reservation{
		ID: id, Channel: "web", Status: stock.StatusHeld, Quantity: 5, Remaining: 5,
		Splits:    []stock.Split{{Location: "berlin", Quantity: 3}, {Location: "\xff", Quantity: 2}},
		ExpiresAt: until, PlacedAt: 77,
	}}
}

// over makes what a hold becomes when it is released.
func over(r *reservations.Record, position uint64, at aggregates.Instant) *reservations.Record {
	x := *r
	x.Position, x.EndedAt, x.Status = position, at, stock.StatusReleased
	x.Remaining, x.Released, x.Splits = 0, x.Remaining, nil
	return &x
}

func writeRecords(t testing.TB, m reservations.ReadModel, records ...*reservations.Record) {
	t.Helper()
	var changes []reservations.Change
	var last uint64
	for _, r := range records {
		changes, last = append(changes, reservations.Change{After: r}), max(last, r.Position)
	}
	ok(t, m.Write(t.Context(), changes, progressAt(last)))
}

func wantRecord(t testing.TB, m reservations.ReadModel, id, sku string, want *reservations.Record) {
	t.Helper()
	equal(t, fmt.Sprintf("record %q of %q", id, sku), must(m.One(t.Context(), id, sku))(t), want)
}

func ids(records []*reservations.Record) []string {
	list := []string{}
	for _, r := range records {
		list = append(list, r.ID)
	}
	return list
}

func recordsBeginEmpty(t *testing.T, b Backend[reservations.ReadModel]) {
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), projections.Progress{})
	wantRecord(t, b.Model, "r", "a", nil)
	equal(t, "by id", len(must(b.Model.ByID(t.Context(), "r"))(t)), 0)
	equal(t, "list", len(must(b.Model.List(t.Context(), "a", false, 0, 10))(t)), 0)
	equal(t, "due", len(must(b.Model.Due(t.Context(), 0, nil, 10))(t)), 0)
	equal(t, "ended", len(must(b.Model.Ended(t.Context(), math.MaxInt64, nil, 10))(t)), 0)
}

func recordsAreGivenBack(t *testing.T, b Backend[reservations.ReadModel]) {
	r := held("r", "a", 3, 5_000_000)
	gone := over(held("gone", "a", 4, 0), 6, 123)
	writeRecords(t, b.Model, r, gone)
	wantRecord(t, b.Model, "r", "a", r)
	wantRecord(t, b.Model, "gone", "a", gone)
	wantRecord(t, b.Model, "r", "b", nil)
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(6))
}

func recordsByID(t *testing.T, b Backend[reservations.ReadModel]) {
	want := []*reservations.Record{held("r", "", 1, 1), held("r", "a", 3, 1), held("r", "b", 2, 1)}
	writeRecords(t, b.Model, want[2], want[0], want[1], held("r2", "a", 4, 1), held("", "ra", 5, 1), held("ra", "", 6, 1))
	equal(t, "by id", must(b.Model.ByID(t.Context(), "r"))(t), want)
}

func recordsAnyBytes(t *testing.T, b Backend[reservations.ReadModel]) {
	var all []*reservations.Record
	for i, id := range names {
		all = append(all, held(id, names[(i+5)%len(names)], uint64(i+1), aggregates.Instant(1000+i)))
	}
	writeRecords(t, b.Model, all...)
	for _, r := range all {
		wantRecord(t, b.Model, r.ID, r.SKU, r)
		equal(t, "by id", must(b.Model.ByID(t.Context(), r.ID))(t), []*reservations.Record{r})
		equal(t, "list", must(b.Model.List(t.Context(), r.SKU, true, 0, 10))(t), []*reservations.Record{r})
	}
	equal(t, "due", must(b.Model.Due(t.Context(), 0, nil, 100))(t), all)
}

func recordsList(t *testing.T, b Backend[reservations.ReadModel]) {
	var want []string
	for i := range uint64(20) {
		r := held(fmt.Sprintf("%02d", (7*i)%20), "a", 300+i, 1) // ids in another order than placed
		if i%3 == 0 {
			r = over(r, 400+i, 5)
		}
		writeRecords(t, b.Model, r)
		want = append(want, r.ID)
	}
	writeRecords(t, b.Model, held("x", "b", 310, 1), held("y", "a\x00", 311, 1))
	got := []string{}
	for after := uint64(0); ; {
		page := must(b.Model.List(t.Context(), "a", false, after, 3))(t)
		if len(page) == 0 {
			break
		}
		got, after = append(got, ids(page)...), page[len(page)-1].Placed
	}
	equal(t, "ids", got, want)
}

func recordsListLive(t *testing.T, b Backend[reservations.ReadModel]) {
	confirmed := held("confirmed", "a", 2, 0)
	confirmed.Status = stock.StatusConfirmed
	writeRecords(t, b.Model, held("held", "a", 1, 1), confirmed, over(held("over", "a", 3, 1), 4, 5), held("later", "a", 5, 1))
	equal(t, "live", ids(must(b.Model.List(t.Context(), "a", true, 0, 10))(t)), []string{"held", "confirmed", "later"})
	equal(t, "after", ids(must(b.Model.List(t.Context(), "a", true, 2, 10))(t)), []string{"later"})
	equal(t, "limit", ids(must(b.Model.List(t.Context(), "a", true, 0, 1))(t)), []string{"held"})
}

func recordsDue(t *testing.T, b Backend[reservations.ReadModel]) {
	confirmed := held("confirmed", "a", 9, 0)
	confirmed.Status = stock.StatusConfirmed
	writeRecords(t, b.Model, held("late", "a", 1, 300), held("soon", "b", 2, 100), held("mid", "a", 3, 200),
		over(held("over", "a", 4, 50), 5, 40), confirmed)
	equal(t, "all", ids(must(b.Model.Due(t.Context(), 0, nil, 10))(t)), []string{"soon", "mid", "late"})
	equal(t, "from", ids(must(b.Model.Due(t.Context(), 101, nil, 10))(t)), []string{"mid", "late"})
	equal(t, "from exactly", ids(must(b.Model.Due(t.Context(), 100, nil, 1))(t)), []string{"soon"})
	first := must(b.Model.Due(t.Context(), 0, nil, 1))(t)[0]
	equal(t, "after one", ids(must(b.Model.Due(t.Context(), 0, first, 10))(t)), []string{"mid", "late"})
	equal(t, "from the end", ids(must(b.Model.Due(t.Context(), math.MaxInt64, nil, 10))(t)), []string{})
}

func recordsEnded(t *testing.T, b Backend[reservations.ReadModel]) {
	writeRecords(t, b.Model, held("live", "a", 1, 300), over(held("late", "a", 2, 1), 9, 30),
		over(held("first", "b", 3, 1), 8, 10), over(held("same", "a", 4, 1), 7, 20), over(held("same", "b", 5, 1), 6, 20))
	all := must(b.Model.Ended(t.Context(), 31, nil, 10))(t)
	equal(t, "all", len(all), 4)
	equal(t, "ends", []string{all[0].ID, all[1].ID, all[2].ID, all[3].ID}, []string{"first", "same", "same", "late"})
	for i, r := range all {
		rest := must(b.Model.Ended(t.Context(), 31, r, 10))(t)
		equal(t, "rest", rest, append([]*reservations.Record(nil), all[i+1:]...))
	}
	equal(t, "before", ids(must(b.Model.Ended(t.Context(), 20, nil, 10))(t)), []string{"first"})
	equal(t, "limit", ids(must(b.Model.Ended(t.Context(), 31, nil, 1))(t)), []string{"first"})
	equal(t, "after the bound", len(must(b.Model.Ended(t.Context(), 15, all[3], 10))(t)), 0)
}

func recordsMove(t *testing.T, b Backend[reservations.ReadModel]) {
	first := held("r", "a", 1, 100)
	writeRecords(t, b.Model, first)
	extended := *first
	extended.Position, extended.ExpiresAt = 2, 500
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{Before: first, After: &extended}}, progressAt(2)))
	equal(t, "due", must(b.Model.Due(t.Context(), 0, nil, 10))(t), []*reservations.Record{&extended})
	gone := over(&extended, 3, 40)
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{Before: &extended, After: gone}}, progressAt(3)))
	equal(t, "due", len(must(b.Model.Due(t.Context(), 0, nil, 10))(t)), 0)
	equal(t, "live", len(must(b.Model.List(t.Context(), "a", true, 0, 10))(t)), 0)
	again := held("r", "a", 9, 900) // the id is used once more
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{Before: gone, After: again}}, progressAt(9)))
	equal(t, "list", must(b.Model.List(t.Context(), "a", false, 0, 10))(t), []*reservations.Record{again})
	equal(t, "ended", len(must(b.Model.Ended(t.Context(), 1000, nil, 10))(t)), 0)
}

func recordsRemove(t *testing.T, b Backend[reservations.ReadModel]) {
	gone, stays := over(held("r", "a", 1, 1), 2, 10), over(held("s", "a", 3, 1), 4, 11)
	writeRecords(t, b.Model, gone, stays)
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{Before: gone}}, progressAt(5)))
	wantRecord(t, b.Model, "r", "a", nil)
	equal(t, "list", ids(must(b.Model.List(t.Context(), "a", false, 0, 10))(t)), []string{"s"})
	equal(t, "ended", ids(must(b.Model.Ended(t.Context(), 100, nil, 10))(t)), []string{"s"})
	equal(t, "by id", len(must(b.Model.ByID(t.Context(), "r"))(t)), 0)
}

// Whatever order the changes of one call are in, an id whose records go and come is found where they came.
func recordsFollowID(t *testing.T, b Backend[reservations.ReadModel]) {
	one, two, three := over(held("r", "a", 1, 1), 2, 10), over(held("r", "b", 3, 1), 4, 10), held("r", "c", 5, 1)
	writeRecords(t, b.Model, one, two)
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{After: three}, {Before: one}, {Before: two}}, progressAt(6)))
	equal(t, "by id", must(b.Model.ByID(t.Context(), "r"))(t), []*reservations.Record{three})
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{Before: three}}, progressAt(7)))
	equal(t, "by id", len(must(b.Model.ByID(t.Context(), "r"))(t)), 0)
	writeRecords(t, b.Model, one, two)
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{Before: two}}, progressAt(9)))
	equal(t, "by id", must(b.Model.ByID(t.Context(), "r"))(t), []*reservations.Record{one})
}

func recordsGuard(t *testing.T, b Backend[reservations.ReadModel]) {
	old := held("r", "a", 1, 100)
	now := over(old, 8, 50)
	writeRecords(t, b.Model, old)
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{Before: old, After: now}}, progressAt(8)))
	ok(t, b.Model.Write(t.Context(), []reservations.Change{{After: old}, {After: held("s", "a", 9, 1)}}, progressAt(9)))
	wantRecord(t, b.Model, "r", "a", now)
	equal(t, "live", ids(must(b.Model.List(t.Context(), "a", true, 0, 10))(t)), []string{"s"})
	equal(t, "due", ids(must(b.Model.Due(t.Context(), 0, nil, 10))(t)), []string{"s"})
}

func recordsProgressGuard(t *testing.T, b Backend[reservations.ReadModel]) {
	ok(t, b.Model.Write(t.Context(), nil, progressAt(10)))
	ok(t, b.Model.Write(t.Context(), nil, progressAt(9)))
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(10))
}

func recordsConcurrent(t *testing.T, b Backend[reservations.ReadModel]) {
	const writers, writes = 4, 200
	var busy sync.WaitGroup
	done := make(chan struct{})
	for w := range uint64(writers) {
		busy.Go(func() {
			for i := range uint64(writes) {
				r := held("r", "a", 1, aggregates.Instant(i+1))
				r.Position = i*writers + w + 1
				if err := b.Model.Write(t.Context(), []reservations.Change{{After: r}}, projections.Progress{Position: r.Position}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { busy.Wait(); close(done) }()
	var last uint64
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if r := must(b.Model.One(t.Context(), "r", "a"))(t); r != nil {
			if r.Position < last {
				t.Fatalf("went back from %d to %d", last, r.Position)
			}
			last = r.Position
		}
	}
	equal(t, "last", last, uint64(writers*writes))
}

func recordsReset(t *testing.T, b Backend[reservations.ReadModel]) {
	writeRecords(t, b.Model, held("r", "a", 5, 1), over(held("s", "a", 6, 1), 7, 8))
	ok(t, b.Model.Reset(t.Context()))
	recordsBeginEmpty(t, b)
	writeRecords(t, b.Model, held("r", "a", 2, 1))
	wantRecord(t, b.Model, "r", "a", held("r", "a", 2, 1))
}

func recordsReopen(t *testing.T, b Backend[reservations.ReadModel]) {
	if b.Reopen == nil {
		t.Skip("this back end is not reopened")
	}
	writeRecords(t, b.Model, held("r", "a", 5, 1), over(held("s", "a", 6, 1), 7, 8))
	b.Model = b.Reopen()
	wantRecord(t, b.Model, "r", "a", held("r", "a", 5, 1))
	equal(t, "list", ids(must(b.Model.List(t.Context(), "a", false, 0, 10))(t)), []string{"r", "s"})
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(7))
}

func recordsCanceled(t *testing.T, b Backend[reservations.ReadModel]) {
	if err := b.Model.Write(ended(t), []reservations.Change{{After: held("r", "a", 5, 1)}}, progressAt(1)); err == nil {
		t.Fatal("wrote after the context's end")
	}
	recordsBeginEmpty(t, b)
}
