package viewtest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Availability runs the contract of availability.ReadModel.
func Availability(t *testing.T, start func(t *testing.T) Backend[availability.ReadModel]) {
	for name, test := range map[string]func(*testing.T, Backend[availability.ReadModel]){
		"begins empty":                        documentsBeginEmpty,
		"gives back what was written":         documentsAreGivenBack,
		"keeps any bytes in a SKU, in order":  documentsAnyBytes,
		"scans in pages":                      documentsScan,
		"never replaces a newer document":     documentsGuard,
		"mends a document of one version":     documentsMended,
		"keeps the newest of one call":        documentsNewestOfOneCall,
		"never takes progress back":           documentsProgressGuard,
		"writes all or nothing":               documentsAtomic,
		"never goes back for a reader":        documentsConcurrent,
		"forgets everything on reset":         documentsReset,
		"survives reopening":                  documentsReopen,
		"says so when the context has ended":  documentsCanceled,
		"keeps documents of many parts whole": documentsLarge,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// document makes a document of a version, with contents that differ with it.
func document(sku string, position, policies uint64) *availability.Document {
	m := inventoryv1.AvailabilityDocument{
		Sku: sku, Position: position, RecordedAt: int64(1000 * position), Policies: policies,
		Item: &inventoryv1.ItemDocument{Name: "name of " + sku, Unit: "kg", Decimals: 3, Category: "c"},
		Balances: []*inventoryv1.BalanceDocument{
			{Location: "berlin", OnHand: []int64{int64(position), -1, 2, 3}, Reserved: 7, SafetyStock: 2, InTransit: -5,
				HoldUntil: []int64{1000, 2000}, HoldQuantity: []int64{3, 4},
				IncomingDue: []int64{500, 900}, IncomingQuantity: []int64{30, int64(position)},
				Promises: []*inventoryv1.DatedDocument{{At: 900, Quantity: 2, HoldUntil: []int64{1500}, HoldQuantity: []int64{1}}},
				Uses:     []*inventoryv1.UseDocument{{Channel: "web", Backordered: true, Reserved: 3, HoldUntil: []int64{2000}, HoldQuantity: []int64{3}}}},
			{Location: "\xff/", OnHand: []int64{1 << 60, 0, 0, 0}},
		},
		Values: []*inventoryv1.ChannelValueDocument{
			{Channel: "store", Ats: int64(position), Policy: policies, PolicyRecordedAt: 5},
			{Channel: "web", Ats: int64(policies), Policy: policies / 2, PolicyRecordedAt: 6},
		},
	}
	return decode(&m)
}

func decode(m *inventoryv1.AvailabilityDocument) *availability.Document {
	b, err := m.MarshalVT()
	if err != nil {
		panic(err)
	}
	d, err := availability.Decode(b)
	if err != nil {
		panic(err)
	}
	return d
}

// bytesOf is the stored form of a document: equal documents have equal bytes.
func bytesOf(t testing.TB, d *availability.Document) string {
	t.Helper()
	if d == nil {
		return "none"
	}
	var e availability.Encoder
	return string(must(e.Append(nil, d))(t))
}

func wantDocument(t testing.TB, m availability.ReadModel, sku string, want *availability.Document) {
	t.Helper()
	got := must(m.Read(t.Context(), sku))(t)
	if bytesOf(t, got) != bytesOf(t, want) {
		t.Fatalf("document of %q: got %+v, want %+v", sku, got, want)
	}
}

func documentsBeginEmpty(t *testing.T, b Backend[availability.ReadModel]) {
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), projections.Progress{})
	wantDocument(t, b.Model, "a", nil)
	equal(t, "scan", len(must(b.Model.Scan(t.Context(), "", 10))(t)), 0)
}

func documentsAreGivenBack(t *testing.T, b Backend[availability.ReadModel]) {
	d := document("a", 7, 3)
	ok(t, b.Model.Write(t.Context(), []*availability.Document{d}, progressAt(9)))
	wantDocument(t, b.Model, "a", d)
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(9))
	again := must(b.Model.Read(t.Context(), "a"))(t)
	equal(t, "channels", again.Channels(), d.Channels())
	equal(t, "balances", again.Balances, d.Balances)
	equal(t, "version", [2]uint64{again.Position, again.Policies()}, [2]uint64{7, 3})
}

