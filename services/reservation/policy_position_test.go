package reservation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

var places = []string{"berlin", "hamburg", "köln", "munich"}

// changeRules changes one rule or another of the channels, the locations or all of them.
func changeRules(t *testing.T, w *servicetest.World, r *rand.Rand) {
	t.Helper()
	var err error
	c, ctx := w.PolicyClient(), t.Context()
	place := places[r.IntN(len(places))]
	switch r.IntN(6) {
	case 0:
		_, err = c.PutLocation(ctx, &pb.PutLocationRequest{Location: &pb.Location{LocationId: place, Kind: []string{"dc", "store"}[r.IntN(2)],
			Disabled: r.IntN(3) == 0}})
	case 1:
		order := r.Perm(len(places))[:2+r.IntN(3)]
		sourcing := make([]string, len(order))
		for i, n := range order {
			sourcing[i] = places[n]
		}
		_, err = c.PutChannel(ctx, &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: []string{"web", "store"}[r.IntN(2)], Sourcing: sourcing,
			Buffer: int64(r.IntN(3)), Strategy: pb.SourcingStrategy(r.IntN(3))}})
	case 2, 3:
		_, err = c.PutSafetyRule(ctx, &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Location: place, Quantity: int64(r.IntN(6))}})
	case 4:
		_, err = c.PutFulfilmentRule(ctx, &pb.PutFulfilmentRuleRequest{Rule: &pb.FulfilmentRule{Method: "ship", Kinds: []string{"dc", "store"}[:1+r.IntN(2)]}})
	case 5:
		_, err = c.PutSafetyRule(ctx, &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Sku: "milk", Location: place, Quantity: int64(1 + r.IntN(4))}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever folds the policies up to the position that a reservation names, and the SKU's stream up to its event, comes to the same decision.
func TestADecisionFollowsAgainFromThePolicyItNames(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 98))
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	for _, l := range places {
		w.Location(l)
	}
	w.Channel("web", places...)
	w.Channel("store", places[0], places[1])
	asked := map[string]stock.ReserveRequest{}
	for i := range 300 {
		clock.Advance(time.Millisecond)
		switch r.IntN(4) {
		case 0:
			changeRules(t, w, r)
		case 1:
			w.Move(&pb.Movement{Sku: "milk", Location: places[r.IntN(4)], Quantity: int64(r.IntN(30)), Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
		default:
			id := fmt.Sprintf("cart-%d", i)
			q := &pb.ReserveRequest{ReservationId: id, Sku: "milk", Channel: []string{"web", "store"}[r.IntN(2)], Quantity: int64(1 + r.IntN(5)),
				HoldSeconds: 60, Method: []string{"", "ship"}[r.IntN(2)]}
			asked[id] = stock.ReserveRequest{ReservationID: id, Quantity: q.Quantity, HoldSeconds: 60, Method: q.Method}
			answer, err := w.ReservationClient().Reserve(t.Context(), q)
			if err == nil && answer.Reservation.PolicyPosition == 0 {
				t.Fatal("a reservation does not say under which rules it was decided")
			}
		}
	}
	decided, otherwise := replay(t, w, asked)
	if decided < 30 || otherwise == 0 {
		t.Fatalf("%d decisions were made again, %d of which come out otherwise under the latest rules: this proves nothing", decided, otherwise)
	}
}

// replay decides each reservation again, and counts them, and those that would be decided otherwise under the latest policies.
func replay(t *testing.T, w *servicetest.World, asked map[string]stock.ReserveRequest) (decided, otherwise int) {
	t.Helper()
	var s stock.State
	end, err := w.Store.End(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	stream(t, w, aggregates.SKUPrefix+"milk", end, func(e aggregates.Event, m aggregates.Metadata) {
		if placed, ok := e.(*stock.ReservationPlaced); ok {
			q := asked[placed.ReservationID]
			_, again, err := stock.Reserve(&s, q, m, policyAsOf(t, w, placed.Channel, placed.PolicyPosition), m.RecordedAt)
			if err != nil || len(again) != 1 || !slices.Equal(again[0].(*stock.ReservationPlaced).Splits, placed.Splits) {
				t.Fatalf("%+v, as of position %d, is decided again as %+v, %v", placed, placed.PolicyPosition, again, err)
			}
			decided++
			_, again, err = stock.Reserve(&s, q, m, policyAsOf(t, w, placed.Channel, end), m.RecordedAt)
			if err != nil || !slices.Equal(again[0].(*stock.ReservationPlaced).Splits, placed.Splits) {
				otherwise++
			}
		}
		s.Evolve(e, m)
	})
	return decided, otherwise
}

// policyAsOf folds what a channel's policy follows from, up to a position.
func policyAsOf(t *testing.T, w *servicetest.World, id string, position uint64) *stock.Policy {
	var c channel.State
	var shared rules.State
	stream(t, w, aggregates.ChannelPrefix+id, position, c.Evolve)
	stream(t, w, aggregates.PolicyPrefix+aggregates.SharedRules, position, shared.Evolve)
	return policies.Resolve(id, &c, &shared, func(place string) (l location.State) {
		stream(t, w, aggregates.LocationPrefix+place, position, l.Evolve)
		return l
	}, func(string) *time.Location { return time.UTC })
}

func stream(t *testing.T, w *servicetest.World, name string, until uint64, each func(aggregates.Event, aggregates.Metadata)) {
	t.Helper()
	err := w.Store.ReadStream(context.Background(), name, 0, func(r aggregates.Record) bool {
		if r.Position > until {
			return false
		}
		e, m, err := codec.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		each(e, m)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}
