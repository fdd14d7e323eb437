package availability_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/projections/availability"
)

// place keeps how far a self-check has come, and which SKUs were saved one after the other.
type place struct {
	mu    sync.Mutex
	sku   string
	at    uint64
	all   []string
	stop  func() // called with the next SKU saved, when set
	fails bool
}

func (p *place) Load(context.Context) (string, uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails {
		return "", 0, errors.New("it is gone")
	}
	return p.sku, p.at, nil
}

func (p *place) Save(_ context.Context, sku string, at uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at == p.at && sku != p.sku || len(p.all) == 0 {
		p.all = append(p.all, sku)
		if p.stop != nil {
			p.stop()
		}
	}
	p.sku, p.at = sku, at
	return nil
}

// checkUntil runs a self-check until done says so.
func (s *scenario) checkUntil(p *place, done func(availability.SelfCheckStats) bool) availability.SelfCheckStats {
	s.Helper()
	check := availability.NewSelfCheck(s.NewChecker(s.Store), p, 1_000_000, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(s.Context())
	var running sync.WaitGroup
	running.Go(func() { report(s, check.Run(ctx)) })
	for !done(check.Stats()) && s.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	running.Wait()
	return check.Stats()
}

// lose takes away documents behind the projection's back.
func (s *scenario) lose(skus ...string) {
	s.Helper()
	m := s.db.Availability()
	all, err := m.Scan(s.Context(), "", 1000)
	report(s, err)
	progress, err := m.Progress(s.Context())
	report(s, err)
	kept := slices.DeleteFunc(all, func(d *availability.Document) bool { return slices.Contains(skus, d.SKU) })
	report(s, errors.Join(m.Reset(s.Context()), m.Write(s.Context(), kept, progress)))
}

// Every SKU that has events is told of once, in whatever stretches the store is read.
func TestSKUsAreToldOfWhereTheyBegin(t *testing.T) {
	s := shop(t)
	var want []string
	for i := range 50 {
		sku := fmt.Sprintf("sku %d", (i*7)%50)
		want = append(want, sku)
		s.SKU(t, sku, received("berlin", 1))
		s.SKU(t, "sku 0", received("berlin", 1), sold("berlin", 1))
	}
	s.seen()
	c, end := s.NewChecker(s.Store), s.Position()
	for _, step := range []uint64{1, 3, 17, end} {
		var got []string
		for at := uint64(0); at < end; at += step {
			through, last := min(end, at+step), at
			err := c.Begun(t.Context(), at, through, func(b availability.Begun) (bool, error) {
				if b.Reached < last || b.Reached > through {
					t.Fatalf("reached %d after %d, through %d", b.Reached, last, through)
				}
				got, last = append(got, b.SKUs...), b.Reached
				return true, nil
			})
			if err != nil || last != through {
				t.Fatalf("reached %d of %d: %v", last, through, err)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in steps of %d: got %q", step, got)
		}
	}
	stop := errors.New("enough")
	if err := c.Begun(t.Context(), 0, end, func(availability.Begun) (bool, error) { return true, stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	calls := 0
	if err := c.Begun(t.Context(), 0, end, func(availability.Begun) (bool, error) { calls++; return false, nil }); err != nil || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

// A document that is lost is found by the events of its SKU, and written again.
func TestSelfCheckFindsWhatIsLost(t *testing.T) {
	s := shop(t)
	for i := range 20 {
		s.SKU(t, fmt.Sprintf("sku %d", i), received("berlin", int64(i)))
	}
	s.seen()
	s.lose("sku 3", "sku 19")
	x := s.checkUntil(&place{}, func(x availability.SelfCheckStats) bool { return x.Mended >= 2 })
	if x.Drifted != 2 || x.Mended != 2 {
		t.Errorf("stats %+v", x)
	}
	stored := s.documents()
	s.stop()
	s.wantFreshFold(stored)
}

// A self-check that is ended again and again, after each SKU, goes through all of them all the same, in their order.
func TestSelfCheckGoesOnWhereItWas(t *testing.T) {
	s := shop(t)
	var want []string
	for i := range 90 { // more than a page
		sku := fmt.Sprintf("sku %02d", i)
		want = append(want, sku)
		s.SKU(t, sku, received("berlin", 1))
	}
	s.seen()
	p := &place{}
	for len(p.all) < 2*len(want) {
		ctx, cancel := context.WithCancel(t.Context())
		p.stop = cancel
		report(t, availability.NewSelfCheck(s.NewChecker(s.Store), p, 1_000_000, slog.New(slog.DiscardHandler)).Run(ctx))
		cancel()
	}
	if !slices.Equal(p.all[:len(want)], want) || !slices.Equal(p.all[len(want):], want) {
		t.Errorf("checked %q", p.all)
	}
	if p.at == 0 {
		t.Error("events were never looked through")
	}
}

func TestSelfCheckThatHasLostItsPlaceBeginsAnew(t *testing.T) {
	s := shop(t)
	s.SKU(t, "shoe", received("berlin", 1))
	s.seen()
	var text lockedBuffer
	p := &place{fails: true}
	ctx, cancel := context.WithCancel(t.Context())
	p.stop = cancel
	report(t, availability.NewSelfCheck(s.NewChecker(s.Store), p, 1_000_000, slog.New(slog.NewTextHandler(&text, nil))).Run(ctx))
	if !slices.Equal(p.all, []string{"shoe"}) || !strings.Contains(text.String(), "it is gone") {
		t.Errorf("checked %q, the log says %s", p.all, text.String())
	}
}
