package replicas

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func received(id string, quantity int64) *pb.Event {
	return &pb.Event{RecordedAt: timestamppb.New(noon), Source: &pb.Source{MessageId: id},
		Payload: &pb.Event_StockReceived{StockReceived: &pb.StockReceived{Location: warehouse, Quantity: quantity}}}
}

func placed(id string, quantity int64, at, ends time.Time) *pb.Event {
	return &pb.Event{RecordedAt: timestamppb.New(at), Payload: &pb.Event_ReservationPlaced{ReservationPlaced: &pb.ReservationPlaced{ReservationId: id,
		Quantity: quantity, ExpiresAt: timestamppb.New(ends), Splits: []*pb.Split{{Location: warehouse, Quantity: quantity}}}}}
}

// The audit finds what it is there to find: each history differs from the good one by one fault.
func TestTheAuditFindsFaults(t *testing.T) {
	later := noon.Add(time.Hour)
	good := []*pb.Event{received("delivery", 3), placed("a", 2, noon, later), placed("b", 1, noon, later)}
	for name, c := range map[string]struct {
		history []*pb.Event
		want    row
		over    int
	}{
		"nothing":                  {good, row{}, 0},
		"a reservation lost":       {good[:2], row{lost: 1}, 0},
		"a delivery lost":          {good[1:], row{lost: 1}, 3},
		"a delivery counted twice": {append([]*pb.Event{good[0]}, good...), row{doubled: 1}, 0},
		"one more than there is":   {append([]*pb.Event{received("delivery", 2)}, good[1:]...), row{}, 1},
		"a refused one placed":     {append(good[:3:3], placed("refused", 1, noon, later)), row{unwarranted: 1}, 1},
		"an ended hold given away": {[]*pb.Event{received("delivery", 2), placed("a", 2, noon, noon.Add(time.Second)), placed("b", 1, later, later)}, row{}, 0},
	} {
		l := &ledger{}
		l.fact(fact{id: "delivery", sku: "milk", location: warehouse, change: 3, by: byRPC, told: acknowledged})
		l.cart(cart{id: "a", sku: "milk", quantity: 2, placed: acknowledged})
		l.cart(cart{id: "b", sku: "milk", quantity: 1, placed: acknowledged})
		l.cart(cart{id: "refused", sku: "milk", quantity: 1, placed: refused})
		found := examine(l, map[string][]*pb.Event{"milk": c.history})
		got := found.total()
		if (row{lost: got.lost, doubled: got.doubled, unwarranted: got.unwarranted}) != c.want || found.oversold != c.over {
			t.Errorf("%s: got %+v and %d oversold", name, got, found.oversold)
		}
	}
}
