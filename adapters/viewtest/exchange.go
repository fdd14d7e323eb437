package viewtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/projections/availability"
)

// Built is a read model that is built beside another one. Exchange puts it in that one's place, Close throws away what is not used.
type Built interface {
	Exchange(ctx context.Context) error
	Close() error
}

// Exchanging is an empty back end of availability, and how another read model is built beside it.
type Exchanging struct {
	Backend[availability.ReadModel]
	Beside func() (availability.ReadModel, Built)
}

// AvailabilityExchange runs the contract of read models of availability that can be exchanged. After an exchange the progress is loaded, as after every subscription.
func AvailabilityExchange(t *testing.T, start func(t *testing.T) Exchanging) {
	for name, test := range map[string]func(*testing.T, Exchanging){
		"leaves nothing of what was there":      exchangeLeavesNothing,
		"leaves what was there when it is not":  exchangeThatIsNot,
		"is done again and again":               exchangeAgain,
		"takes the place of nothing":            exchangeOfNothing,
		"keeps any bytes in a SKU, in order":    exchangeAnyBytes,
		"never replaces a newer document after": exchangeGuards,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// documentsOf makes a document of a version for each SKU from one number up to another.
func documentsOf(from, to int, position uint64) (list []*availability.Document) {
	for i := from; i < to; i++ {
		list = append(list, document(fmt.Sprintf("%04d", i), position, 1))
	}
	return list
}

// wantAll wants exactly some documents, in order of SKU, and a progress.
func wantAll(t *testing.T, m availability.ReadModel, want []*availability.Document, position uint64) {
	t.Helper()
	equal(t, "progress", must(m.Progress(t.Context()))(t), progressAt(position))
	var got []*availability.Document
	for after := ""; ; {
		page := must(m.Scan(t.Context(), after, 100))(t)
		if len(page) == 0 {
			break
		}
		got, after = append(got, page...), page[len(page)-1].SKU
	}
	equal(t, "documents", len(got), len(want))
	for i, d := range want {
		equal(t, "document", bytesOf(t, got[i]), bytesOf(t, d))
		wantDocument(t, m, d.SKU, d)
	}
}

// built builds documents beside.
func (x Exchanging) built(t *testing.T, documents []*availability.Document, position uint64) Built {
	t.Helper()
	m, b := x.Beside()
	must(m.Progress(t.Context()))(t)
	ok(t, m.Write(t.Context(), documents, progressAt(position)))
	return b
}

func exchangeLeavesNothing(t *testing.T, x Exchanging) {
	ok(t, x.Model.Write(t.Context(), documentsOf(0, 300, 9000), progressAt(9000)))
	now := documentsOf(150, 450, 700) // older, and of other SKUs
	b := x.built(t, now, 700)
	wantAll(t, x.Model, documentsOf(0, 300, 9000), 9000)
	ok(t, b.Exchange(t.Context()))
	wantAll(t, x.Model, now, 700)
	wantDocument(t, x.Model, "0000", nil)
	ok(t, b.Close())
	wantAll(t, x.Model, now, 700)
	now[7] = document(now[7].SKU, 701, 1)
	ok(t, x.Model.Write(t.Context(), now[7:8], progressAt(701)))
	x.Model = x.Reopen()
	wantAll(t, x.Model, now, 701)
}

func exchangeThatIsNot(t *testing.T, x Exchanging) {
	was := documentsOf(0, 50, 10)
	ok(t, x.Model.Write(t.Context(), was, progressAt(10)))
	b := x.built(t, documentsOf(20, 80, 11), 11)
	ok(t, b.Close())
	wantAll(t, x.Model, was, 10)
	if b.Exchange(t.Context()) == nil {
		t.Error("what was thrown away took the place")
	}
	wantAll(t, x.Model, was, 10)
	x.Model = x.Reopen()
	wantAll(t, x.Model, was, 10)
}

func exchangeAgain(t *testing.T, x Exchanging) {
	ok(t, x.Model.Write(t.Context(), documentsOf(0, 10, 5), progressAt(5)))
	for i := range 4 {
		position := uint64(10 - i)
		now := documentsOf(i, 20-i, position)
		b := x.built(t, now, position)
		ok(t, b.Exchange(t.Context()))
		ok(t, b.Close())
		wantAll(t, x.Model, now, position)
	}
	ok(t, x.Model.Reset(t.Context()))
	documentsBeginEmpty(t, x.Backend)
	ok(t, x.Model.Write(t.Context(), documentsOf(0, 3, 2), progressAt(2)))
	wantAll(t, x.Model, documentsOf(0, 3, 2), 2)
}

func exchangeOfNothing(t *testing.T, x Exchanging) {
	b := x.built(t, documentsOf(0, 3, 4), 4)
	ok(t, b.Exchange(t.Context()))
	wantAll(t, x.Model, documentsOf(0, 3, 4), 4)
}

func exchangeAnyBytes(t *testing.T, x Exchanging) {
	var was, now []*availability.Document
	for _, sku := range sortedNames() {
		was, now = append(was, document(sku, 90, 3)), append(now, document(sku, 30, 3))
	}
	ok(t, x.Model.Write(t.Context(), was, progressAt(90)))
	b := x.built(t, now, 30)
	ok(t, b.Exchange(t.Context()))
	wantAll(t, x.Model, now, 30)
	ok(t, b.Close())
	wantAll(t, x.Model, now, 30)
}

func exchangeGuards(t *testing.T, x Exchanging) {
	ok(t, x.Model.Write(t.Context(), documentsOf(0, 2, 100), progressAt(100)))
	b := x.built(t, []*availability.Document{document("a", 10, 5), document("b", 9, 0)}, 10)
	ok(t, b.Exchange(t.Context()))
	equal(t, "progress", must(x.Model.Progress(t.Context()))(t), progressAt(10))
	documentsGuard(t, x.Backend)
	wrong, right := document("c", 50, 5), document("c", 50, 5)
	wrong.Balances.At("berlin").Reserved = 1
	ok(t, x.Model.Write(t.Context(), []*availability.Document{wrong}, progressAt(50)))
	wantDocument(t, x.Model, "c", wrong)
	ok(t, x.Model.Write(t.Context(), []*availability.Document{right.Mending()}, progressAt(50)))
	wantDocument(t, x.Model, "c", right)
}
