package viewtest

import (
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/orders"
)

// Orders runs the contract of orders.ReadModel.
func Orders(t *testing.T, start func(t *testing.T) Backend[orders.ReadModel]) {
	for name, test := range map[string]func(*testing.T, Backend[orders.ReadModel]){
		"begins empty":                        ordersBeginEmpty,
		"gives back what was written":         ordersAreGivenBack,
		"keeps any bytes in ids":              ordersAnyBytes,
		"lists the oldest first, in pages":    ordersList,
		"lists those of a channel, open ones": ordersSelect,
		"lists what is to be worked on":       ordersWork,
		"never replaces a newer record":       ordersGuard,
		"never takes progress back":           ordersProgressGuard,
		"forgets everything on reset":         ordersReset,
		"survives reopening":                  ordersReopen,
		"writes nothing when it is over":      ordersCanceled,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// confirmedOrder makes an order of which everything was asked and told, and something is to be sent.
func confirmedOrder(id string, placed uint64) *orders.Record {
	return &orders.Record{ID: id, Channel: "web", Status: order.StatusConfirmed, Sold: true, Sent: true, Version: 3, Asked: 2, Settled: 2,
		RecordedAt: 9, Placed: placed, Position: placed}
}

// at makes what an order becomes at a position.
func at(r *orders.Record, position uint64, change func(*orders.Record)) *orders.Record {
	x := *r
	x.Position, x.Version = position, x.Version+1
	change(&x)
	return &x
}

func writeOrders(t testing.TB, m orders.ReadModel, records ...*orders.Record) {
	t.Helper()
	var last uint64
	for _, r := range records {
		last = max(last, r.Position)
	}
	ok(t, m.Write(t.Context(), records, progressAt(last)))
}

func orderIDs(t testing.TB, list []*orders.Record, err error) []string {
	t.Helper()
	names := []string{}
	for _, r := range must(list, err)(t) {
		names = append(names, r.ID)
	}
	return names
}

func listed(t testing.TB, m orders.ReadModel, q orders.Query) []string {
	t.Helper()
	list, err := m.List(t.Context(), q)
	return orderIDs(t, list, err)
}

func worked(t testing.TB, m orders.ReadModel, after string, limit int) []string {
	t.Helper()
	list, err := m.Work(t.Context(), after, limit)
	return orderIDs(t, list, err)
}

func ordersBeginEmpty(t *testing.T, b Backend[orders.ReadModel]) {
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), projections.Progress{})
	equal(t, "record", must(b.Model.One(t.Context(), "a"))(t), noOrder)
	equal(t, "list", listed(t, b.Model, orders.Query{Limit: 10}), []string{})
	equal(t, "work", worked(t, b.Model, "", 10), []string{})
}

// noOrder is no record.
var noOrder *orders.Record

func ordersAreGivenBack(t *testing.T, b Backend[orders.ReadModel]) {
	held := at(confirmedOrder("held", 4), 5, func(r *orders.Record) { r.Status, r.ExpiresAt, r.Sold = order.StatusReserved, 1<<50, false })
	writeOrders(t, b.Model, confirmedOrder("a", 3), held)
	equal(t, "record", must(b.Model.One(t.Context(), "a"))(t), confirmedOrder("a", 3))
	equal(t, "record", must(b.Model.One(t.Context(), "held"))(t), held)
	equal(t, "record", must(b.Model.One(t.Context(), "b"))(t), noOrder)
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(5))
}

func ordersAnyBytes(t *testing.T, b Backend[orders.ReadModel]) {
	var all []*orders.Record
	var placed []string
	for i, id := range names {
		all = append(all, at(confirmedOrder(id, uint64(i+1)), uint64(i+1), func(r *orders.Record) { r.Asked = r.Version }))
		placed = append(placed, id)
	}
	writeOrders(t, b.Model, all...)
	for _, r := range all {
		equal(t, fmt.Sprintf("record %q", r.ID), must(b.Model.One(t.Context(), r.ID))(t), r)
	}
	equal(t, "list", listed(t, b.Model, orders.Query{Limit: 1000}), placed)
	equal(t, "work", worked(t, b.Model, "", 1000), sortedNames())
}

func ordersList(t *testing.T, b Backend[orders.ReadModel]) {
	var want []string
	for i := range uint64(20) {
		r := confirmedOrder(fmt.Sprintf("%02d", (7*i)%20), 300+i) // ids in another order than placed
		writeOrders(t, b.Model, r)
		want = append(want, r.ID)
	}
	got := []string{}
	for after := uint64(0); ; {
		page := must(b.Model.List(t.Context(), orders.Query{After: after, Limit: 3}))(t)
		if len(page) > 3 {
			t.Fatalf("a page of %d", len(page))
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			got, after = append(got, r.ID), r.Placed
		}
	}
	equal(t, "ids", got, want)
}

