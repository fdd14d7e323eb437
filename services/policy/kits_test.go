package policy_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

// kit makes a kit of pairs of SKU and quantity.
func kit(sku string, pairs ...any) *pb.Kit {
	k := &pb.Kit{Sku: sku}
	for i := 0; i < len(pairs); i += 2 {
		k.Components = append(k.Components, &pb.KitComponent{Sku: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	return k
}

func putKit(w *servicetest.World, ctx context.Context, k *pb.Kit) (*pb.PutKitResponse, error) {
	return w.PolicyClient().PutKit(ctx, &pb.PutKitRequest{Kit: k, Actor: "merchandiser"})
}

// crockery is a shop with cups and pots.
func crockery(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("cup", 10)
	w.Count("pot", 3)
	return w
}

// madeOf is what a SKU is made of, and what is made of it, as GetKit shows it.
func madeOf(t *testing.T, w *servicetest.World, sku, token string) string {
	t.Helper()
	answer, err := w.PolicyClient().GetKit(t.Context(), &pb.GetKitRequest{Sku: sku, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("v%d", answer.Kit.Version)
	for _, c := range answer.Kit.Components {
		text += fmt.Sprintf(" %dx%s", c.Quantity, c.Sku)
	}
	return text + " in " + strings.Join(answer.ComponentOf, ",")
}

func TestAKitIsPutChangedAndEnded(t *testing.T) {
	w := crockery(t)
	for _, x := range []struct {
		kit            *pb.Kit
		set, cup, spot string
	}{
		{kit("tea set", "pot", 1, "cup", 4), "v1 4xcup 1xpot in ", "v0 in tea set", "v0 in tea set"},
		{kit("tea set", "cup", 4, "pot", 1), "v1 4xcup 1xpot in ", "v0 in tea set", "v0 in tea set"}, // again
		{kit("tea set", "cup", 6), "v2 6xcup in ", "v0 in tea set", "v0 in "},
		{kit("tea set"), "v3 in ", "v0 in ", "v0 in "},
		{kit("tea set"), "v3 in ", "v0 in ", "v0 in "},
		{kit("tea set", "pot", 1), "v4 1xpot in ", "v0 in ", "v0 in tea set"},
	} {
		answer, err := putKit(w, t.Context(), x.kit)
		if err != nil {
			t.Fatal(err)
		}
		for sku, want := range map[string]string{"tea set": x.set, "cup": x.cup, "pot": x.spot} {
			if got := madeOf(t, w, sku, answer.Token); got != want {
				t.Errorf("after %v: %s is %q, expected %q", x.kit, sku, got, want)
			}
		}
	}
}

func TestWhatIsWrongWithAKitIsSaid(t *testing.T) {
	w := crockery(t)
	if _, err := putKit(w, t.Context(), kit("tea set", "cup", 4, "pot", 1)); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		kit    *pb.Kit
		code   codes.Code
		reason string
		named  string
	}{
		{kit("box", "cup", 1, "saucer", 1), codes.NotFound, "UNKNOWN_SKU", "saucer"},
		{kit("box", "tea set", 1), codes.FailedPrecondition, "KIT_NESTED", "tea set"},
		{kit("cup", "pot", 1), codes.FailedPrecondition, "KIT_NESTED", "tea set"},
	} {
		_, err := putKit(w, t.Context(), x.kit)
		if facts := servicetest.Refused(t, err, x.code, x.reason); facts["sku"] != x.named && facts["kit"] != x.named && facts["component"] != x.named {
			t.Errorf("%v: got %v, expected %q to be named", x.kit, facts, x.named)
		}
	}
	w.Count("plate", 5)
	_, err := putKit(w, t.Context(), kit("plate", "pot", 1))
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "KIT_HOLDS_STOCK"); facts["quantity"] != "5" {
		t.Errorf("got %v", facts)
	}
	for field, k := range map[string]*pb.Kit{
		"kit": nil, "kit.sku": kit("", "cup", 1), "kit.components[0].quantity": kit("box", "cup", 0), "kit.components[0].sku": kit("box", "box", 1),
		"kit.components": {Sku: "box", Components: make([]*pb.KitComponent, stock.MaxComponents+1)},
	} {
		if k != nil && len(k.Components) > stock.MaxComponents {
			for i := range k.Components {
				k.Components[i] = &pb.KitComponent{Sku: fmt.Sprint(i), Quantity: 1}
			}
		}
		if _, err := putKit(w, t.Context(), k); servicetest.Fields(err)[field] == "" {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestMovementsOfAKitAreRejected(t *testing.T) {
	w := crockery(t)
	if _, err := putKit(w, t.Context(), kit("tea set", "cup", 4, "pot", 1)); err != nil {
		t.Fatal(err)
	}
	answer, err := w.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{{MovementId: "m", Source: "wms",
		Sku: "tea set", Location: "berlin", Quantity: 3, OccurredAt: codec.Timestamp(w.Now()), Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if r := answer.Results[0]; r.Status != pb.MovementResult_STATUS_DEAD_LETTERED || r.Reason != "KIT_HOLDS_NO_STOCK" {
		t.Errorf("got %v", r)
	}
}

// However many define kits of each other at once, none is made of a kit in the end; and what was given up on the way keeps nobody
// from defining what is right.
func TestKitsThatAreDefinedAtOnceAreNotNested(t *testing.T) {
	w := crockery(t)
	skus := []string{"a", "b", "c", "d"}
	for _, sku := range skus {
		if _, err := w.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: sku}}); err != nil {
			t.Fatal(err)
		}
	}
	var running sync.WaitGroup
	for round := range 30 {
		for i, sku := range skus {
			running.Go(func() {
				other := skus[(i+1+round%3)%len(skus)]
				k := kit(sku, other, 1, "cup", 1)
				if round%5 == 4 {
					k = kit(sku)
				}
				_, err := putKit(w, t.Context(), k)
				if code := status.Code(err); code != codes.OK && code != codes.FailedPrecondition && code != codes.Aborted {
					t.Error(err)
				}
			})
		}
		running.Wait()
		for _, sku := range skus {
			for _, c := range bundle(t, w, sku).Components {
				if len(bundle(t, w, c.SKU).Components) > 0 {
					t.Fatalf("round %d: kit %s is made of kit %s", round, sku, c.SKU)
				}
			}
		}
	}
	for _, sku := range skus {
		if _, err := putKit(w, t.Context(), kit(sku)); err != nil {
			t.Fatal(err)
		}
	}
	for _, sku := range skus {
		if _, err := putKit(w, t.Context(), kit(sku, "cup", 2)); err != nil {
			t.Error(err)
		}
	}
}

type lookAt struct{ found stock.Bundle }

func (l *lookAt) Decide(s *stock.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	if b := s.Bundle(); b != nil {
		l.found = *b
	}
	return nil, nil
}

func bundle(t *testing.T, w *servicetest.World, sku string) stock.Bundle {
	t.Helper()
	var l lookAt
	if _, err := w.SKUs.Do(t.Context(), sku, aggregates.Metadata{IdempotencyKey: "read"}, &l); err != nil {
		t.Fatal(err)
	}
	return l.found
}

// A definition that a message brings counts once, and one that its source has outdated counts not at all; components that it names stay
// what they were then.
func TestKitsComeByMessages(t *testing.T) {
	w := crockery(t)
	put := func(k *pb.Kit) *pb.PutKitRequest { return &pb.PutKitRequest{Kit: k} }
	one, two := said(t, w, "m1", 1, "PutKit", put(kit("tea set", "pot", 1))), said(t, w, "m2", 2, "PutKit", put(kit("tea set", "cup", 4)))
	w.Ingest(ingest.TopicPolicy, 0, two, one, two)
	for sku, want := range map[string]string{"tea set": "v1 4xcup in ", "cup": "v0 in tea set", "pot": "v0 in "} {
		if got := madeOf(t, w, sku, tokenOf(t, w)); got != want {
			t.Errorf("%s is %q, expected %q", sku, got, want)
		}
	}
	if list := letters(t, w); len(list) != 0 {
		t.Errorf("dead letters: %v", list)
	}
	w.Ingest(ingest.TopicPolicy, 3, said(t, w, "m3", 3, "PutKit", put(kit("box", "tea set", 1))), said(t, w, "m4", 4, "PutKit", put(kit("pot", "cup", 1))))
	reasons := map[string]bool{}
	for _, l := range letters(t, w) {
		reasons[l.Reason] = true
	}
	if !reasons["KIT_NESTED"] || !reasons["KIT_HOLDS_STOCK"] {
		t.Errorf("got %v", reasons)
	}
}
