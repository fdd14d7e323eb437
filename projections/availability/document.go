package availability

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Document is all that is known of one SKU. It is immutable once published.
type Document struct {
	SKU        string
	Position   uint64             // of the SKU's last event
	RecordedAt aggregates.Instant // of that event; the latest of all when a clock went back
	Balances   stock.Balances

	prices *pricing // what the values were computed with; nil while the document is folded
	values []int64  // ATS by channel of the pricing
	sums   *sums    // what the values and the document's size were added up from; nil when that is not known
	made   *made    // of the values; nil for a document that is made for one answer

	weight int  // about what it took in memory, in bytes, when it was a draft; 0 when it was not
	mends  bool // see Mends

	boundary aggregates.Instant // when rules of the SKU begin or end next, after RecordedAt; 0 when none do
}

// ATS is what one channel can sell of a document's SKU.
type ATS struct {
	Channel    string
	ATS        int64              // base units, never negative
	Position   uint64             // of the last event that the value includes, of the SKU or of the channel's policy
	RecordedAt aggregates.Instant // of that event
	Policy     uint64             // position of the last change of the channel's policy
}

// Channels lists the ATS of every channel defined, in bytewise order of channel.
func (d *Document) Channels() []ATS {
	if d.prices == nil {
		return nil
	}
	list := make([]ATS, len(d.values))
	for i, v := range d.values {
		c := &d.prices.channels[i]
		list[i] = ATS{Channel: c.id, ATS: v, Position: d.Position, RecordedAt: d.RecordedAt, Policy: c.position}
		if c.position > d.Position {
			list[i].Position, list[i].RecordedAt = c.position, c.recordedAt
		}
	}
	return list
}

// Policies is the position of the last change of any channel's policy that the document includes. Together with
// Position it is the document's version: of two documents of a SKU, the one with the higher Position is newer, and
// of those with the same Position the one with the higher Policies.
func (d *Document) Policies() uint64 {
	if d.prices == nil {
		return 0
	}
	return d.prices.version
}

// Mends tells that the document takes the place of one of the same version that was found to be wrong.
func (d *Document) Mends() bool { return d.mends }

// Mending returns a copy that Mends.
func (d *Document) Mending() *Document {
	c := *d
	c.mends = true
	return &c
}

// sizes of parts of a document in memory, about, in bytes.
const (
	documentBytes = 160
	balanceBytes  = 168
	useBytes      = 72
	holdBytes     = 20
	valueBytes    = 8
	poolBytes     = 16
	madeBytes     = 96 // what was made of a value
)

// Size estimates the document's memory, in bytes.
func (d *Document) Size() int {
	n := documentBytes + len(d.SKU) + valueBytes*len(d.values)
	if d.sums != nil {
		n += d.sums.bytes + poolBytes*len(d.sums.pools)
	} else {
		for b := range d.Balances.Each {
			n += balanceSize(b)
		}
	}
	return n + d.Balances.Rules().Size() + d.Balances.Bundle().Size()
}

func balanceSize(b *stock.Balance) int {
	n := balanceBytes + holdBytes*b.Holds.Len() + laterSize(b.Later)
	for i := range b.Uses {
		n += useBytes + holdBytes*b.Uses[i].Holds.Len()
	}
	return n
}

// sizeRead estimates the memory of a document that is asked for again and again, in bytes.
func (d *Document) sizeRead() int { return d.Size() + madeBytes*len(d.values) }

// Encoder writes documents in their stored form, an inventoryv1.AvailabilityDocument. It keeps its memory between
// documents; one goroutine at a time may use it.
type Encoder struct {
	message  inventoryv1.AvailabilityDocument
	item     inventoryv1.ItemDocument
	balances []inventoryv1.BalanceDocument
	values   []inventoryv1.ChannelValueDocument
}

