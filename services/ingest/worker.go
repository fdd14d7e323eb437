package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/services/stock"
)

// worker takes in one partition. One goroutine (run) owns all of it but finished; another reads ahead by one batch;
// outcomes arrive from mailboxes.
type worker struct {
	s     *Service
	p     Partition
	at    place
	epoch int64
	alarm string

	window  []*entry // under way or settled, in order of offset
	pending []Message
	next    int64        // to read on at, once pending is started
	taken   atomic.Int64 // next, for those beside run
	readTo  int64        // everything before it is in the window or settled

	flying   int                      // entries under way
	facts    int                      // of them
	bytes    int                      // of entries in the window
	failed   int                      // entries that wait to be tried again
	chains   map[string]chan struct{} // of keys with errands under way, the last one's
	troubled bool
	ended    error // why there is nothing more to read
	pause    backoff
	retry    *time.Timer

	saved   Progress
	numbers *sequences
	keptAt  time.Time  // when numbers were last saved
	commits chan int64 // the newest offset that the log is to know

	keeping     sync.WaitGroup
	keepContext context.Context // of writing dead letters; ends when run does

	mu       sync.Mutex
	finished []*entry
	signal   chan struct{}
}

// entry is one message in the window.
type entry struct {
	message   Message
	facts     []stock.Fact
	lines     []int32
	results   []stock.Result
	tidings   *tidings // of a gap that the message's number opens or changes, until they are told
	untold    error    // why they were not told
	open      atomic.Int32
	rejection *stock.Rejection // to be kept as a dead letter
	errand    *errand          // what it is for another service, instead of facts
	refused   *stock.Rejection // why that does not take it
	news      bool             // that had not heard of it
	applied   []int32
	err       error // of the last try, when it may be tried again
	defects   int   // tries that failed for no known reason
	state     entryState
}

type entryState uint8

const (
	flying entryState = iota
	failed
	settled
)

func newWorker(s *Service, p Partition, from Progress, n *sequences) *worker {
	retry := time.NewTimer(0)
	retry.Stop()
	w := &worker{
		s: s, p: p, at: place{p.Topic(), p.ID()}, epoch: from.Epoch, next: from.Next, readTo: from.Next, saved: from,
		numbers: n, retry: retry, commits: make(chan int64, 1), signal: make(chan struct{}, 1),
	}
	w.taken.Store(w.next)
	return w
}

// read is a batch read ahead, or why reading stopped.
type read struct {
	Fetched
	err error
}

// run takes messages in until ctx ends or the log makes trouble, and then finishes what is under way.
func (w *worker) run(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	w.keepContext = keeping
	reads := make(chan read)
	var helpers sync.WaitGroup
	defer w.keeping.Wait()
	defer stopKeeping()
	helpers.Go(func() { w.readAhead(reading, reads) })
	helpers.Go(func() { w.commit(reading) })
	helpers.Go(func() { w.lookOn(reading) })
	defer helpers.Wait()
	defer stop()
	defer w.retry.Stop()

	save := time.NewTicker(saveEvery)
	defer save.Stop()
	for {
		w.start(ctx)
		if w.ended != nil && w.empty(ctx) {
			return w.ended
		}
		var more <-chan read
		if len(w.pending) == 0 && w.failed == 0 && w.ended == nil {
			more = reads
		}
		select {
		case r := <-more:
			if errors.Is(r.err, ErrOffsetOutOfRange) { // what was read before may not be there any more
				w.ended = r.err
				continue
			}
			if r.err != nil {
				stop()
				w.drain()
				return r.err
			}
			w.accept(r.Fetched)
		case <-w.signal:
			w.settle()
		case <-w.retry.C:
			w.tryAgain(ctx)
		case <-save.C:
			w.save(ctx, false)
		case <-ctx.Done():
			stop()
			w.drain()
			return nil
		}
	}
}

