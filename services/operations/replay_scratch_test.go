package operations_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/api"
	"github.com/stockfold/stockfold/services/operations"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/servicetest"
)

func TestAReplayFromScratchTakesThePlace(t *testing.T) {
	w := stocked(t)
	corrupt(t, w, "milk")
	d, err := w.Documents.Read(t.Context(), "tea")
	if err != nil {
		t.Fatal(err)
	}
	stranger := *d
	stranger.SKU = "stranger"
	progress, err := w.Documents.Progress(t.Context())
	if err := errors.Join(err, w.Documents.Write(t.Context(), []*availability.Document{&stranger}, progress)); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]pb.DriftKind{"milk": pb.DriftKind_DRIFT_KIND_DIFFERS, "stranger": pb.DriftKind_DRIFT_KIND_UNFOUNDED}
	for _, check := range []bool{true, true, false} {
		found, err := replay(t, w, &pb.ReplayRequest{FromScratch: true, Check: check})
		if err != nil || found.summary.Swapped == check || found.summary.Differences != 2 || found.summary.Skus != 5 || found.summary.Position == 0 {
			t.Fatalf("got %+v, %v", found, err)
		}
		for _, d := range found.differences {
			if d.Kind != kinds[d.Sku] || d.Mended {
				t.Errorf("difference %v", d)
			}
		}
		built := false
		for _, p := range found.progress {
			built = built || p.Stage == "build" && p.Done == p.Total && p.PerSecond > 0
		}
		if !built {
			t.Errorf("progress %v", found.progress)
		}
	}
	again, err := replay(t, w, &pb.ReplayRequest{FromScratch: true, Check: true})
	if err != nil || again.summary.Differences != 0 || again.summary.Skus != 4 || again.summary.Swapped {
		t.Errorf("after that: %+v, %v", again, err)
	}
	if ats := w.ATS("milk", w.Count("tea", 3)); ats != 10 {
		t.Errorf("milk: %d", ats)
	}
}

// It goes on serving, and taking in, while another read model takes its place.
func TestAReplayFromScratchUnderLoadLosesNothing(t *testing.T) {
	w := stocked(t)
	stop := make(chan struct{})
	counted := int64(0)
	var selling sync.WaitGroup
	selling.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			counted++
			if ats := w.ATS("milk", w.Count("milk", counted)); ats != counted {
				t.Errorf("milk: %d, was counted %d", ats, counted)
			}
			w.Count(fmt.Sprint("new ", counted), 1)
		}
	})
	for range 3 {
		found, err := replay(t, w, &pb.ReplayRequest{FromScratch: true})
		if err != nil || !found.summary.Swapped || found.summary.Differences != 0 {
			t.Errorf("got %+v, %v", found, err)
		}
	}
	close(stop)
	selling.Wait()
	settle(t, w)
	end, err := replay(t, w, &pb.ReplayRequest{FromScratch: true, Check: true})
	if err != nil || end.summary.Differences != 0 || end.summary.Skus != 4+counted {
		t.Errorf("in the end: %+v, %v; counted %d", end, err, counted)
	}
}

// A second read model that came too late, or lost something, is thrown away, and the first one stays.
func TestWhatCannotTakeThePlaceIsThrownAway(t *testing.T) {
	removed := make(chan struct{})
	w := servicetest.Start(t, servicetest.Options{Configure: func(c *api.Config) {
		replays := c.Operations.(*operations.Service).Replays
		begin := replays.Begin
		replays.Begin = func(ctx context.Context, check bool) (*operations.Second, error) {
			second, err := begin(ctx, check)
			if err == nil {
				remove := second.Remove
				second.Exchange = func(context.Context) error {
					return fmt.Errorf("%w: another replica was faster", availability.ErrNotExchanged)
				}
				second.Remove = func() error { close(removed); return remove() }
			}
			return second, err
		}
	}})
	w.Shop()
	token := w.Count("milk", 7)
	_, err := replay(t, w, &pb.ReplayRequest{FromScratch: true})
	servicetest.Refused(t, err, codes.Aborted, "NOT_EXCHANGED")
	<-removed
	if ats := w.ATS("milk", token); ats != 7 {
		t.Errorf("milk: %d", ats)
	}
	if found, err := replay(t, w, &pb.ReplayRequest{Check: true}); err != nil || found.summary.Differences != 0 {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestOneReplayAtATime(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	w := servicetest.Start(t, servicetest.Options{Configure: func(c *api.Config) {
		c.Operations = operations.New(operations.Config{Replays: &operations.Replays{Begin: func(context.Context, bool) (*operations.Second, error) {
			close(begun)
			<-goOn
			return nil, refusals.ErrStopping
		}}})
	}})
	var first sync.WaitGroup
	first.Go(func() {
		_, err := replay(t, w, &pb.ReplayRequest{FromScratch: true, Check: true})
		servicetest.Refused(t, err, codes.Unavailable, "STOPPING")
	})
	<-begun
	_, err := replay(t, w, &pb.ReplayRequest{Check: true})
	servicetest.Refused(t, err, codes.ResourceExhausted, "REPLAY_RUNNING")
	close(goOn)
	first.Wait()
}

func TestAReplicaWithoutReadModelsRefuses(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Configure: func(c *api.Config) { c.Operations = operations.New(operations.Config{}) }})
	_, err := replay(t, w, &pb.ReplayRequest{Check: true})
	servicetest.Refused(t, err, codes.FailedPrecondition, "NO_READ_MODEL")
}
