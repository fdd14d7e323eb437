package availability_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// What a batch says of a SKU is what a single answer says of it, whatever was kept from answers before: after movements, reservations, kits, rules that begin and
// end with time, and channels that are defined anew.
func TestABatchSaysWhatSingleAnswersSay(t *testing.T) {
	var ahead atomic.Int64
	begin := aggregates.At(time.Now())
	w := servicetest.Start(t, servicetest.Options{Now: func() aggregates.Instant { return begin + aggregates.Instant(ahead.Add(1)) }})
	w.Shop()
	r := rand.New(rand.NewPCG(7, 7))
	skus := []string{"unknown"}
	for i := range 12 {
		skus = append(skus, fmt.Sprint("sku-", i))
		w.Count(skus[i+1], 20)
	}
	w.Kit("set", "sku-0", 1, "sku-1", 2)
	skus = append(skus, "set")
	const hour = 3600 * aggregates.Second
	token, reserved := "", 0
	for round := range 300 {
		sku := skus[1+r.IntN(12)]
		switch r.IntN(8) {
		case 0, 1:
			token = w.Count(sku, r.Int64N(30))
		case 2, 3:
			reserved++
			if made, err := w.Reserve(fmt.Sprint("r", reserved), sku, 1+r.Int64N(3)); err == nil {
				token = made.Token
			}
		case 4:
			now := begin + aggregates.Instant(ahead.Load())
			put, err := w.PolicyClient().PutSafetyRule(t.Context(), &pb.PutSafetyRuleRequest{Rule: &pb.SafetyRule{Sku: sku, Quantity: r.Int64N(5),
				From: timestamppb.New((now + hour).Time()), Until: timestamppb.New((now + 2*hour).Time())}})
			if err != nil {
				t.Fatal(err)
			}
			token = put.Token
		case 5:
			put, err := w.PolicyClient().PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}, Buffer: r.Int64N(3)}})
			if err != nil {
				t.Fatal(err)
			}
			token = put.Token
		case 6:
			ahead.Add(int64(hour))
		}
		for range 2 { // the second time from what is kept
			compareBatch(t, w, round, skus, token)
		}
	}
}

// compareBatch asks for SKUs together, before and after one by one: nothing is recorded meanwhile, but values that time changes may differ between.
func compareBatch(t *testing.T, w *servicetest.World, round int, skus []string, token string) {
	t.Helper()
	client := w.AvailabilityClient()
	many, err := client.BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Channel: "web", Skus: skus, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if len(many.Availabilities) != len(skus) {
		t.Fatalf("%d answers for %d SKUs", len(many.Availabilities), len(skus))
	}
	for i, got := range many.Availabilities {
		one, err := client.GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Channel: "web", Sku: skus[i], Token: token})
		if err != nil {
			t.Fatal(err)
		}
		want := one.Availability
		if got.CurrentAt == nil || want.CurrentAt == nil {
			t.Fatalf("round %d: not said up to when it is current: %v, %v", round, got, want)
		}
		got.CurrentAt, want.CurrentAt = nil, nil
		if !proto.Equal(got, want) {
			t.Fatalf("round %d: the batch says %v, the single answer %v", round, got, want)
		}
	}
}