// readAhead reads batch after batch, one ahead of what is taken in.
func (w *worker) readAhead(ctx context.Context, reads chan<- read) {
	for offset := w.saved.Next; ; {
		f, err := w.p.Fetch(ctx, offset)
		if err != nil {
			err = fmt.Errorf("read from offset %d: %w", offset, err)
		}
		select {
		case reads <- read{f, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		offset = f.Next
	}
}

// empty tells whether all that was read is settled, and that saved.
func (w *worker) empty(ctx context.Context) bool {
	if len(w.window) > 0 || len(w.pending) > 0 {
		return false
	}
	w.save(ctx, true)
	return w.saved.Next == w.readTo
}

func (w *worker) accept(f Fetched) {
	w.pending, w.next = f.Messages, f.Next
	w.taken.Store(w.next)
	if len(w.pending) == 0 {
		w.readTo = w.next
	}
	w.s.note(w.at, func(st *PartitionStatus) { st.End = f.End })
}

// start begins with pending messages as far as the bounds allow. While anything waits to be tried again nothing new is
// begun.
func (w *worker) start(ctx context.Context) {
	for len(w.pending) > 0 && w.failed == 0 && w.room() && ctx.Err() == nil {
		m := w.pending[0]
		w.pending[0] = Message{}
		w.pending = w.pending[1:]
		w.readTo = m.Offset + 1
		if len(w.pending) == 0 {
			w.readTo = w.next
		}
		e := &entry{message: m}
		w.window = append(w.window, e)
		w.bytes += m.size()
		if w.saved.appliedEarlier(&m) {
			w.finish(e)
			w.advance()
			continue
		}
		var n number
		var isErrand bool
		if e.errand, n, e.rejection, isErrand = w.s.takers.errand(&e.message, w.epoch); !isErrand {
			e.facts, n, e.rejection = numberedFacts(w.s.Recorder, &e.message, w.epoch)
		}
		w.follow(e, n)
		e.lines = lineNumbers(len(e.facts))
		w.begin(ctx, e)
	}
}

func (w *worker) room() bool {
	return len(w.window) < MaxInFlight && (w.flying == 0 || w.facts < MaxInFlightFacts && w.bytes < MaxInFlightBytes)
}

func (m *Message) size() int {
	n := len(m.Key) + len(m.Value)
	for i := range m.Headers {
		n += len(m.Headers[i].Key) + len(m.Headers[i].Value)
	}
	return n
}

// begin sends an entry on its way: its facts to their streams, or its message to the dead letters.
func (w *worker) begin(ctx context.Context, e *entry) {
	e.state, e.results, e.err, e.refused = flying, nil, nil, nil
	w.flying++
	w.facts += len(e.facts)
	e.open.Store(1)
	w.tell(e)
	if e.rejection == nil && stock.NeedsTrial(e.facts) {
		if err := w.s.Recorder.Try(ctx, e.facts); err != nil {
			e.rejection, e.err = stock.Reject(err), unlessRejected(err)
		}
	}
	switch {
	case e.err != nil:
		w.arrive(e)
	case e.rejection != nil:
		w.keep(e)
	case e.errand != nil:
		w.runErrand(e)
	default:
		w.s.Recorder.Submit(e.facts, func(results []stock.Result) {
			e.results = results
			w.arrive(e)
		})
	}
}

// keep stores an entry's message as a dead letter, beside what else is under way.
func (w *worker) keep(e *entry) {
	letter := letterOf(&e.message, w.epoch, e.rejection)
	letter.Applied = e.applied
	w.keeping.Go(func() {
		e.err = w.s.Desk.keep(w.keepContext, letter)
		w.arrive(e)
	})
}

// arrive hands an entry whose outcome is known back to run, once its gap is told of, too. It is called from anywhere and does
// not block.
func (w *worker) arrive(e *entry) {
	if e.open.Add(-1) > 0 {
		return
	}
	w.mu.Lock()
	w.finished = append(w.finished, e)
	w.mu.Unlock()
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

func lineNumbers(n int) []int32 {
	if n == 0 {
		return nil
	}
	lines := make([]int32, n)
	for i := range lines {
		lines[i] = int32(i + 1)
	}
	return lines
}
