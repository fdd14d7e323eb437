package order

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// Plan is what the SKUs have not been told yet of an order, as of a version: first what happened to units, then what is given
// up, then what is wanted. It shares nothing that changes with the state.
type Plan struct {
	Version     uint64
	Channel     string
	Reserving   bool // the order is not accepted yet: what is wanted may be refused
	Partial     bool
	Confirmed   bool // what is wanted is promised without end, whether there is enough or not
	ExpiresAt   aggregates.Instant
	Unsettled   bool   // it is not recorded yet that the SKUs were told everything
	Reason      string // for which is given back
	Physical    []Physical
	Withdrawals []Withdrawal
	Wants       []Want
	Kits        []KitLine // its lines of kits, unless the order was rejected
}

// Physical is something that happened to units of one SKU.
type Physical struct {
	Version    uint64 // of the event that says so, the number of events with it
	Kind       stock.Kind
	SKU        string
	Line       string
	Quantity   int64
	Location   string
	Hold       Hold // that the units are part of, when they left
	Channel    string
	Condition  stock.Condition
	To         stock.Condition
	Document   string
	Reason     string
	OccurredAt aggregates.Instant
	Source     aggregates.Source
}

// Withdrawal gives up a reservation.
type Withdrawal struct {
	Version uint64
	SKU     string
	Hold    Hold
}

// Want is what one reservation should hold.
type Want struct {
	SKU      string
	Hold     Hold
	Location string
	Method   string // of handing over, which its places must serve where a rule knows it
	Lines    []WantedLine
}

// WantedLine is what one line waits for: Units of the want's SKU, PerKit for each of the line's own that are open.
type WantedLine struct {
	Part
	PerKit int64 // units of the SKU for one of the line; 1 unless the line is a kit's
	Units  int64
}

// addKit adds what a line of a kit waits for in a group.
func (w *Want) addKit(l *line, group int, open int64) {
	for _, x := range l.parts {
		if x.group == group {
			w.Lines = append(w.Lines, WantedLine{Part: Part{Line: l.ID, SKU: l.SKU, Quantity: open}, PerKit: x.Quantity, Units: times(open, x.Quantity)})
		}
	}
}

// Done tells whether there is nothing to tell any SKU.
func (p *Plan) Done() bool {
	return !p.Reserving && !p.Unsettled && len(p.Physical)+len(p.Withdrawals)+len(p.Wants) == 0
}

// Plan returns what is to be done.
func (s *State) Plan() Plan {
	p := Plan{
		Version: s.Version, Channel: s.channel, Reserving: s.phase == receiving, Partial: s.partial, Confirmed: s.phase == confirmed,
		Unsettled: s.asked > s.settled, ExpiresAt: s.expiresAt, Reason: s.reason,
	}
	p.Physical = append(p.Physical, s.todo...)
	p.Withdrawals = append(p.Withdrawals, s.retired...)
	if s.kits != nil && s.phase != rejected {
		p.Kits = s.kitLines()
	}
	for i := range s.groups {
		if g := &s.groups[i]; g.live && (g.dirty != 0 || p.Reserving) {
			p.Wants = append(p.Wants, s.want(i))
		}
	}
	return p
}

func (s *State) want(i int) Want {
	g := &s.groups[i]
	w := Want{SKU: g.sku, Hold: s.holdOfGroup(g), Location: g.location, Method: g.method}
	for n := range s.lines {
		l := &s.lines[n]
		open := s.open(l)
		switch {
		case open == 0:
		case l.group == i:
			w.Lines = append(w.Lines, WantedLine{Part: Part{Line: l.ID, SKU: l.SKU, Quantity: open}, PerKit: 1, Units: open})
		case l.group == kitLine:
			w.addKit(l, i, open)
		}
	}
	return w
}
