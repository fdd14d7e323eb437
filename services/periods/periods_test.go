package periods_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/periods"
	"github.com/stockfold/stockfold/services/servicetest"
)

// A rule for a time changes what is available when it begins and when it ends: at once in what is decided and read, and by an event, soon after, for
// those who watch.
func TestRulesBeginAndEndByThemselves(t *testing.T) {
	for name, rule := range map[string]*pb.SafetyRule{
		"of the SKU": {Sku: "milk", Quantity: 4}, "shared": {Location: "berlin", Quantity: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var ahead atomic.Int64
			begin := aggregates.At(time.Now())
			now := func() aggregates.Instant { return begin + aggregates.Instant(ahead.Add(1)) }
			w := servicetest.Start(t, servicetest.Options{Now: now})
			w.Shop()
			token := w.Count("milk", 10)
			hour := 3600 * aggregates.Second
			rule.From, rule.Until = timestamppb.New((begin + hour).Time()), timestamppb.New((begin + 2*hour).Time())
			put, err := w.PolicyClient().PutSafetyRule(t.Context(), &pb.PutSafetyRuleRequest{Rule: rule})
			if err != nil {
				t.Fatal(err)
			}
			process := periods.New(periods.Config{Directory: w.Policies, View: w.View, SKUs: w.SKUs, Rules: w.Rules, Now: now, Log: w.Log})
			round := func() {
				t.Helper()
				if err := process.Round(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if ats := w.ATS("milk", token); ats != 10 {
				t.Fatalf("before it is in force: %d", ats)
			}
			w.ATS("milk", put.Token)
			end := stored(t, w)
			if round(); stored(t, w) != end {
				t.Fatal("recorded before its time")
			}
			changes := watch(t, w)
			for _, x := range []int64{6, 10} {
				ahead.Add(int64(hour))
				if ats := w.ATS("milk", ""); ats != x {
					t.Fatalf("read before it is recorded: %d, want %d", ats, x)
				}
				round()
				if got := <-changes; got != x {
					t.Fatalf("watched %d, want %d", got, x)
				}
				recorded := stored(t, w)
				if round(); stored(t, w) != recorded {
					t.Fatal("recorded twice")
				}
			}
		})
	}
}

// stored is the position of the last event.
func stored(t *testing.T, w *servicetest.World) uint64 {
	t.Helper()
	end, err := w.Store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// watch yields the changes of milk's ATS from now on.
func watch(t *testing.T, w *servicetest.World) <-chan int64 {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := w.AvailabilityClient().WatchAvailability(ctx, &pb.WatchAvailabilityRequest{Channel: "web", ResumeToken: "now"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	changes := make(chan int64, 16)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			for _, a := range m.Availabilities {
				changes <- a.Ats
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return changes
}
