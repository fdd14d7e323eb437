package ledger

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
)

// conditions is how many conditions there are.
const conditions = int(stock.Quarantined) + 1

// group is the state of the SKUs of one group at an instant, in the making.
type group struct {
	names
	methods  []valuation.Method // that are looked after; pools of others hold nothing of use
	skus     []skuState         // by number
	events   uint64             // counted so far
	position uint64             // the highest folded
	carried  carried
	counts   []netCount
	countsAt aggregates.Instant
	netted   uint64
	watch    func(move) // told of everything that changes what is on hand, when not nil
}

// names number SKUs and locations.
type names struct {
	sku, location   []string
	skuNo, locateNo map[string]int32
}

// skuState is one SKU. Pools are kept from the first cost on, in its currency.
type skuState struct {
	currency string
	rows     []row
	place    []int32 // by number of the location: the row, plus 1
}

// row is what lies at one location.
type row struct {
	location                      int32
	noted                         int32 // its place in the group's counts, plus 1; 0 when it has none
	onHand                        [conditions]int64
	reserved, inTransit, incoming int64
	pools                         *pools
}

// pools are the units on hand, and those on their way here, by each method.
type pools struct {
	stock, transit [valuation.Methods]valuation.Pool
}

// carried is units of a transfer between two postings of one event.
type carried struct {
	position uint64
	full     bool
	parts    [valuation.Methods]valuation.Parts
}

// netCount sums up what entries that are one change do at a location.
type netCount struct {
	sku, location int32
	delta         int64
	first         entry
}

// move is a change of what is on hand.
type move struct {
	entry
	flow  stock.Flow
	units int64
	value [valuation.Methods]int64
}

// everyMethod is for blocks, which have all.
var everyMethod = []valuation.Method{valuation.Average, valuation.FIFO}

func newGroup(methods ...valuation.Method) *group {
	return &group{methods: methods, names: names{skuNo: map[string]int32{}, locateNo: map[string]int32{}}}
}

func (n *names) skuNumber(sku string) int32 {
	i, ok := n.skuNo[sku]
	if !ok {
		i = int32(len(n.sku))
		n.sku, n.skuNo[sku] = append(n.sku, sku), i
	}
	return i
}

func (n *names) locationNumber(location string) int32 {
	i, ok := n.locateNo[location]
	if !ok {
		i = int32(len(n.location))
		n.location, n.locateNo[location] = append(n.location, location), i
	}
	return i
}

// entry places a posting on an axis.
func (g *group) entry(p *posting, a Axis) entry {
	return entry{at: p.at[a], position: p.position, delta: p.delta, cost: p.cost, sku: g.skuNumber(p.sku),
		location: g.locationNumber(p.location), kind: p.kind}
}

// row returns that of a SKU at a location, made when there is none. It is valid until the next call.
func (g *group) row(sku, location int32) *row {
	if int(sku) >= len(g.skus) {
		g.grow(sku, 0)
	}
	s := &g.skus[sku]
	if int(location) >= len(s.place) {
		s.place = append(make([]int32, 0, len(g.location)), s.place...)[:len(g.location)]
	}
	if s.place[location] == 0 {
		s.rows = append(s.rows, row{location: location})
		s.place[location] = int32(len(s.rows))
	}
	return &s.rows[s.place[location]-1]
}

// grow makes room for rows of a SKU.
func (g *group) grow(sku int32, rows int) {
	if int(sku) >= len(g.skus) {
		g.skus = append(g.skus, make([]skuState, len(g.sku)-len(g.skus))...)
	}
	g.skus[sku].rows = slices.Grow(g.skus[sku].rows, rows)
}

// apply folds one entry; entries come in order.
func (g *group) apply(e *entry) {
	if len(g.counts) > 0 && (e.at != g.countsAt || netted(e) != g.netted) {
		g.settle()
	}
	g.position = max(g.position, e.position)
	if e.flags&flagEvent != 0 {
		g.events++
	}
	if e.dimension == stock.PostNothing {
		return
	}
	r := g.row(e.sku, e.location)
	s := &g.skus[e.sku]
	if e.cost != nil && s.currency == "" {
		s.currency = e.cost.Currency
	}
	if s.currency != "" && r.pools == nil && e.dimension != stock.PostReserved && e.dimension != stock.PostIncoming {
		r.pools = beginPools(r)
	}
	switch e.dimension {
	case stock.PostOnHand:
		r.onHand[e.condition] += e.delta
		g.applyOnHand(s, r, e)
	case stock.PostCost:
		if r.pools != nil {
			g.applyOnHand(s, r, e)
		}
	case stock.PostReserved:
		r.reserved += e.delta
	case stock.PostInTransit:
		r.inTransit += e.delta
		if r.pools != nil {
			g.applyTransit(r, e)
		}
	case stock.PostIncoming:
		r.incoming += e.delta
	}
}

// beginPools makes pools of what lies there before the posting that needs them.
func beginPools(r *row) *pools {
	p := &pools{}
	var lies int64
	for _, n := range r.onHand {
		lies += n
	}
	for m := range p.stock {
		p.stock[m], p.transit[m] = valuation.Begin(lies), valuation.Begin(r.inTransit)
	}
	return p
}

