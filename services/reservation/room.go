package reservation

import (
	"fmt"
	"sync/atomic"

	"github.com/stockfold/stockfold/services/commands"
)

// maxUnderWay bounds the reservations of all batches under way, about: a batch is let in as long as an eighth of it is free, however many it asks for. It
// is fewer than commands may wait, so that who asks for more than can be done is refused at once and as a whole, which costs next to nothing, instead of
// one by one.
const maxUnderWay = 16_384

// room counts the reservations of batches under way.
type room struct{ taken atomic.Int64 }

// enter lets a batch in until it leaves, or returns commands.ErrOverloaded.
func (r *room) enter(n int, c *claims) error {
	taken := r.taken.Add(int64(n))
	var err error
	switch before := taken - int64(n); {
	case before+int64(min(n, maxUnderWay/8)) > maxUnderWay:
		err = fmt.Errorf("%w: %d reservations of batches are under way", commands.ErrOverloaded, before)
	case !c.room(int(taken)):
		err = errUnindexed
	}
	if err != nil {
		r.leave(n)
	}
	return err
}

func (r *room) leave(n int) { r.taken.Add(-int64(n)) }
