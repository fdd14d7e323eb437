package reservation

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/services/commands"
)

// However many ask at once, no more are under way than 7/8 of the bound and one batch, and all of the room is free again afterwards.
func TestRoomIsBoundedAndGivenBack(t *testing.T) {
	var r room
	c := newClaims()
	const most = maxUnderWay - maxUnderWay/8 + MaxBatch
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 2_000 {
				n := 1 + random.IntN(MaxBatch)
				if err := r.enter(n, &c.claims); err != nil {
					if !errors.Is(err, commands.ErrOverloaded) {
						t.Error(err)
					}
					continue
				}
				if taken := r.taken.Load(); taken > most {
					t.Errorf("%d are under way, at most %d may be", taken, most)
				}
				r.claimed(n)
				r.leave(n)
			}
		})
	}
	all.Wait()
	if r.taken.Load() != 0 || r.coming.Load() != 0 {
		t.Errorf("%d are under way and %d are to be claimed, though nobody asks", r.taken.Load(), r.coming.Load())
	}
}

// A batch whose ids may not be claimed is refused, until the index has caught up.
func TestRoomEndsWhereClaimsDo(t *testing.T) {
	var r room
	c := newClaims()
	for i := range maxClaims - 10 {
		id := strconv.Itoa(i)
		if err := c.take(id, "milk"); err != nil {
			t.Fatal(err)
		}
		c.settle(id, recorded, 5)
	}
	if err := r.enter(11, &c.claims); !errors.Is(err, commands.ErrOverloaded) {
		t.Errorf("11 where 10 can be claimed: %v", err)
	}
	if err := r.enter(10, &c.claims); err != nil {
		t.Errorf("10 where 10 can be claimed: %v", err)
	}
	if err := r.enter(1, &c.claims); !errors.Is(err, commands.ErrOverloaded) {
		t.Errorf("one more: %v", err)
	}
	c.index = 5
	if err := r.enter(1, &c.claims); err != nil {
		t.Errorf("the index has caught up: %v", err)
	}
}