// applyOnHand values a change of what is on hand. Counts of one instant, and what they take back, are one change.
func (g *group) applyOnHand(s *skuState, r *row, e *entry) {
	if e.flags&(flagCount|flagNet) != 0 {
		g.note(r, e)
		return
	}
	var value [valuation.Methods]int64
	units := e.delta
	if e.dimension == stock.PostCost {
		units = 0
	}
	if r.pools != nil {
		value = g.value(s, r, e)
	}
	if g.watch != nil {
		g.watch(move{entry: *e, flow: e.flow, units: units, value: value})
	}
}

// netted tells entries apart that are one change with others: all counts of an instant, or those of one event.
func netted(e *entry) uint64 {
	switch {
	case e.flags&flagCount != 0:
		return counted
	case e.flags&flagNet != 0:
		return e.position
	}
	return alone
}

const (
	counted = 0 // no event has this position
	alone   = 1<<64 - 1
)

func (g *group) note(r *row, e *entry) {
	g.countsAt, g.netted = e.at, netted(e)
	if r.noted > 0 {
		g.counts[r.noted-1].delta += e.delta
		return
	}
	g.counts = append(g.counts, netCount{sku: e.sku, location: e.location, delta: e.delta, first: *e})
	r.noted = int32(len(g.counts))
}

// settle values what changes together. It is due before the state is read.
func (g *group) settle() {
	for i := range g.counts {
		c := &g.counts[i]
		s, r := &g.skus[c.sku], g.row(c.sku, c.location)
		r.noted = 0
		if c.delta == 0 {
			continue
		}
		e := c.first
		e.delta, e.flow, e.cost = c.delta, stock.FlowAdjusted, nil
		var value [valuation.Methods]int64
		if r.pools != nil {
			value = g.value(s, r, &e)
		}
		if g.watch != nil {
			g.watch(move{entry: c.first, flow: stock.FlowAdjusted, units: c.delta, value: value})
		}
	}
	g.counts = g.counts[:0]
}

// value changes the pools of a row by what came or went on hand, and returns by how much their value changed, by method.
// The difference that later units settle is told as sold.
func (g *group) value(s *skuState, r *row, e *entry) (change [valuation.Methods]int64) {
	carry := g.carries(e)
	for _, m := range g.methods {
		p := &r.pools.stock[m]
		before := p.Value()
		var settled int64
		switch {
		case e.dimension == stock.PostCost:
			settled = g.correct(s, p, e)
		case e.delta < 0:
			parts := p.Out(-e.delta)
			if e.flow == stock.FlowTransferred {
				g.carry(e.position, m, parts)
			}
		case e.delta > 0:
			settled = p.In(m, g.incoming(s, p, m, e, carry))
		}
		g.told(e, stock.FlowSold, m, -settled)
		change[m] = p.Value() - before + settled
	}
	if carry {
		g.carried.full = false
	}
	return change
}

// incoming is what units that come cost.
func (g *group) incoming(s *skuState, p *valuation.Pool, m valuation.Method, e *entry, carry bool) valuation.Parts {
	switch {
	case carry:
		return g.carried.parts[m]
	case e.cost != nil && e.cost.Currency == s.currency:
		return valuation.Parts{Layers: []valuation.Layer{{Quantity: e.delta, Value: e.cost.Value}}}
	case e.cost != nil:
		return valuation.Parts{Uncosted: e.delta}
	}
	return p.Found(e.delta)
}

func (g *group) carry(position uint64, m valuation.Method, parts valuation.Parts) {
	g.carried.position, g.carried.full = position, true
	g.carried.parts[m] = parts
}

func (g *group) carries(e *entry) bool {
	return e.flow == stock.FlowTransferred && g.carried.full && g.carried.position == e.position
}

// correct changes what was received cost, in the SKU's currency.
func (g *group) correct(s *skuState, p *valuation.Pool, e *entry) (settled int64) {
	if e.cost == nil || e.cost.Currency != s.currency {
		return 0
	}
	return p.Correct(e.delta, e.cost.Value)
}

// told tells of a change of value without units.
func (g *group) told(e *entry, flow stock.Flow, m valuation.Method, value int64) {
	if g.watch == nil || value == 0 {
		return
	}
	x := move{entry: *e, flow: flow}
	x.value[m] = value
	g.watch(x)
}

// applyTransit values what is on its way.
func (g *group) applyTransit(r *row, e *entry) {
	carry := g.carries(e)
	for _, m := range g.methods {
		p := &r.pools.transit[m]
		switch {
		case e.delta < 0:
			parts := p.Out(-e.delta)
			if e.flow == stock.FlowTransferred {
				g.carry(e.position, m, parts)
			}
		case carry:
			g.arrived(r, m, e, p.In(m, g.carried.parts[m]))
		case e.delta > 0:
			p.In(m, p.Found(e.delta))
		}
	}
	if e.delta > 0 {
		g.carried.full = false
	}
}

// arrived gives units that had arrived before they were shipped the cost that they turn out to have.
func (g *group) arrived(r *row, m valuation.Method, e *entry, difference int64) {
	if difference == 0 {
		return
	}
	settled := r.pools.stock[m].Costed(m, e.delta, difference)
	g.told(e, stock.FlowTransferred, m, difference)
	g.told(e, stock.FlowSold, m, -settled)
}