func ordersSelect(t *testing.T, b Backend[orders.ReadModel]) {
	market := confirmedOrder("market", 2)
	market.Channel = "market"
	closed := at(confirmedOrder("closed", 3), 5, func(r *orders.Record) { r.Status = order.StatusClosed })
	unsettled := at(closed, 6, func(r *orders.Record) { r.ID, r.Placed, r.Asked = "unsettled", 6, r.Version })
	writeOrders(t, b.Model, confirmedOrder("web", 1), market, closed, unsettled)
	equal(t, "of a channel", listed(t, b.Model, orders.Query{Channel: "web", Limit: 10}), []string{"web", "closed", "unsettled"})
	equal(t, "open", listed(t, b.Model, orders.Query{OpenOnly: true, Limit: 10}), []string{"web", "market", "unsettled"})
	equal(t, "both", listed(t, b.Model, orders.Query{Channel: "web", OpenOnly: true, After: 1, Limit: 1}), []string{"unsettled"})
}

func ordersWork(t *testing.T, b Backend[orders.ReadModel]) {
	pending := at(confirmedOrder("b", 1), 1, func(r *orders.Record) { r.Asked = r.Version })
	held := at(confirmedOrder("a", 2), 2, func(r *orders.Record) { r.Status = order.StatusReserved })
	received := at(confirmedOrder("d", 3), 3, func(r *orders.Record) { r.Status = order.StatusReceived })
	writeOrders(t, b.Model, pending, held, received, confirmedOrder("c", 4))
	equal(t, "work", worked(t, b.Model, "", 10), []string{"a", "b", "d"})
	equal(t, "after one", worked(t, b.Model, "a", 10), []string{"b", "d"})
	equal(t, "after none", worked(t, b.Model, "aa", 1), []string{"b"})
	writeOrders(t, b.Model, at(pending, 5, func(r *orders.Record) { r.Settled = r.Asked }),
		at(confirmedOrder("c", 4), 6, func(r *orders.Record) { r.Asked = r.Version }))
	equal(t, "later", worked(t, b.Model, "", 10), []string{"a", "c", "d"})
}

func ordersGuard(t *testing.T, b Backend[orders.ReadModel]) {
	now := at(confirmedOrder("a", 1), 10, func(r *orders.Record) { r.Asked = r.Version })
	writeOrders(t, b.Model, now)
	ok(t, b.Model.Write(t.Context(), []*orders.Record{confirmedOrder("a", 1), confirmedOrder("b", 11)}, progressAt(11)))
	equal(t, "record", must(b.Model.One(t.Context(), "a"))(t), now)
	equal(t, "list", listed(t, b.Model, orders.Query{Limit: 10}), []string{"a", "b"})
	equal(t, "work, whatever an older record says", worked(t, b.Model, "", 10), []string{"a"})
	newer := at(now, 12, func(r *orders.Record) { r.Settled = r.Asked })
	writeOrders(t, b.Model, newer)
	equal(t, "record", must(b.Model.One(t.Context(), "a"))(t), newer)
	equal(t, "work", worked(t, b.Model, "", 10), []string{})
}

func ordersProgressGuard(t *testing.T, b Backend[orders.ReadModel]) {
	high := progressAt(10)
	ok(t, b.Model.Write(t.Context(), nil, high))
	ok(t, b.Model.Write(t.Context(), []*orders.Record{confirmedOrder("a", 3)}, progressAt(9)))
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), high)
	equal(t, "record", must(b.Model.One(t.Context(), "a"))(t), confirmedOrder("a", 3))
}

func ordersReset(t *testing.T, b Backend[orders.ReadModel]) {
	writeOrders(t, b.Model, at(confirmedOrder("a", 7), 7, func(r *orders.Record) { r.Asked = r.Version }))
	ok(t, b.Model.Reset(t.Context()))
	ordersBeginEmpty(t, b)
	writeOrders(t, b.Model, confirmedOrder("a", 2))
	equal(t, "record", must(b.Model.One(t.Context(), "a"))(t), confirmedOrder("a", 2))
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(2))
}

func ordersReopen(t *testing.T, b Backend[orders.ReadModel]) {
	if b.Reopen == nil {
		t.Skip("this back end is not reopened")
	}
	pending := at(confirmedOrder("b", 2), 4, func(r *orders.Record) { r.Asked = r.Version })
	writeOrders(t, b.Model, confirmedOrder("a", 1), confirmedOrder("b", 2))
	writeOrders(t, b.Model, pending)
	b.Model = b.Reopen()
	equal(t, "record", must(b.Model.One(t.Context(), "b"))(t), pending)
	equal(t, "list", listed(t, b.Model, orders.Query{Limit: 10}), []string{"a", "b"})
	equal(t, "work", worked(t, b.Model, "", 10), []string{"b"})
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(4))
}

func ordersCanceled(t *testing.T, b Backend[orders.ReadModel]) {
	ctx := ended(t)
	if err := b.Model.Write(ctx, []*orders.Record{confirmedOrder("a", 1)}, progressAt(1)); err == nil {
		t.Fatal("wrote after the context's end")
	}
	if _, err := b.Model.One(ctx, "a"); err == nil {
		t.Fatal("read after the context's end")
	}
	ordersBeginEmpty(t, b)
}
