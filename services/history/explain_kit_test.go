package history_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// components is what an explanation says of a kit's components.
func components(answer *pb.ExplainAvailabilityResponse) (text string) {
	for _, c := range answer.Components {
		text += fmt.Sprintf("%dx%s of %d: %d %v;", c.Quantity, c.Sku, c.Ats, c.Kits, c.Limits)
	}
	return text
}

func TestAKitIsExplainedByItsComponents(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	w.Count("cup", 10)
	w.Count("pot", 3)
	w.Kit("set", "cup", 4, "pot", 1)
	before := clock.Now()
	clock.Advance(time.Minute)
	w.Count("pot", 1)
	ask := &pb.ExplainAvailabilityRequest{Sku: "set", Channel: "web"}
	if now := explained(t, w, ask); now.Ats != 1 || components(now) != "4xcup of 10: 2 false;1xpot of 1: 1 true;" {
		t.Errorf("got %d, %s", now.Ats, components(now))
	}
	ask.At = codec.Timestamp(before)
	if then := explained(t, w, ask); then.Ats != 2 || components(then) != "4xcup of 10: 2 true;1xpot of 3: 3 false;" {
		t.Errorf("got %d, %s", then.Ats, components(then))
	}
	for _, x := range []struct {
		rule *pb.SellingRule
		step string
	}{{&pb.SellingRule{Sku: "set", Unsold: true}, "NOT_SOLD"}, {&pb.SellingRule{Sku: "set", ReleaseAt: timestamppb.New(clock.Now().Time().Add(time.Hour))}, "NOT_RELEASED"}} {
		if _, err := w.PolicyClient().PutSellingRule(t.Context(), &pb.PutSellingRuleRequest{Rule: x.rule}); err != nil {
			t.Fatal(err)
		}
		if a := explained(t, w, &pb.ExplainAvailabilityRequest{Sku: "set", Channel: "web"}); a.Ats != 0 || a.Steps[len(a.Steps)-1].Step != x.step {
			t.Errorf("got %v", a.Steps)
		}
	}
}

// Whatever happened: the steps of a kit add up to what a strong read answers, and that is the lowest of what its components allow.
func TestTheExplanationOfAKitIsItsAnswer(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	random := rand.New(rand.NewPCG(5, 5))
	w.Count("cup", 40)
	w.Count("pot", 20)
	w.Kit("set", "cup", 3, "pot", 1)
	for i := range 60 {
		switch random.IntN(4) {
		case 0:
			w.Count([...]string{"cup", "pot"}[random.IntN(2)], random.Int64N(60))
		default:
			_, _ = w.Reserve(fmt.Sprint("cart ", i), [...]string{"cup", "pot", "set"}[random.IntN(3)], 1+random.Int64N(3))
		}
		a := explained(t, w, &pb.ExplainAvailabilityRequest{Sku: "set", Channel: "web"})
		answer, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "set", Channel: "web", Consistency: pb.Consistency_CONSISTENCY_STRONG})
		if err != nil {
			t.Fatal(err)
		}
		fewest := min(a.Components[0].Kits, a.Components[1].Kits)
		if a.Ats != answer.Availability.Ats || a.Ats != fewest || a.Components[0].Kits != a.Components[0].Ats/3 {
			t.Fatalf("explained %d by %s, answered %d", a.Ats, components(a), answer.Availability.Ats)
		}
	}
}
