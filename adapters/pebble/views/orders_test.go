package views_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/orders"
)

func orderRecord(id, channel string, status order.Status, placed, position uint64) *orders.Record {
	return &orders.Record{ID: id, Channel: channel, Status: status, Sold: true, Sent: true, ExpiresAt: 7, Version: 3, Asked: 2, Settled: 2,
		RecordedAt: 9, Placed: placed, Position: position}
}

func TestOrdersAreKeptListedAndFoundToWorkOn(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, views.Options{})
	m, ctx := db.Orders(), t.Context()
	pending := orderRecord("p", "web", order.StatusConfirmed, 4, 4)
	pending.Asked = 3
	records := []*orders.Record{orderRecord("c", "web", order.StatusConfirmed, 1, 1), orderRecord("b", "market", order.StatusReserved, 2, 2),
		orderRecord("a", "web", order.StatusClosed, 3, 3), pending}
	if err := m.Write(ctx, records, projections.Progress{Position: 4}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, fs, views.Options{})
	m = db.Orders()
	ids := func(list []*orders.Record, err error) (text string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			text += r.ID
		}
		return text
	}
	for what, x := range map[string][2]string{
		"all":             {ids(m.List(ctx, orders.Query{Limit: 9})), "cbap"},
		"a page":          {ids(m.List(ctx, orders.Query{Limit: 2, After: 1})), "ba"},
		"of a channel":    {ids(m.List(ctx, orders.Query{Limit: 9, Channel: "web"})), "cap"},
		"open ones":       {ids(m.List(ctx, orders.Query{Limit: 9, OpenOnly: true})), "cbp"},
		"to work on":      {ids(m.Work(ctx, "", 9)), "bp"},
		"after the first": {ids(m.Work(ctx, "b", 9)), "p"},
	} {
		if x[0] != x[1] {
			t.Errorf("%s: %q, expected %q", what, x[0], x[1])
		}
	}
	one, err := m.One(ctx, "p")
	if err != nil || fmt.Sprint(*one) != fmt.Sprint(*pending) {
		t.Errorf("%+v, %v", one, err)
	}
	settled := orderRecord("p", "web", order.StatusConfirmed, 4, 5)
	if err := m.Write(ctx, []*orders.Record{settled}, projections.Progress{Position: 5}); err != nil {
		t.Fatal(err)
	}
	if got := ids(m.Work(ctx, "", 9)); got != "b" {
		t.Errorf("to work on: %q", got)
	}
	if p, err := m.Progress(ctx); err != nil || p.Position != 5 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := m.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ids(m.List(ctx, orders.Query{Limit: 9})) + ids(m.Work(ctx, "", 9)); got != "" {
		t.Errorf("after a reset: %q", got)
	}
	if p, err := m.Progress(ctx); err != nil || p.Position != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}
