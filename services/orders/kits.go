package orders

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// That a SKU is a kit turns out when it is asked, or told of its units: it refuses, and says what it is made of. That is recorded with the
// order, and the order goes on with the components. So an order without kits pays nothing for those that have some.

// errExploded ends a round in which kits turned up: the plan is another one now.
var errExploded = errors.New("a kit turned up")

// kitsFound are the SKUs that turned out to be kits.
type kitsFound map[string]domain.Kit

// add tells whether an error says that a SKU is a kit.
func (f kitsFound) add(sku string, err error) bool {
	var kit *domain.KitError
	if !errors.As(err, &kit) {
		return false
	}
	f[sku] = kit.Kit
	return true
}

// explodeAsked records what the order takes for the SKUs that turned out to be kits when they were asked. A line that takes over a
// reservation of kits takes what that holds, whatever the kit is made of now.
func (s *Service) explodeAsked(ctx context.Context, id string, p *order.Plan, asks []*ask) error {
	found := kitsFound{}
	for i, a := range asks {
		sku, hold := p.Wants[i].SKU, p.Wants[i].Hold
		if a.err == nil || !found.add(sku, a.err) || hold.Suffix != "" {
			continue
		}
		if err := s.asHeld(ctx, hold.TakenOver, sku, found); err != nil {
			return err
		}
	}
	return s.explode(ctx, id, p.Version, found)
}

// asHeld takes the explosion of a reservation of kits, when there is one.
func (s *Service) asHeld(ctx context.Context, reservation, sku string, found kitsFound) error {
	_, err := s.Orders.Do(ctx, order.KitReservation(reservation), aggregates.Metadata{IdempotencyKey: "read"},
		decision(func(o *order.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			if components := o.Kit(sku); components != nil {
				found[sku] = domain.Kit{Components: components, Version: found[sku].Version}
			}
			return nil, nil
		}))
	return err
}

// explode records what the order takes for kits; it returns errExploded then, nil when there are none.
func (s *Service) explode(ctx context.Context, id string, version uint64, found kitsFound) error {
	if len(found) == 0 {
		return nil
	}
	err := s.record(ctx, id, key(id, version, "explode"), func(o *order.State) (events []aggregates.Event) {
		for _, sku := range slices.Sorted(maps.Keys(found)) {
			events = append(events, order.Explode(o, sku, found[sku])...)
		}
		return events
	})
	if err != nil {
		return err
	}
	return errExploded
}

// shortage is a line that could not be promised for want of a SKU: its own, or a component of it.
func shortage(sku string, l *order.WantedLine, available int64, reason string) order.Shortage {
	x := order.Shortage{Line: l.Line, SKU: l.SKU, Requested: l.Quantity, Available: available, Reason: reason}
	if sku != l.SKU {
		x.Available, x.Component = domain.KitsIn(available, l.PerKit), sku
	}
	return x
}

// beyond tells whether a line of kits takes more of a component than a line of any SKU may.
func beyond(l *order.WantedLine) bool { return l.Quantity > order.MaxLineQuantity/l.PerKit }

// perLine keeps one shortage of each line: of a kit that of the component that allows the fewest.
func perLine(short []order.Shortage) (list []order.Shortage) {
	at := map[[2]string]int{}
	for _, x := range short {
		k := [2]string{x.Line, x.SKU}
		if i, ok := at[k]; !ok {
			at[k] = len(list)
			list = append(list, x)
		} else if x.Available < list[i].Available {
			list[i] = x
		}
	}
	return list
}

// noteKits says what follows of an order's kits once its components were told, before that is recorded: reservations of kits that its lines took
// over are over, and of one that the order itself coordinates the kit's stream knows, for those who look it up.
func (s *Service) noteKits(ctx context.Context, id string, p *order.Plan, short []order.Shortage) error {
	for i := range p.Kits {
		l := &p.Kits[i]
		if l.ReservationID != "" && !isShort(short, l) {
			if err := s.endTaken(ctx, id, l.ReservationID); err != nil {
				return err
			}
		}
		if reservation, kits := order.KitReservationOf(id); kits && len(short) == 0 {
			if err := s.noteReservation(ctx, id, reservation, p, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func isShort(short []order.Shortage, l *order.KitLine) bool {
	for _, x := range short {
		if x.Line == l.ID && x.SKU == l.SKU {
			return true
		}
	}
	return false
}

// endTaken ends a reservation of kits whose holds an order has taken over.
func (s *Service) endTaken(ctx context.Context, id, reservation string) error {
	kits := order.KitReservation(reservation)
	m := aggregates.Metadata{Actor: actor, CorrelationID: id, IdempotencyKey: "taken over by:" + id}
	_, err := s.Orders.Do(ctx, kits, m, decision(func(o *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
		if !o.Known() {
			return nil, nil
		}
		return order.Cancel(o, order.Cancelled{Reason: "taken over by an order"}, m)
	}))
	if err == nil {
		_, _, err = s.drive(ctx, kits)
	}
	if err != nil {
		return fmt.Errorf("reservation %q of kits: %w", reservation, err)
	}
	return nil
}

// noteReservation has the kit's stream say that a reservation of kits was placed, or that nothing of it is left. Saying it twice does no harm.
func (s *Service) noteReservation(ctx context.Context, id, reservation string, p *order.Plan, l *order.KitLine) error {
	var events []aggregates.Event
	what := "placed"
	switch {
	case p.Reserving:
		events = domain.PlaceKits(domain.KitReservationPlaced{ReservationID: reservation, Channel: p.Channel, Quantity: l.Quantity, OrderID: id})
	case l.Open == 0:
		what = "ended"
		e := domain.KitReservationEnded{ReservationID: reservation, Fulfilled: l.Fulfilled}
		if l.Lapsed {
			e.Expired = max(0, l.Quantity-l.Fulfilled)
		} else {
			e.Released = max(0, l.Quantity-l.Fulfilled)
		}
		events = domain.EndKits(e)
	default:
		return nil
	}
	m := aggregates.Metadata{Actor: actor, CorrelationID: id, IdempotencyKey: key(id, p.Version, "kits "+what)}
	_, err := s.SKUs.Do(ctx, l.SKU, m, onKit(func() []aggregates.Event { return events }))
	return err
}

// onKit has something recorded on a kit's stream.
type onKit func() []aggregates.Event

// Decide records.
func (f onKit) Decide(*domain.State, aggregates.Metadata, aggregates.Instant) ([]aggregates.Event, error) {
	return f(), nil
}

// partMessages are the components of a line of a kit as the contract writes them.
func partMessages(id string, parts []order.PartView) (list []*pb.KitPart) {
	for _, x := range parts {
		m := &pb.KitPart{Sku: x.SKU, Quantity: x.Quantity}
		if x.Hold != (order.Hold{}) {
			m.ReservationId = x.Hold.ID(id)
		}
		list = append(list, m)
	}
	return list
}
