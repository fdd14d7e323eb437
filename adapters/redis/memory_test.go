package redis_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/reservations"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// size is what a document of a SKU is made of.
type size struct{ sku, locations, holds, channels, channel int }

func (s size) document(t *testing.T, number int) (*availability.Document, []byte) {
	name := func(kind string, n, length int) string {
		return (kind + strconv.Itoa(n) + strings.Repeat("x", 100))[:length]
	}
	m := inventoryv1.AvailabilityDocument{Sku: name("sku", 1_000_000+number, s.sku), Position: 1 << 40, RecordedAt: 1 << 50, Policies: 1 << 40}
	for i := range s.locations {
		b := &inventoryv1.BalanceDocument{Location: name("place", 10_000+i, 12), OnHand: []int64{1 << 20, 1, 1, 1}, Reserved: 1 << 10}
		for h := range s.holds {
			b.HoldUntil, b.HoldQuantity = append(b.HoldUntil, 1<<31+int64(h)), append(b.HoldQuantity, 1)
		}
		m.Balances = append(m.Balances, b)
	}
	for i := range s.channels {
		m.Values = append(m.Values, &inventoryv1.ChannelValueDocument{Channel: name("", 10_000+i, s.channel), Ats: 1 << 50, Policy: 1 << 40, PolicyRecordedAt: 1 << 50})
	}
	stored, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	d, err := availability.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	return d, stored
}

// What the page says of a document's parts.
func TestADocumentIsAsLargeAsThePageSays(t *testing.T) {
	const many = 100
	length := func(b *inventoryv1.BalanceDocument) int { return b.SizeVT() }
	empty := length(&inventoryv1.BalanceDocument{Location: "place-12", OnHand: []int64{1 << 20, 1 << 10, 1, 1}, Reserved: 1 << 10, SafetyStock: 20})
	if empty > 40 {
		t.Errorf("a location takes %d", empty)
	}
	holds, incoming, dates, uses := &inventoryv1.BalanceDocument{}, &inventoryv1.BalanceDocument{}, &inventoryv1.BalanceDocument{}, &inventoryv1.BalanceDocument{}
	for i := range int64(many) {
		at, quantity := 1<<31+i*3600, int64(100_000)
		holds.HoldUntil, holds.HoldQuantity = append(holds.HoldUntil, at), append(holds.HoldQuantity, quantity)
		incoming.IncomingDue, incoming.IncomingQuantity = append(incoming.IncomingDue, at), append(incoming.IncomingQuantity, quantity)
		dates.Promises = append(dates.Promises, &inventoryv1.DatedDocument{At: at, Quantity: quantity})
		uses.Uses = append(uses.Uses, &inventoryv1.UseDocument{Channel: "web-1234", Backordered: true, Reserved: quantity})
	}
	for what, x := range map[string]struct {
		document *inventoryv1.BalanceDocument
		most     int
	}{"the end of holds": {holds, 12}, "the date of supply": {incoming, 12}, "a promised date": {dates, 16}, "a channel's use": {uses, 16 + 8}} {
		if each := length(x.document) / many; each > x.most || each < x.most/2 {
			t.Errorf("%s takes %d, the page says %d", what, each, x.most)
		}
	}
}

// What a SKU takes is within what is stated, and not far below it; after an exchange as well.
func TestMemoryOfASKU(t *testing.T) {
	server := redistest.Start(t)
	db := open(t, "redis://"+server.Addr())
	memoryOfASKU(t, server, db.Availability(), "", 0)
	b, err := db.Beside(t.Context())
	if err == nil {
		_, err = b.Availability().Progress(t.Context())
	}
	if err := errors.Join(err, b.Exchange(t.Context())); err != nil {
		t.Fatal(err)
	}
	memoryOfASKU(t, server, db.Availability(), "1:", redis.GenerationBytes)
}

