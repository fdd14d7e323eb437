package orders

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// observed is the decision to keep a message without applying it, when its source is not believed about orders at a location that the message names, at the
// time it occurred; nil when it is believed. What names no location is believed: whose it is follows from nothing.
func (s *Service) observed(m *pb.OrderMessage, origin *aggregates.Metadata) decision {
	for _, place := range placesOf(m) {
		owner := s.Recorder.OwnerOfOrders(place, origin.OccurredAt)
		if owner == nil || slices.Contains(owner.Sources, origin.Source.System) {
			continue
		}
		o := order.Observed{Message: kindOf(m), Location: place, Lines: saidOf(m), Owners: owner.Sources, Since: owner.Since}
		return func(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
			return order.Observe(s, o, m)
		}
	}
	return nil
}

// placesOf are the locations that a message names, as where something happened or where units must come from.
func placesOf(m *pb.OrderMessage) (places []string) {
	lines := func(list []*pb.OrderedLine) {
		for _, x := range list {
			if x.Location != "" {
				places = append(places, x.Location)
			}
		}
	}
	switch k := m.Kind.(type) {
	case *pb.OrderMessage_Placed_:
		lines(k.Placed.Lines)
	case *pb.OrderMessage_Changed_:
		lines(k.Changed.Lines)
	case *pb.OrderMessage_Shipped_:
		places = append(places, k.Shipped.Location)
	case *pb.OrderMessage_Returned_:
		places = append(places, k.Returned.Location)
	case *pb.OrderMessage_Inspected_:
		places = append(places, k.Inspected.Location)
	case *pb.OrderMessage_Exchanged_:
		places = append(places, k.Exchanged.Returned.Location)
		lines(k.Exchanged.Instead.Lines)
	}
	return places
}

// kindOf names what a message says.
func kindOf(m *pb.OrderMessage) string {
	r := m.ProtoReflect()
	if f := r.WhichOneof(r.Descriptor().Oneofs().ByName("kind")); f != nil {
		return string(f.Name())
	}
	return ""
}

// saidOf are the lines that a message is about.
func saidOf(m *pb.OrderMessage) (lines []order.Line) {
	add := func(list []*pb.OrderMessage_Part) {
		for _, x := range list {
			lines = append(lines, order.Line{ID: x.Line, SKU: x.Sku, Quantity: x.Quantity})
		}
	}
	switch k := m.Kind.(type) {
	case *pb.OrderMessage_Placed_:
		lines = codec.Lines(k.Placed.Lines)
	case *pb.OrderMessage_Changed_:
		lines = codec.Lines(k.Changed.Lines)
	case *pb.OrderMessage_Shipped_:
		add(k.Shipped.Lines)
	case *pb.OrderMessage_Returned_:
		add(k.Returned.Lines)
	case *pb.OrderMessage_Inspected_:
		add(k.Inspected.Lines)
	case *pb.OrderMessage_Exchanged_:
		add(k.Exchanged.Returned.Lines)
		lines = append(lines, codec.Lines(k.Exchanged.Instead.Lines)...)
	}
	return lines
}
