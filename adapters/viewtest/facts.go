package viewtest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// Facts makes a random history: movements, reservations that live consistent lives, rules of SKUs, and now and then a change of a
// channel, a location or a shared rule. The same seed makes the same facts.
type Facts struct {
	*rand.Rand
	SKUs, Locations, Channels int
	Policies                  bool // whether channels and locations change

	live  []live
	count int
}

// live is a reservation with something left.
type live struct {
	sku, id string
	until   aggregates.Instant
	left    []stock.Split
	channel string
}

// NewFacts makes facts of a few SKUs.
func NewFacts(seed uint64) *Facts {
	return &Facts{Rand: rand.New(rand.NewPCG(seed, 7)), SKUs: 12, Locations: 4, Channels: 3}
}

func (f *Facts) sku() string      { return names[f.IntN(min(f.SKUs, len(names)))] }
func (f *Facts) location() string { return fmt.Sprint("place ", f.IntN(f.Locations)) }
func (f *Facts) channel() string  { return fmt.Sprint("channel ", f.IntN(f.Channels)) }
func (f *Facts) quantity() int64  { return 1 + f.Int64N(20) }

// Add appends so many facts to a history and returns the position of the last.
func (f *Facts) Add(t testing.TB, h *History, n int) (position uint64) {
	t.Helper()
	for range n {
		stream, fact := f.next(h.Now)
		position = h.Add(t, stream, fact)
		h.Now += aggregates.Instant(f.Int64N(2 * int64(aggregates.Second)))
	}
	return position
}

func (f *Facts) next(now aggregates.Instant) (stream string, fact aggregates.Event) {
	f.count++
	switch n := f.IntN(20); {
	case n == 0 && f.Policies:
		return f.policy()
	case n < 6 && len(f.live) > 0:
		return f.reservation(now)
	case n < 10:
		return f.place(now)
	default:
		return aggregates.SKUPrefix + f.sku(), f.movement()
	}
}

func (f *Facts) policy() (string, aggregates.Event) {
	switch f.IntN(7) {
	case 5, 6:
		return f.shared()
	case 0:
		return aggregates.LocationPrefix + f.location(), &location.Disabled{}
	case 1:
		return aggregates.LocationPrefix + f.location(), &location.Enabled{}
	case 2:
		return aggregates.LocationPrefix + f.location(), &location.Defined{Name: "n", TimeZone: "UTC"}
	default:
		return aggregates.ChannelPrefix + f.channel(), &channel.Defined{Name: "n", HoldSeconds: 60,
			Sourcing: []string{f.location(), f.location()}, Buffer: f.Int64N(5)}
	}
}

func (f *Facts) movement() aggregates.Event {
	var absorbed stock.AbsorbedBy
	if f.IntN(10) == 0 {
		absorbed = stock.AbsorbedBy{Revision: 1, AsOf: 1}
	}
	condition := stock.Condition(f.IntN(4))
	switch f.IntN(10) {
	case 9:
		return f.rule()
	case 0:
		return &stock.ItemRegistered{Name: "item", Unit: "kg", Decimals: f.IntN(4), Category: "c"}
	case 1:
		return &stock.StockCounted{Location: f.location(), Condition: condition, Counted: 50, Delta: f.quantity() - 5}
	case 2, 3:
		return &stock.StockReceived{Location: f.location(), Quantity: 5 * f.quantity(), Absorbed: absorbed}
	case 4:
		return &stock.StockConditionChanged{Location: f.location(), From: stock.Sellable, To: condition, Quantity: f.quantity()}
	case 5:
		return &stock.SafetyStockSet{Location: f.location(), Quantity: f.Int64N(4)}
	case 6:
		return &stock.TransferShipped{Location: f.location(), Destination: f.location(), Quantity: f.quantity()}
	default:
		return &stock.StockSold{Location: f.location(), Quantity: f.quantity(), Absorbed: absorbed, Channel: f.channel()}
	}
}

func (f *Facts) place(now aggregates.Instant) (string, aggregates.Event) {
	x := live{sku: f.sku(), id: fmt.Sprint("r ", f.count), channel: f.channel()}
	if f.IntN(3) > 0 {
		x.until = now.CeilSecond() + aggregates.Instant(f.IntN(60))*aggregates.Second
	}
	var sum int64
	for i := range 1 + f.IntN(2) {
		split := stock.Split{Location: fmt.Sprint("place ", i), Quantity: f.quantity()}
		x.left, sum = append(x.left, split), sum+split.Quantity
	}
	f.live = append(f.live, x)
	return aggregates.SKUPrefix + x.sku, &stock.ReservationPlaced{ReservationID: x.id, Channel: x.channel, Quantity: sum,
		Splits: x.left, ExpiresAt: x.until, PolicyPosition: uint64(f.count)}
}

// reservation makes the next fact of a live reservation.
func (f *Facts) reservation(now aggregates.Instant) (string, aggregates.Event) {
	i := f.IntN(len(f.live))
	x := &f.live[i]
	stream, id := aggregates.SKUPrefix+x.sku, x.id
	all, until, channel := x.left, x.until, x.channel
	switch n := f.IntN(5); {
	case n == 0 && until != 0:
		x.until = 0
		return stream, &stock.ReservationConfirmed{ReservationID: id, ExpiredAt: until, Splits: all, Channel: channel}
	case n == 1 && until != 0:
		x.until += 30 * aggregates.Second
		return stream, &stock.ReservationExtended{ReservationID: id, From: until, ExpiresAt: x.until, Splits: all, Channel: channel}
	case n == 2 && until != 0 && until <= now:
		f.end(i)
		return stream, &stock.ReservationExpired{ReservationID: id, Splits: all, ExpiresAt: until, Channel: channel}
	case n == 3:
		part := all[:1]
		if x.left = all[1:]; len(x.left) == 0 {
			f.end(i)
		}
		return stream, &stock.ReservationFulfilled{ReservationID: id, ExpiresAt: until, Closed: len(all) == 1, Channel: channel, Splits: []stock.FulfilledSplit{
			{Location: f.location(), ReservedAt: part[0].Location, Quantity: part[0].Quantity}}}
	default:
		f.end(i)
		return stream, &stock.ReservationReleased{ReservationID: id, Splits: all, ExpiresAt: until, Closed: true, Channel: channel}
	}
}

func (f *Facts) end(i int) {
	f.live[i] = f.live[len(f.live)-1]
	f.live = f.live[:len(f.live)-1]
}
