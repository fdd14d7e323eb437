package availability_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// unpublished stores what is written and, while it is closed, does not say so yet.
type unpublished struct {
	availability.ReadModel
	closed atomic.Bool
	stored chan struct{} // something was, while closed
	gate   chan struct{}
}

func (m *unpublished) Write(ctx context.Context, list []*availability.Document, p projections.Progress) error {
	err := m.ReadModel.Write(ctx, list, p)
	if m.closed.Load() && len(list) > 0 {
		select {
		case m.stored <- struct{}{}:
			<-m.gate
		case <-m.gate:
		}
	}
	return err
}

// A watcher that was told of a document before it was published is not told what was published before.
func TestAWatcherOfAllIsNeverToldAnOlderValue(t *testing.T) {
	s := prepare(t)
	model := &unpublished{stored: make(chan struct{}), gate: make(chan struct{})}
	s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
	s.cache = 1
	s.run()
	open := sync.OnceFunc(func() { model.closed.Store(false); close(model.gate) })
	s.Cleanup(open)
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	v := s.watch("web", availability.FromStart) // begins here, and reads later
	s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	for i := range 2000 {
		s.SKU(t, fmt.Sprint("other ", i), received("berlin", 1))
	}
	s.seen()
	model.closed.Store(true)
	s.SKU(t, "shoe", received("berlin", 1))
	<-model.stored
	for i := range 2000 { // nothing else stays in memory
		s.want(fmt.Sprint("other ", i), "web", 1)
	}
	for v.values["web shoe"].ATS != 3 {
		v.next()
	}
	for !v.caughtUp {
		v.next() // fails when a value is older than one before
	}
	open()
	s.SKU(t, "shoe", received("berlin", 1))
	v.until("shoe", 4)
}