func memoryOfASKU(t *testing.T, server *redistest.Server, model *redis.Availability, generation string, more int) {
	t.Helper()
	for n, s := range []size{
		{8, 1, 0, 1, 5}, {8, 1, 0, 5, 5}, {13, 10, 0, 5, 8}, {13, 10, 20, 20, 8}, {40, 300, 0, 3, 20}, {20, 1, 0, 120, 12}, {13, 10, 0, 5, 60},
		{100, 3, 3, 10, 100}, {13, 1, 0, 130, 8}, {13, 1, 0, 510, 8},
	} {
		d, stored := s.document(t, n)
		if _, err := model.Progress(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := model.Write(t.Context(), []*availability.Document{d}, at(uint64(n+1))); err != nil {
			t.Fatal(err)
		}
		tag := "{" + d.SKU + "}"
		used := usage(t, server, "stockfold:sku:"+tag) + usage(t, server, "stockfold:document:"+generation+tag) + 128 + len(d.SKU) // its place in the index
		bound := more + redis.SKUBytes + redis.SKUIDTimes*len(d.SKU) + int(redis.DocumentTimes*float64(len(stored))) + s.channels*(redis.ChannelBytes+s.channel)
		if s.channels > 500 || s.channel > 60 {
			bound += s.channels * redis.LooseBytes
		}
		t.Logf("%+v: %d bytes, of at most %d; the document has %d", s, used, bound, len(stored))
		if used > bound {
			t.Errorf("%+v: %d bytes, more than %d", s, used, bound)
		}
		if used < bound/3 {
			t.Errorf("%+v: %d bytes, the bound of %d says little", s, used, bound)
		}
		perChannel := 32 + s.channel // of a document
		if _, without := (size{s.sku, s.locations, s.holds, 0, 0}).document(t, n); (len(stored)-len(without))/s.channels > perChannel {
			t.Errorf("%+v: a channel adds %d to the document", s, (len(stored)-len(without))/s.channels)
		}
	}
}

// A million SKUs in ten locations on five channels, by a sample of them, the indexes included.
func TestMemoryOfManySKUs(t *testing.T) {
	server := redistest.Start(t)
	model := open(t, "redis://"+server.Addr()).Availability()
	before := memory(t, server)
	const skus = 5000
	var documents []*availability.Document
	for n := range skus {
		d, _ := size{13, 10, 0, 5, 8}.document(t, n)
		documents = append(documents, d)
	}
	if err := model.Write(t.Context(), documents, at(1)); err != nil {
		t.Fatal(err)
	}
	each := (memory(t, server) - before) / skus
	t.Logf("%d bytes each", each)
	if each > 1200 || each < 600 {
		t.Errorf("%d bytes each: deploy/redis.md says that a million take 1.2 GB", each)
	}
}

func TestMemoryOfAReservation(t *testing.T) {
	server := redistest.Start(t)
	model := open(t, "redis://"+server.Addr()).Reservations()
	before := memory(t, server)
	const count = 2000
	var changes []reservations.Change
	for n := range count {
		r := &reservations.Record{SKU: fmt.Sprintf("sku %09d", n), Placed: 1<<40 + uint64(n), Position: 1<<40 + uint64(n)}
		r.ID, r.Channel, r.Status, r.Quantity, r.Remaining = fmt.Sprintf("cart %08d", n), "webshop", stock.StatusHeld, 5, 5
		r.ExpiresAt, r.PlacedAt, r.Splits = 1<<50, 1<<50, []stock.Split{{Location: "berlin", Quantity: 5}}
		changes = append(changes, reservations.Change{After: r})
	}
	if err := model.Write(t.Context(), changes, at(1)); err != nil {
		t.Fatal(err)
	}
	each, bound := (memory(t, server)-before)/count, redis.ReservationBytes+redis.ReservationIDTimes*(13+13+7+6)
	t.Logf("%d bytes each, of at most %d", each, bound)
	if each > bound || each < bound/3 {
		t.Errorf("%d bytes each, the bound is %d", each, bound)
	}
}

func usage(t *testing.T, server *redistest.Server, key string) int {
	t.Helper()
	n, err := strconv.Atoi(server.Do("MEMORY", "USAGE", key))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// memory is what the data of a server takes.
func memory(t *testing.T, server *redistest.Server) int {
	t.Helper()
	for line := range strings.Lines(server.Do("INFO", "memory")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory_dataset:"); ok {
			n, err := strconv.Atoi(v)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("INFO has no used_memory_dataset")
	return 0
}
