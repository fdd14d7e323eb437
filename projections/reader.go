package projections

import "context"

// reader reads the batches of a subscription, one of them ahead where it is asked to. One goroutine at a time may use it.
type reader struct {
	sub   Subscription
	ahead chan fetched // of the batch being read ahead; nil when none is
}

type fetched struct {
	batch Batch
	err   error
}

// next returns the next batch, the one read ahead if there is one.
func (r *reader) next(ctx context.Context) (Batch, error) {
	if r.ahead == nil {
		return r.sub.Next(ctx)
	}
	f := <-r.ahead
	r.ahead = nil
	return f.batch, f.err
}

// readAhead begins to read the batch after the one that next returned last.
func (r *reader) readAhead(ctx context.Context) {
	ahead := make(chan fetched, 1)
	r.ahead = ahead
	go func() {
		b, err := r.sub.Next(ctx)
		ahead <- fetched{b, err}
	}()
}

// wait waits for what is being read ahead, and drops it.
func (r *reader) wait() {
	if r.ahead != nil {
		<-r.ahead
		r.ahead = nil
	}
}
