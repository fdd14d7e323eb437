package eventstoredb_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

// shelf holds units that many want, each key once.
type shelf struct {
	taken int64
	keys  map[string]bool
}

const units = 100

var errEmpty = errors.New("the shelf is empty")

func (s *shelf) evolve(e aggregates.Event, m aggregates.Metadata) {
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.taken += e.(*stock.StockSold).Quantity
	s.keys[m.IdempotencyKey] = true
}

// takeOne is the command to take a unit.
type takeOne struct{}

func (takeOne) Decide(s *shelf, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	switch {
	case s.keys[m.IdempotencyKey]:
		return nil, nil
	case s.taken == units:
		return nil, errEmpty
	}
	return []aggregates.Event{&stock.StockSold{Location: "berlin", Quantity: 1}}, nil
}

func newShelves(t *testing.T, s commands.Store) *commands.Streams[shelf] {
	t.Helper()
	x := commands.NewStreams(s, commands.Kind[shelf]{Prefix: "sku-", Evolve: (*shelf).evolve}, commands.Options{})
	t.Cleanup(func() {
		if err := x.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return x
}

// Three replicas decide on one hot SKU of one server, whose connections break meanwhile. Callers repeat what they have no
// answer to. Exactly what there is goes out, to as many callers, each once.
func TestReplicasTakeExactlyWhatThereIs(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	const replicas, callers = 3, 400
	var shelves []*commands.Streams[shelf]
	var proxies []*proxy
	for range replicas {
		p := newProxy(t, n.addr)
		proxies = append(proxies, p)
		shelves = append(shelves, newShelves(t, open(t, p.url(), options())))
	}
	var won, lost, cut atomic.Int64
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			m := aggregates.Metadata{IdempotencyKey: fmt.Sprintf("cart-%d", c)}
			for attempt := 0; ; attempt++ {
				_, err := shelves[(c+attempt)%replicas].Do(t.Context(), "tea", m, takeOne{})
				switch {
				case err == nil:
					if won.Add(1)%30 == 0 {
						proxies[int(cut.Add(1))%replicas].cut()
					}
				case errors.Is(err, errEmpty):
					lost.Add(1)
				case errors.Is(err, commands.ErrUnavailable), errors.Is(err, commands.ErrContended):
					continue
				default:
					t.Errorf("cart %d: %v", c, err)
				}
				return
			}
		})
	}
	all.Wait()
	var sold int64
	seen := map[aggregates.EventID]bool{}
	if err := n.data.ReadStream(t.Context(), "sku-tea", 0, func(r aggregates.Record) bool {
		sold++
		seen[r.ID] = true
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if won.Load() != units || lost.Load() != callers-units || sold != units || len(seen) != units {
		t.Errorf("%d callers got one and %d none, %d events with %d ids; want %d, %d, %d, %d", won.Load(), lost.Load(), sold, len(seen), units, callers-units, units, units)
	}
}
