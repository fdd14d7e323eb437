package availability_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/projections/availability"
)

func TestWatchEndsWithItsContext(t *testing.T) {
	s := shop(t)
	v := s.watch("web", availability.FromNow)
	v.next()
	gone := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, _, _, err := v.Next(ctx); !errors.Is(err, gone) {
		t.Fatalf("got %v", err)
	}
	s.SKU(t, "shoe", received("berlin", 3))
	v.until("shoe", 3) // and can be gone on with
}

func TestWatchesAreBounded(t *testing.T) {
	s := shop(t)
	if _, err := s.Watch(t.Context(), "web", make([]string, availability.MaxWatchedSKUs+1), 0); err == nil {
		t.Fatal("too many SKUs were accepted")
	}
	var all []*availability.Watcher
	for range availability.MaxWatchers {
		w, err := s.Watch(t.Context(), "web", []string{"shoe"}, availability.FromNow)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	if _, err := s.Watch(t.Context(), "web", nil, 0); !errors.Is(err, availability.ErrTooManyWatchers) {
		t.Fatalf("got %v", err)
	}
	for _, w := range all {
		w.Close()
		w.Close()
	}
	w, err := s.Watch(t.Context(), "web", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

// An idle watcher takes less than 50 KB, the goroutine that waits included: 10,000 take less than 500 MB.
func TestIdleWatchersCostLittle(t *testing.T) {
	s := shop(t)
	for i := range 100 {
		s.SKU(t, fmt.Sprint(i), received("berlin", 5))
	}
	s.seen()
	const watchers = 2_000
	before := memory()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting, first sync.WaitGroup
	first.Add(watchers)
	for i := range watchers {
		v, err := s.Watch(ctx, "web", []string{fmt.Sprint(i % 100), fmt.Sprint("other ", i)}[:2*(i%2)], availability.FromStart)
		if err != nil {
			t.Fatal(err)
		}
		waiting.Go(func() {
			defer v.Close()
			told := false
			for {
				_, _, caughtUp, err := v.Next(ctx)
				if err != nil {
					return
				}
				if caughtUp && !told {
					told = true
					first.Done()
				}
			}
		})
	}
	first.Wait()
	if each := (memory() - before) / watchers; each > 50_000 {
		t.Errorf("%d bytes each", each)
	} else {
		t.Logf("%d bytes each", each)
	}
	cancel()
	waiting.Wait()
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