func documentsAnyBytes(t *testing.T, b Backend[availability.ReadModel]) {
	var all []*availability.Document
	for i, sku := range names {
		all = append(all, document(sku, uint64(i+1), 0))
	}
	ok(t, b.Model.Write(t.Context(), all, progressAt(100)))
	for _, d := range all {
		wantDocument(t, b.Model, d.SKU, d)
	}
	var got []string
	for _, d := range must(b.Model.Scan(t.Context(), "", 1000))(t) {
		got = append(got, d.SKU)
	}
	equal(t, "order", got, sortedNames())
}

func documentsScan(t *testing.T, b Backend[availability.ReadModel]) {
	var all []*availability.Document
	for i := range 100 {
		all = append(all, document(fmt.Sprintf("%03d", i), uint64(i+1), 0))
	}
	ok(t, b.Model.Write(t.Context(), all, progressAt(100)))
	var got []*availability.Document
	for after := ""; ; {
		page := must(b.Model.Scan(t.Context(), after, 7))(t)
		if len(page) > 7 {
			t.Fatalf("a page of %d", len(page))
		}
		if len(page) == 0 {
			break
		}
		got, after = append(got, page...), page[len(page)-1].SKU
	}
	equal(t, "documents", len(got), len(all))
	for i := range all {
		equal(t, "document", bytesOf(t, got[i]), bytesOf(t, all[i]))
	}
	page := must(b.Model.Scan(t.Context(), "0505", 1))(t) // not a SKU itself
	equal(t, "after a gap", page[0].SKU, "051")
}

func documentsGuard(t *testing.T, b Backend[availability.ReadModel]) {
	now := document("a", 10, 5)
	ok(t, b.Model.Write(t.Context(), []*availability.Document{now}, progressAt(10)))
	for i, older := range []*availability.Document{document("a", 9, 5), document("a", 9, 100), document("a", 10, 4)} {
		ok(t, b.Model.Write(t.Context(), []*availability.Document{older, document("b", 20, 0)}, progressAt(uint64(11+i))))
		wantDocument(t, b.Model, "a", now)
		wantDocument(t, b.Model, "b", document("b", 20, 0))
	}
	for i, newer := range []*availability.Document{document("a", 10, 6), document("a", 11, 0), document("a", 12, 6)} {
		ok(t, b.Model.Write(t.Context(), []*availability.Document{newer}, progressAt(uint64(20+i))))
		wantDocument(t, b.Model, "a", newer)
	}
}

// Other contents of the same version take the place of what is stored, there as well where a document is read by its parts.
func documentsMended(t *testing.T, b Backend[availability.ReadModel]) {
	wrong, right := document("a", 10, 5), document("a", 10, 5)
	wrong.Balances.At("berlin").Reserved = 1
	ok(t, b.Model.Write(t.Context(), []*availability.Document{wrong}, progressAt(10)))
	wantDocument(t, b.Model, "a", wrong)
	ok(t, b.Model.Write(t.Context(), []*availability.Document{right.Mending()}, progressAt(10)))
	wantDocument(t, b.Model, "a", right)
	b.Model = b.Reopen()
	wantDocument(t, b.Model, "a", right)
}

func documentsNewestOfOneCall(t *testing.T, b Backend[availability.ReadModel]) {
	list := []*availability.Document{document("a", 3, 1), document("a", 5, 1), document("a", 4, 9)}
	ok(t, b.Model.Write(t.Context(), list, progressAt(5)))
	wantDocument(t, b.Model, "a", list[1])
}

func documentsProgressGuard(t *testing.T, b Backend[availability.ReadModel]) {
	high := progressAt(10)
	ok(t, b.Model.Write(t.Context(), nil, high))
	lower := high
	lower.Own--
	for _, p := range []projections.Progress{progressAt(9), lower} {
		ok(t, b.Model.Write(t.Context(), nil, p))
		equal(t, "progress", must(b.Model.Progress(t.Context()))(t), high)
	}
	higher := high
	higher.Own++
	ok(t, b.Model.Write(t.Context(), nil, higher))
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), higher)
}

