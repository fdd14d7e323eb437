package availability_test

import (
	"context"
	"testing"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// ahead is a read model that another process keeps as well: its documents are newer than the progress that this process
// goes on from.
type ahead struct {
	availability.ReadModel
	progress projections.Progress
}

func (a *ahead) Progress(context.Context) (projections.Progress, error) { return a.progress, nil }

// A replica that others are ahead of finds their documents in the read model that they share, with events that are still
// before it. Those who watch it hear of what changed all the same.
func TestWatchersHearOfWhatAnotherReplicaWroteFirst(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 5))
	s.SKU(t, "sock", received("berlin", 2))
	s.seen()
	progress, err := s.db.Availability().Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.SKU(t, "shoe", received("berlin", 1))
	s.SKU(t, "sock", received("berlin", 1))
	s.seen()
	s.stop()
	s.wrap = func(m availability.ReadModel) availability.ReadModel { return &ahead{m, progress} }
	s.run()
	s.seen()
	v, one := s.watch("web", progress.Position), s.watch("web", progress.Position, "sock")
	v.until("shoe", 6)
	v.until("sock", 3)
	one.until("sock", 3)
}
