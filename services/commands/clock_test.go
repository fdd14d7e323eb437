package commands_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

// decideStock is an intention about a SKU made of a function.
type decideStock func(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error)

func (f decideStock) Decide(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	return f(s, m, now)
}

// The last unit is promised anew when a hold on it has ended. A clock that is set back, or that of a replica which is a
// little behind, does not bring the hold back to life: it would be promised twice.
func TestAClockThatIsBehindPromisesNothingTwice(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		var clock atomic.Int64
		policy := stock.NewPolicy("web", []string{"berlin"}, 0, 60)
		store := openStore(t)
		open := func() *commands.Streams[stock.State] {
			return commands.NewStreams(store, commands.SKUs(), commands.Options{
				Exclusive: exclusive, Now: func() aggregates.Instant { return aggregates.Instant(clock.Load()) },
			})
		}
		x := open()
		do := func(name string, f decideStock) error {
			_, err := x.Do(t.Context(), "milk", key("%s", name), f)
			return err
		}
		reserve := func(id string) error {
			return do("reserve "+id, func(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
				_, events, err := stock.Reserve(s, stock.ReserveRequest{ReservationID: id, Quantity: 1}, m, policy, now)
				return events, err
			})
		}
		noon := int64(1_767_614_400_000_000)
		clock.Store(noon)
		err := errors.Join(do("receive", func(*stock.State, aggregates.Metadata, aggregates.Instant) ([]aggregates.Event, error) {
			return []aggregates.Event{&stock.StockReceived{Location: "berlin", Quantity: 1}}, nil
		}), reserve("first"))
		clock.Store(noon + 60_000_000)
		if err = errors.Join(err, reserve("second"), x.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		clock.Store(noon + 59_000_000)
		x = open() // also when the state is read from the store
		var late *stock.NotLiveError
		if err := do("confirm", func(s *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
			_, events, err := stock.Confirm(s, stock.ConfirmRequest{ReservationID: "first"}, m, now)
			return events, err
		}); !errors.As(err, &late) {
			t.Errorf("the hold that had ended was confirmed: %v", err)
		}
		if err := x.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
