package main

import (
	"strings"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func TestEventsAreToldInShort(t *testing.T) {
	long := strings.Repeat("x", 2*maxEventText)
	for want, e := range map[string]*pb.Event{
		"location 367, condition damaged, counted 36, delta -2": {Payload: &pb.Event_StockCounted{StockCounted: &pb.StockCounted{
			Location: "367", Condition: pb.Condition_CONDITION_DAMAGED, Counted: 36, Delta: -2}}},
		"reservation id cart-1, channel web, quantity 2": {Payload: &pb.Event_ReservationPlaced{ReservationPlaced: &pb.ReservationPlaced{
			ReservationId: "cart-1", Channel: "web", Quantity: 2, Splits: []*pb.Split{{Location: "367", Quantity: 2}}}}},
		"location " + long:          {Payload: &pb.Event_StockSold{StockSold: &pb.StockSold{Location: long, Quantity: 2}}},
		"location dc, condition 99": {Payload: &pb.Event_StockCounted{StockCounted: &pb.StockCounted{Location: "dc", Condition: 99}}},
		"":                          {},
	} {
		if got := eventText(e); got != want {
			t.Errorf("%v is told as %q, want %q", e, got, want)
		}
	}
}
