package reservation

import (
	"fmt"
	"sync/atomic"

	"github.com/stockfold/stockfold/services/commands"
)

// maxUnderWay bounds the reservations that batches wait for. A batch is let in while an eighth of it is free, however many it asks for, so at most
// 7/8 of it and MaxBatch more are under way: fewer commands than may wait. Who asks for more than can be done is refused at once and as a whole, which
// costs next to nothing, instead of one by one, as the rest of what is asked of one SKU still may be.
const maxUnderWay = 16_384

// room counts the reservations of batches.
type room struct {
	taken  atomic.Int64 // that are waited for
	coming atomic.Int64 // of them, those that have not claimed their ids
}

// enter lets a batch in, which claims its ids and then calls claimed, and leaves when it waits no more; or returns commands.ErrOverloaded.
func (r *room) enter(n int, c *claims) error {
	if coming := r.coming.Add(int64(n)); !c.room(int(coming)) {
		r.coming.Add(-int64(n))
		return errUnindexed
	}
	for {
		taken := r.taken.Load()
		if taken+int64(min(n, maxUnderWay/8)) > maxUnderWay {
			r.coming.Add(-int64(n))
			return fmt.Errorf("%w: %d reservations of batches are under way", commands.ErrOverloaded, taken)
		}
		if r.taken.CompareAndSwap(taken, taken+int64(n)) {
			return nil
		}
	}
}

func (r *room) claimed(n int) { r.coming.Add(-int64(n)) }

func (r *room) leave(n int) { r.taken.Add(-int64(n)) }
