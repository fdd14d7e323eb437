package availability_test

import (
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/availability"
	"github.com/stockfold/stockfold/services/servicetest"
)

// serving is the service without a transport, and a request whose answer is in memory.
func serving(t testing.TB) (*availability.Service, *pb.GetAvailabilityRequest) {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	r := &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: w.Count("milk", 10)}
	s := availability.New(availability.Config{View: w.View, Channels: w.Policies, SKUs: w.SKUs, Tokens: w.Tokens})
	if _, err := s.GetAvailability(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Token = ""
	return s, r
}

func TestAnAnswerTakesOneAllocation(t *testing.T) {
	s, r := serving(t)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.GetAvailability(ctx, r) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGetAvailability(b *testing.B) {
	s, r := serving(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.GetAvailability(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
