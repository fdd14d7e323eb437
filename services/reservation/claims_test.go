package reservation

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

// given is claims with a clock and an index that a test moves.
type given struct {
	claims
	clock aggregates.Instant
	index uint64
}

func newClaims() *given {
	g := &given{clock: 1_000_000}
	g.claims = claims{byID: make(map[string]*claim), now: func() aggregates.Instant { return g.clock }, seen: func() uint64 { return g.index }}
	return g
}

func (g *given) must(t *testing.T, id, sku string) {
	t.Helper()
	if err := g.take(id, sku); err != nil {
		t.Fatal(err)
	}
}

func (g *given) mustNot(t *testing.T, id, sku string) {
	t.Helper()
	var reused *stock.KeyReusedError
	if err := g.take(id, sku); !errors.As(err, &reused) || reused.Key != id {
		t.Fatalf("got %v", err)
	}
}

func TestAClaimEndsWhenTheIndexKnows(t *testing.T) {
	g := newClaims()
	g.must(t, "r", "milk")
	g.mustNot(t, "r", "bread")
	g.settle("r", recorded, 7)
	g.mustNot(t, "r", "bread")
	if sku, ok := g.sku("r"); !ok || sku != "milk" {
		t.Errorf("claimed for %q, %t", sku, ok)
	}
	g.index = 6
	g.mustNot(t, "r", "bread")
	g.index = 7
	g.must(t, "r", "bread")
}

func TestAClaimEndsAtOnceWhenNothingWasRecorded(t *testing.T) {
	g := newClaims()
	g.must(t, "r", "milk")
	g.settle("r", refused, 0)
	g.must(t, "r", "bread")
}

func TestAClaimOfUnknownOutcomeIsKeptForAWhile(t *testing.T) {
	g := newClaims()
	g.must(t, "r", "milk")
	g.settle("r", doubtful, 0)
	g.index = 1 << 40
	g.mustNot(t, "r", "bread")
	g.clock = g.clock.Add(doubtKept)
	g.must(t, "r", "bread")
}

func TestSeveralCallsShareAClaim(t *testing.T) {
	g := newClaims()
	g.must(t, "r", "milk")
	g.must(t, "r", "milk")
	g.settle("r", refused, 0)
	g.mustNot(t, "r", "bread")
	g.settle("r", recorded, 3)
	g.mustNot(t, "r", "bread")
	g.index = 3
	g.must(t, "r", "bread")
}

func TestClaimsAreBounded(t *testing.T) {
	g := newClaims()
	for i := range maxClaims {
		g.must(t, fmt.Sprint(i), "milk")
	}
	if err := g.take("more", "milk"); !errors.Is(err, commands.ErrOverloaded) {
		t.Errorf("got %v", err)
	}
	for i := range maxClaims {
		g.settle(fmt.Sprint(i), recorded, uint64(i))
	}
	g.index = maxClaims
	g.must(t, "more", "milk")
	if len(g.byID) != 1 || len(g.placed) != 0 {
		t.Errorf("%d claims, %d in the queue", len(g.byID), len(g.placed))
	}
}

func TestKeysOfOperationsNeverMeet(t *testing.T) {
	keys := []string{
		callKey("release", "a", "b:c"), callKey("release", "a:b", "c"), callKey("fulfil", "a", "b:c"),
		callKey("release", "1:a", "c"), restKey("release", "a"), restKey("fulfil", "a"), onceKey("extend", "a"), onceKey("extend", "a"),
	}
	seen := map[string]bool{}
	for _, k := range keys {
		if seen[k] {
			t.Errorf("%q twice", k)
		}
		seen[k] = true
	}
}
