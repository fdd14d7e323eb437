package replicas

import (
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// naive folds a SKU's events by itself, as simply as can be: the oracle of what a history amounts to.
type naive struct {
	shelves  map[string]shelf // by location
	promises map[string]*promise
	applied  map[string]int // what was recorded, and how often
	oversold int            // units promised that nobody had
	broke    int            // facts that left less than was promised
}

type promise struct {
	at   map[string]int64 // units by location
	ends time.Time        // zero once confirmed
}

func newNaive() *naive {
	return &naive{shelves: map[string]shelf{}, promises: map[string]*promise{}, applied: map[string]int{}}
}

func (n *naive) move(location string, change int64) {
	s := n.shelves[location]
	s.onHand += change
	n.shelves[location] = s
}

// promised are the units at a location that live promises take at an instant.
func (n *naive) promised(location string, now time.Time) (sum int64) {
	for _, p := range n.promises {
		if p.ends.IsZero() || p.ends.After(now) {
			sum += p.at[location]
		}
	}
	return sum
}

func (n *naive) fold(e *pb.Event) {
	switch x := e.Payload.(type) {
	case *pb.Event_StockCounted:
		n.fact(e)
		n.move(x.StockCounted.Location, x.StockCounted.Delta)
	case *pb.Event_StockReceived:
		n.fact(e)
		n.move(x.StockReceived.Location, x.StockReceived.Quantity)
	case *pb.Event_StockSold:
		n.fact(e)
		n.move(x.StockSold.Location, -x.StockSold.Quantity)
	case *pb.Event_OversoldDetected:
		n.broke++
	default:
		n.foldPromise(e)
	}
}

func (n *naive) fact(e *pb.Event) { n.applied["told "+e.Source.GetMessageId()]++ }

func (n *naive) foldPromise(e *pb.Event) {
	switch x := e.Payload.(type) {
	case *pb.Event_ReservationPlaced:
		n.applied["placed "+x.ReservationPlaced.ReservationId]++
		n.place(x.ReservationPlaced, e.RecordedAt.AsTime())
	case *pb.Event_ReservationConfirmed:
		n.applied["confirmed "+x.ReservationConfirmed.ReservationId]++
		if p := n.promises[x.ReservationConfirmed.ReservationId]; p != nil {
			p.ends = time.Time{}
		}
	case *pb.Event_ReservationReleased:
		n.applied["released "+x.ReservationReleased.ReservationId]++
		n.give(x.ReservationReleased.ReservationId, x.ReservationReleased.Splits)
	case *pb.Event_ReservationExpired:
		n.applied["expired "+x.ReservationExpired.ReservationId]++
		n.give(x.ReservationExpired.ReservationId, x.ReservationExpired.Splits)
	case *pb.Event_ReservationFulfilled:
		n.applied["fulfilled "+x.ReservationFulfilled.ReservationId]++
		for _, s := range x.ReservationFulfilled.Splits {
			n.give(x.ReservationFulfilled.ReservationId, []*pb.Split{{Location: s.Location, Quantity: s.Quantity}})
			n.move(s.Location, -s.Quantity)
		}
	}
}

// place promises, and looks whether somebody had the units.
func (n *naive) place(r *pb.ReservationPlaced, now time.Time) {
	p := &promise{at: map[string]int64{}}
	if r.ExpiresAt != nil {
		p.ends = r.ExpiresAt.AsTime()
	}
	for _, s := range r.Splits {
		p.at[s.Location] += s.Quantity
		if short := n.promised(s.Location, now) + s.Quantity - n.shelves[s.Location].onHand; short > 0 {
			n.oversold += int(min(short, s.Quantity))
		}
	}
	n.promises[r.ReservationId] = p
}

func (n *naive) give(id string, splits []*pb.Split) {
	p := n.promises[id]
	if p == nil {
		return
	}
	left := int64(0)
	for _, s := range splits {
		p.at[s.Location] -= s.Quantity
	}
	for _, units := range p.at {
		left += units
	}
	if left == 0 {
		delete(n.promises, id)
	}
}

// at is what lies at a location in the end, and what is promised of it, whatever the time.
func (n *naive) at(location string) shelf {
	s := n.shelves[location]
	for _, p := range n.promises {
		s.reserved += p.at[location]
	}
	return s
}
