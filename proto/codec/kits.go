package codec

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// setKit fills the message of an event that is about kits.
func setKit(p *pb.Event, e aggregates.Event) error {
	switch e := e.(type) {
	case *stock.KitDefined:
		p.Payload = &pb.Event_KitDefined{KitDefined: &pb.KitDefined{Components: ToComponents(e.Components), Version: e.Version}}
	case *stock.KitMembershipSet:
		p.Payload = &pb.Event_KitMembershipSet{KitMembershipSet: &pb.KitMembershipSet{Kit: e.Kit, Version: e.Version, Ended: e.Ended}}
	case *stock.KitReservationPlaced:
		p.Payload = &pb.Event_KitReservationPlaced{KitReservationPlaced: &pb.KitReservationPlaced{ReservationId: e.ReservationID,
			Channel: e.Channel, Quantity: e.Quantity, OrderId: e.OrderID}}
	case *stock.KitReservationEnded:
		p.Payload = &pb.Event_KitReservationEnded{KitReservationEnded: &pb.KitReservationEnded{ReservationId: e.ReservationID,
			Fulfilled: e.Fulfilled, Released: e.Released, Expired: e.Expired}}
	case *order.KitExploded:
		p.Payload = &pb.Event_OrderKitExploded{OrderKitExploded: &pb.OrderKitExploded{Sku: e.SKU, Components: ToComponents(e.Components),
			Version: e.Version}}
	default:
		return fmt.Errorf("event %T has no stored form", e)
	}
	return nil
}

// kit returns the event of the domain, or nil when it is not about kits.
func kit(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_KitDefined:
		return &stock.KitDefined{Components: FromComponents(x.KitDefined.Components), Version: x.KitDefined.Version}
	case *pb.Event_KitMembershipSet:
		v := x.KitMembershipSet
		return &stock.KitMembershipSet{Kit: v.Kit, Version: v.Version, Ended: v.Ended}
	case *pb.Event_KitReservationPlaced:
		v := x.KitReservationPlaced
		return &stock.KitReservationPlaced{ReservationID: v.ReservationId, Channel: v.Channel, Quantity: v.Quantity, OrderID: v.OrderId}
	case *pb.Event_KitReservationEnded:
		v := x.KitReservationEnded
		return &stock.KitReservationEnded{ReservationID: v.ReservationId, Fulfilled: v.Fulfilled, Released: v.Released, Expired: v.Expired}
	case *pb.Event_OrderKitExploded:
		v := x.OrderKitExploded
		return &order.KitExploded{SKU: v.Sku, Components: FromComponents(v.Components), Version: v.Version}
	}
	return nil
}

// ToComponents is what a kit is made of as the contract writes it.
func ToComponents(list []stock.Component) []*pb.KitComponent {
	if len(list) == 0 {
		return nil
	}
	out := make([]*pb.KitComponent, len(list))
	for i, c := range list {
		out[i] = &pb.KitComponent{Sku: c.SKU, Quantity: c.Quantity}
	}
	return out
}

// FromComponents reads what a kit is made of.
func FromComponents(list []*pb.KitComponent) []stock.Component {
	if len(list) == 0 {
		return nil
	}
	out := make([]stock.Component, len(list))
	for i, c := range list {
		out[i] = stock.Component{SKU: c.GetSku(), Quantity: c.GetQuantity()}
	}
	return out
}
