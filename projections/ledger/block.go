package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unique"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
)

// ErrDamaged says that a stored block cannot be read.
var ErrDamaged = errors.New("a stored block of the ledger is damaged or of a newer version")

// blockVersion is the first byte of a block.
const blockVersion = 1

// earliest is the start of the first block.
const earliest aggregates.Instant = math.MinInt64

// appendBlock appends a block: names, the state before it, and its entries.
func appendBlock(dst []byte, g *group, state []byte, entries []entry) []byte {
	dst = append(dst, blockVersion)
	dst = appendNames(dst, g.sku)
	dst = appendNames(dst, g.location)
	dst = append(dst, state...)
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	var at aggregates.Instant
	var position uint64
	for i := range entries {
		e := &entries[i]
		flags := e.flags
		if e.cost != nil {
			flags |= flagCost
		}
		dst = binary.AppendVarint(dst, int64(e.at-at))
		dst = binary.AppendVarint(dst, int64(e.position-position))
		dst = binary.AppendUvarint(dst, uint64(e.sku))
		dst = binary.AppendUvarint(dst, uint64(e.location))
		dst = append(dst, byte(e.condition)|byte(e.dimension)<<4, byte(e.flow)|flags<<4)
		dst = binary.AppendVarint(dst, e.delta)
		if e.cost != nil {
			dst = binary.AppendVarint(dst, e.cost.Value)
			dst = appendName(dst, e.cost.Currency)
		}
		at, position = e.at, e.position
	}
	return dst
}

// appendState appends the state of a group, after settle.
func appendState(dst []byte, g *group) []byte {
	dst = binary.AppendUvarint(dst, g.position)
	dst = binary.AppendUvarint(dst, g.events)
	dst = binary.AppendUvarint(dst, uint64(len(g.skus)))
	for i := range g.skus {
		s := &g.skus[i]
		dst = appendName(dst, s.currency)
		dst = binary.AppendUvarint(dst, uint64(len(s.rows)))
		for j := range s.rows {
			dst = appendRow(dst, &s.rows[j])
		}
	}
	return dst
}

func appendRow(dst []byte, r *row) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.location))
	for _, n := range r.onHand {
		dst = binary.AppendVarint(dst, n)
	}
	for _, n := range [...]int64{r.reserved, r.inTransit, r.incoming} {
		dst = binary.AppendVarint(dst, n)
	}
	if r.pools == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	for m := range r.pools.stock {
		dst = appendPool(dst, &r.pools.stock[m])
		dst = appendPool(dst, &r.pools.transit[m])
	}
	return dst
}

func appendPool(dst []byte, p *valuation.Pool) []byte {
	for _, n := range [...]int64{p.Uncosted, p.Owed, p.OwedValue, p.Last.Quantity, p.Last.Value, int64(len(p.Layers))} {
		dst = binary.AppendVarint(dst, n)
	}
	for _, l := range p.Layers {
		dst = binary.AppendVarint(dst, l.Quantity)
		dst = binary.AppendVarint(dst, l.Value)
	}
	return dst
}

func appendName(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendNames(dst []byte, names []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, n := range names {
		dst = appendName(dst, n)
	}
	return dst
}

// reader reads a block. After the first thing that does not fit it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// length reads a number of things that take a byte each, at least.
func (r *reader) length() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) name() string { return string(r.bytes(r.length())) }

// shared reads a name that is in many blocks.
func (r *reader) shared() string { return unique.Make(r.name()).Value() }

func (r *reader) err() error {
	if r.bad {
		return ErrDamaged
	}
	return nil
}

// numbering maps the numbers of a block to those of a group.
type numbering struct{ sku, location []int32 }

func (r *reader) numbering(g *group) (n numbering) {
	n.sku = make([]int32, r.length())
	for i := range n.sku {
		n.sku[i] = g.skuNumber(r.name())
	}
	n.location = make([]int32, r.length())
	for i := range n.location {
		n.location[i] = g.locationNumber(r.shared())
	}
	return n
}

