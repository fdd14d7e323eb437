package commands_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/stockfold/stockfold/services/commands"
)

// asked is one call of a history: units to take, 0 to look. told is its answer.
type (
	asked struct{ units int64 }
	told  struct {
		taken   int64 // seen by a look, or after a take
		soldOut bool
	}
)

// oneTally is the sequential object that the streams must look like from outside.
var oneTally = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		taken, in, out := state.(int64), input.(asked), output.(told)
		switch {
		case in.units == 0:
			return out.taken == taken, taken
		case out.soldOut:
			return taken+in.units > limit, taken
		default:
			return taken+in.units <= limit && out.taken == taken+in.units, taken + in.units
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func TestHistoriesOverTwoReplicasAreLinearizable(t *testing.T) {
	for round := range 10 {
		s := openStore(t)
		replicas := []*commands.Streams[tally]{newStreams(t, s, commands.Options{}), newStreams(t, s, commands.Options{})}
		start := time.Now()
		var mu sync.Mutex
		var history []porcupine.Operation
		var all sync.WaitGroup
		for client := range 6 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(round), uint64(client)))
				for i := range 12 {
					in := asked{units: random.Int64N(4)}
					m := key("%d-%d", client, i)
					call := time.Since(start).Nanoseconds()
					out, err := ask(t, replicas[random.IntN(2)], m.IdempotencyKey, in)
					back := time.Since(start).Nanoseconds()
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back})
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if result := porcupine.CheckOperationsTimeout(oneTally, history, 30*time.Second); result != porcupine.Ok {
			t.Fatalf("round %d: %s: %+v", round, result, history)
		}
	}
}

func ask(t *testing.T, x *commands.Streams[tally], k string, in asked) (told, error) {
	if in.units == 0 {
		var l look
		_, err := x.Do(t.Context(), "milk", key("%s", k), &l)
		return told{taken: l.taken}, err
	}
	tk := &take{units: in.units}
	for {
		_, err := x.Do(t.Context(), "milk", key("%s", k), tk)
		switch {
		case errors.Is(err, commands.ErrContended):
			continue
		case errors.Is(err, errSoldOut):
			return told{soldOut: true}, nil
		}
		return told{taken: limit - tk.left}, err
	}
}
