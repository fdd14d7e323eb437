package availability

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

// end is the position of the only event, that of a channel.
const end = 1

// empty is an event store in which nothing more happens, and which can go away: it says nothing then.
type empty struct {
	mu   sync.Mutex
	away bool
}

func (e *empty) goAway(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}

func (e *empty) End(ctx context.Context) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return 0, errors.New("away")
	}
	return end, nil
}

func (e *empty) Subscribe(context.Context, uint64, ...string) (projections.Subscription, error) {
	return e, nil
}

func (e *empty) Next(ctx context.Context) (projections.Batch, error) {
	<-ctx.Done()
	return projections.Batch{}, ctx.Err()
}

func (e *empty) Close() error { return nil }

// blank is a read model without documents.
type blank struct{}

func (blank) Progress(context.Context) (projections.Progress, error) {
	return projections.Progress{Position: end}, nil
}
func (blank) Read(context.Context, string) (*Document, error)                { return nil, nil }
func (blank) Scan(context.Context, string, int) ([]*Document, error)         { return nil, nil }
func (blank) Write(context.Context, []*Document, projections.Progress) error { return nil }
func (blank) Reset(context.Context) error                                    { return nil }

// noPolicies is a read model with one channel.
type noPolicies struct{}

func (noPolicies) Load(context.Context) (policies.Contents, projections.Progress, error) {
	return policies.Contents{Channels: []*policies.Channel{{ID: "web", Position: end}}}, projections.Progress{Position: end}, nil
}
func (noPolicies) Write(context.Context, policies.Contents, projections.Progress) error { return nil }
func (noPolicies) Reset(context.Context) error                                          { return nil }

// While the store is away answers are marked, and are never older than MaxStaleness, though nothing of the read model fails.
func TestAnswersOfAStoreThatIsAwayAreMarkedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, quiet := &empty{}, slog.New(slog.DiscardHandler)
		dir := policies.New(policies.Config{Store: store, Model: noPolicies{}, Log: quiet})
		p := New(Config{Store: store, Model: blank{}, Policies: dir, Workers: 1, Log: quiet})
		if _, err := p.Get(t.Context(), "shoe", "web"); err == nil {
			t.Error("a channel is known before the directory runs")
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = dir.Run(ctx) })
		running.Go(func() { _ = p.Run(ctx) })
		defer running.Wait()
		defer stop()
		time.Sleep(time.Hour + 10*time.Millisecond) // never at the moment at which the projection looks for itself
		get := func() (Availability, error) {
			one, err := p.Get(t.Context(), "shoe", "web")
			many, errs := p.BatchGet(t.Context(), "web", []string{"shoe"}, nil)
			if (err == nil) != (errs == nil) || err == nil && many[0] != one {
				t.Errorf("one %+v, %v; many %+v, %v", one, err, many, errs)
			}
			if err == nil {
				if age := time.Since(one.CurrentAt.Time()); age > MaxStaleness {
					t.Errorf("an answer is %s old", age)
				}
			}
			return one, err
		}
		if a, err := get(); err != nil || a.From != FromModel || p.Fresh() != nil || p.Stuck() {
			t.Fatalf("got %+v, %v", a, err)
		}
		store.goAway(true)
		var marked, refused bool
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			switch a, err := get(); {
			case err == nil && refused, err == nil && marked && a.From != FromMemory:
				t.Fatalf("got %+v again", a)
			case err == nil:
				marked = marked || a.From == FromMemory
			case !errors.Is(err, ErrUnreadable) || p.Fresh() == nil || !p.Stuck():
				t.Fatalf("%v; fresh %v, stuck %v", err, p.Fresh(), p.Stuck())
			default:
				refused = true
			}
		}
		if !marked || !refused {
			t.Errorf("marked %v, refused %v", marked, refused)
		}
		store.goAway(false)
		time.Sleep(time.Second)
		if a, err := get(); err != nil || a.From != FromModel || p.Fresh() != nil || p.Stuck() {
			t.Errorf("after it: %+v, %v", a, err)
		}
	})
}