func (r *reader) pick(list []int32) int32 {
	i := r.uvarint()
	if i >= uint64(len(list)) {
		r.b, r.bad = nil, true
		return 0
	}
	return list[i]
}

// open begins to read a block and returns its numbering.
func (r *reader) open(g *group) (numbering, error) {
	if v := r.bytes(1)[0]; v != blockVersion {
		return numbering{}, fmt.Errorf("%w: version %d", ErrDamaged, v)
	}
	n := r.numbering(g)
	return n, r.err()
}

// state reads the state before a block, into a group that is empty but for names; without a group it is passed over.
func (r *reader) state(g *group, n numbering) {
	position, events := r.uvarint(), r.uvarint()
	var methods []valuation.Method
	if g != nil {
		g.position, g.events, methods = position, events, g.methods
	}
	skus := r.length()
	for i := range skus {
		currency, rows := r.shared(), r.length()
		if i >= len(n.sku) {
			r.b, r.bad = nil, true
			return
		}
		if g != nil && rows > 0 {
			g.grow(n.sku[i], rows)
		}
		for range rows {
			x := r.row(n, methods)
			if g != nil && !r.bad {
				*g.row(n.sku[i], x.location) = x
				g.skus[n.sku[i]].currency = currency
			}
		}
	}
}

func (r *reader) row(n numbering, methods []valuation.Method) (x row) {
	x.location = r.pick(n.location)
	for i := range x.onHand {
		x.onHand[i] = r.varint()
	}
	x.reserved, x.inTransit, x.incoming = r.varint(), r.varint(), r.varint()
	if r.bytes(1)[0] == 0 {
		return x
	}
	x.pools = &pools{}
	for m := range x.pools.stock {
		wanted := slices.Contains(methods, valuation.Method(m))
		x.pools.stock[m], x.pools.transit[m] = r.pool(wanted), r.pool(wanted)
	}
	return x
}

// pool reads a pool; the layers of one that is not wanted are passed over.
func (r *reader) pool(wanted bool) (p valuation.Pool) {
	p.Uncosted, p.Owed, p.OwedValue, p.Last.Quantity, p.Last.Value = r.varint(), r.varint(), r.varint(), r.varint(), r.varint()
	n := r.varint()
	if n < 0 || n > int64(len(r.b)) {
		r.b, r.bad = nil, true
		return p
	}
	if wanted && n > 0 {
		p.Layers = make([]valuation.Layer, 0, n+1)
	}
	for range n {
		if l := (valuation.Layer{Quantity: r.varint(), Value: r.varint()}); wanted {
			p.Layers = append(p.Layers, l)
		}
	}
	return p
}

// entries appends the entries of a block that are within a cut. They are in order of their instant, and none is read beyond it.
func (r *reader) entries(list []entry, n numbering, c Cut) []entry {
	var at aggregates.Instant
	var position uint64
	limit, count := c.limit(), r.length()
	if cap(list)-len(list) < count {
		list = slices.Grow(list, count)
	}
	for range count {
		at += aggregates.Instant(r.varint())
		position += uint64(r.varint())
		e := entry{at: at, position: position, sku: r.pick(n.sku), location: r.pick(n.location)}
		b := r.bytes(2)
		e.condition, e.dimension = stock.Condition(b[0]&15), stock.Dimension(b[0]>>4)
		e.flow, e.flags = stock.Flow(b[1]&15), b[1]>>4
		e.delta = r.varint()
		if e.flags&flagCost != 0 {
			e.cost = &stock.Cost{Value: r.varint(), Currency: r.shared()}
			e.flags &^= flagCost
		}
		if r.bad || int(e.condition) >= conditions {
			r.bad = true
			return list
		}
		if e.at > c.At {
			return list
		}
		if e.position <= limit {
			list = append(list, e)
		}
	}
	return list
}