// A reader who sees the progress of a write sees its documents.
func documentsAtomic(t *testing.T, b Backend[availability.ReadModel]) {
	const writes = 200
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := uint64(1); i <= writes; i++ {
			both := []*availability.Document{document("a", i, 0), document("z", i, 0)}
			if err := b.Model.Write(t.Context(), both, projections.Progress{Position: i}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writer.Wait()
	for seen := uint64(0); seen < writes && !t.Failed(); {
		p := must(b.Model.Progress(t.Context()))(t)
		if p.Position < seen {
			t.Fatalf("progress went back from %d to %d", seen, p.Position)
		}
		if seen = p.Position; seen == 0 {
			continue
		}
		for _, sku := range []string{"a", "z"} {
			if d := must(b.Model.Read(t.Context(), sku))(t); d == nil || d.Position < seen {
				t.Fatalf("progress %d without its document of %q: %+v", seen, sku, d)
			}
		}
	}
}

func documentsConcurrent(t *testing.T, b Backend[availability.ReadModel]) {
	const writers, writes = 4, 300
	var clock atomic.Uint64
	var busy sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		busy.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range writes {
				v := clock.Add(1)
				d := document(names[random.IntN(3)], v-min(v-1, random.Uint64N(5)), random.Uint64N(3))
				if err := b.Model.Write(t.Context(), []*availability.Document{d}, projections.Progress{Position: d.Position}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { busy.Wait(); close(done) }()
	last := map[string][2]uint64{}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, sku := range names[:3] {
			d := must(b.Model.Read(t.Context(), sku))(t)
			if d == nil {
				continue
			}
			v, was := [2]uint64{d.Position, d.Policies()}, last[sku]
			if v[0] < was[0] || v[0] == was[0] && v[1] < was[1] {
				t.Fatalf("%q went back from %v to %v", sku, was, v)
			}
			last[sku] = v
		}
	}
}

func documentsReset(t *testing.T, b Backend[availability.ReadModel]) {
	ok(t, b.Model.Write(t.Context(), []*availability.Document{document("a", 7, 3)}, progressAt(9)))
	ok(t, b.Model.Reset(t.Context()))
	documentsBeginEmpty(t, b)
	older := document("a", 2, 1)
	ok(t, b.Model.Write(t.Context(), []*availability.Document{older}, progressAt(2)))
	wantDocument(t, b.Model, "a", older)
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(2))
}

func documentsReopen(t *testing.T, b Backend[availability.ReadModel]) {
	if b.Reopen == nil {
		t.Skip("this back end is not reopened")
	}
	ok(t, b.Model.Write(t.Context(), []*availability.Document{document("a", 7, 3), document("b", 2, 1)}, progressAt(9)))
	ok(t, b.Model.Write(t.Context(), []*availability.Document{document("a", 8, 3)}, progressAt(10)))
	b.Model = b.Reopen()
	wantDocument(t, b.Model, "a", document("a", 8, 3))
	wantDocument(t, b.Model, "b", document("b", 2, 1))
	ok(t, b.Model.Write(t.Context(), []*availability.Document{document("a", 7, 9)}, progressAt(9)))
	wantDocument(t, b.Model, "a", document("a", 8, 3))
	equal(t, "progress", must(b.Model.Progress(t.Context()))(t), progressAt(10))
}

func documentsCanceled(t *testing.T, b Backend[availability.ReadModel]) {
	ctx := ended(t)
	if err := b.Model.Write(ctx, []*availability.Document{document("a", 1, 1)}, progressAt(1)); err == nil {
		t.Fatal("wrote after the context's end")
	}
	if _, err := b.Model.Read(ctx, "a"); err == nil {
		t.Fatal("read after the context's end")
	}
	wantDocument(t, b.Model, "a", nil)
}

func documentsLarge(t *testing.T, b Backend[availability.ReadModel]) {
	m := inventoryv1.AvailabilityDocument{Sku: "large", Position: 1}
	for i := range 2000 {
		x := &inventoryv1.BalanceDocument{Location: fmt.Sprintf("store-%05d", i), OnHand: []int64{int64(i), 0, 0, 0}}
		for h := range i % 50 {
			x.HoldUntil, x.HoldQuantity = append(x.HoldUntil, int64(h)), append(x.HoldQuantity, 1)
		}
		m.Balances = append(m.Balances, x)
	}
	d := decode(&m)
	ok(t, b.Model.Write(t.Context(), []*availability.Document{d}, progressAt(1)))
	wantDocument(t, b.Model, "large", d)
}