// Append appends the stored form of a document. The same document gives the same bytes.
func (e *Encoder) Append(dst []byte, d *Document) ([]byte, error) {
	m := &e.message
	m.Sku, m.Position, m.RecordedAt, m.Policies = d.SKU, d.Position, int64(d.RecordedAt), d.Policies()
	m.Rules = encodeRules(d.Balances.Rules())
	m.Kit = encodeBundle(d.Balances.Bundle())
	e.setItem(d)
	e.setBalances(d)
	e.setValues(d)
	at := len(dst)
	dst = append(dst, make([]byte, m.SizeVT())...)
	if _, err := m.MarshalToSizedBufferVT(dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("encode the document of SKU %q: %w", d.SKU, err)
	}
	return dst, nil
}

func (e *Encoder) setItem(d *Document) {
	item := &d.Balances.Item
	if e.message.Item = nil; item.Registered {
		e.item.ByDefault, e.item.Name, e.item.Unit = item.ByDefault, item.Name, item.Unit
		e.item.Category, e.item.Decimals = item.Category, int32(item.Decimals)
		e.message.Item = &e.item
	}
}

func (e *Encoder) setBalances(d *Document) {
	e.message.Balances = e.message.Balances[:0]
	e.balances = grow(e.balances, d.Balances.Len())
	for b := range d.Balances.Each {
		m := &e.balances[len(e.message.Balances)]
		m.Location, m.Reserved, m.SafetyStock, m.InTransit = b.Location, b.Reserved, b.SafetyStock, b.InTransit
		m.OnHand = append(m.OnHand[:0], b.OnHand[:]...)
		m.HoldUntil, m.HoldQuantity = appendHolds(m.HoldUntil[:0], m.HoldQuantity[:0], &b.Holds)
		setLater(m, b.Later)
		m.Uses = encodeUses(b.Uses)
		e.message.Balances = append(e.message.Balances, m)
	}
}

func (e *Encoder) setValues(d *Document) {
	e.message.Values = e.message.Values[:0]
	e.values = grow(e.values, len(d.values))
	for i, v := range d.values {
		m, c := &e.values[i], &d.prices.channels[i]
		m.Channel, m.Ats, m.Policy, m.PolicyRecordedAt = c.id, v, c.position, int64(c.recordedAt)
		e.message.Values = append(e.message.Values, m)
	}
}

// grow returns a slice of length n, with what its elements keep.
func grow[T any](s []T, n int) []T {
	if n > cap(s) {
		return append(s[:cap(s)], make([]T, n-cap(s))...)
	}
	return s[:n]
}

// Decode reads a document in its stored form. It shares no memory with b.
func Decode(b []byte) (*Document, error) {
	var m inventoryv1.AvailabilityDocument
	if err := m.UnmarshalVT(b); err != nil {
		return nil, fmt.Errorf("read a document of availability: %w", err)
	}
	d := &Document{made: new(made), SKU: m.Sku, Position: m.Position, RecordedAt: aggregates.Instant(m.RecordedAt),
		Balances: decodeBalances(&m), values: make([]int64, len(m.Values))}
	d.boundary = d.Balances.NextBoundary(d.RecordedAt)
	d.prices = &pricing{version: m.Policies, channels: make([]priced, len(m.Values))}
	for i, v := range m.Values {
		d.prices.channels[i] = priced{id: v.Channel, position: v.Policy, recordedAt: aggregates.Instant(v.PolicyRecordedAt)}
		d.values[i] = v.Ats
	}
	return d, nil
}

func decodeBalances(m *inventoryv1.AvailabilityDocument) (b stock.Balances) {
	if i := m.Item; i != nil {
		b.Item = stock.Item{Registered: true, ByDefault: i.ByDefault, Name: i.Name, Unit: i.Unit,
			Category: i.Category, Decimals: int(i.Decimals)}
	}
	b.Grow(len(m.Balances))
	for _, d := range m.Balances {
		x := stock.Balance{Location: d.Location, Reserved: d.Reserved, SafetyStock: d.SafetyStock, InTransit: d.InTransit,
			Uses: decodeUses(d.Uses)}
		copy(x.OnHand[:], d.OnHand)
		x.Holds = decodeHolds(d.HoldUntil, d.HoldQuantity)
		x.Later = decodeLater(d)
		b.Put(x)
	}
	b.PutRules(decodeRules(m.Rules))
	b.PutBundle(decodeBundle(m.Kit))
	return b
}
