package availability_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// lossy is a read model that can lose everything. What is written after that waits until it is let through.
type lossy struct {
	availability.ReadModel
	lost chan struct{} // takes one for each loss
	held atomic.Bool   // writes wait
}

func (l *lossy) Watch(ctx context.Context) error {
	select {
	case <-l.lost:
		return errors.New("it is empty")
	case <-ctx.Done():
		return nil
	}
}

func (l *lossy) Write(ctx context.Context, documents []*availability.Document, p projections.Progress) error {
	for l.held.Load() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return l.ReadModel.Write(ctx, documents, p)
}

func TestWhatALossTookIsNotReadUntilItIsBack(t *testing.T) {
	s, model := prepare(t), &lossy{lost: make(chan struct{}, 1)}
	s.wrap = func(m availability.ReadModel) availability.ReadModel {
		model.ReadModel = m
		return model
	}
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.SKU(t, "shoe", received("berlin", 5))
	s.SKU(t, "sock", received("berlin", 7))
	last := s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	s.want("shoe", "web", 6)
	v := s.watch("web", availability.FromStart)
	v.settled()

	model.held.Store(true)
	if err := model.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	model.lost <- struct{}{}
	for s.Position() != 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := s.Get(t.Context(), "shoe", "web"); !errors.Is(err, availability.ErrUnreadable) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Stock(t.Context(), "sock"); !errors.Is(err, availability.ErrUnreadable) {
		t.Errorf("stock: %v", err)
	}
	if _, err := s.Scan(t.Context(), "", 10); !errors.Is(err, availability.ErrUnreadable) {
		t.Errorf("scan: %v", err)
	}
	model.held.Store(false)
	s.seen()
	if a := s.want("shoe", "web", 6); a.Position != last {
		t.Errorf("got %+v", a)
	}
	for range 3 {
		ctx, done := context.WithTimeout(t.Context(), 10*time.Millisecond)
		changes, _, _, err := v.Next(ctx)
		done()
		if err != nil && !errors.Is(err, availability.ErrUnreadable) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		for _, a := range changes {
			if a.SKU == "shoe" && a.Position < last {
				t.Errorf("the watcher went back: %+v", a)
			}
		}
	}
	s.SKU(t, "shoe", received("berlin", 1))
	again := s.watch("web", availability.FromStart, "shoe")
	again.until("shoe", 7)
}

// stalled is a read model whose answer to one read is on its way for as long as the test wants.
type stalled struct {
	lossy
	armed          atomic.Bool
	read, released chan struct{}
}

func (m *stalled) Read(ctx context.Context, sku string) (*availability.Document, error) {
	d, err := m.lossy.Read(ctx, sku)
	if m.armed.CompareAndSwap(true, false) {
		close(m.read)
		<-m.released
	}
	return d, err
}

// An answer of a model that had lost something is not given out though all was found and mended while it was on its way.
func TestAnAnswerThatALossOvertookIsNotGiven(t *testing.T) {
	s, model := prepare(t), &stalled{lossy: lossy{lost: make(chan struct{}, 1)}, read: make(chan struct{}), released: make(chan struct{})}
	s.cache = 1
	s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	last := s.SKU(t, "shoe", received("berlin", 5))
	for i := range 1000 { // take the place in the cache
		s.SKU(t, fmt.Sprint("sock ", i), received("berlin", 7))
	}
	s.seen()
	if err := model.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	model.armed.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, err := s.Get(t.Context(), "shoe", "web")
		if err == nil && a.Position < last || err != nil && !errors.Is(err, availability.ErrUnreadable) {
			t.Errorf("got %+v, %v; position %d was readable before", a, err, last)
		}
	}()
	<-model.read
	before := s.Loads()
	model.lost <- struct{}{}
	for s.Loads() == before {
		time.Sleep(time.Millisecond)
	}
	s.SKU(t, "cap", received("berlin", 1))
	s.seen()
	close(model.released)
	<-done
	s.want("shoe", "web", 5)
}

func TestAnswersSayHowCurrentTheyAre(t *testing.T) {
	s := shop(t)
	began := time.Now()
	s.SKU(t, "shoe", received("berlin", 5))
	s.seen()
	for {
		a := s.want("shoe", "web", 5)
		if a.From != availability.FromModel {
			t.Fatalf("from %v", a.From)
		}
		if a.CurrentAt.Time().After(began) {
			if a.CurrentAt.Time().After(time.Now()) {
				t.Errorf("current at %v", a.CurrentAt.Time())
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}
