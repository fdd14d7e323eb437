package projections

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
)

// journal is a store whose troubles are scripted. It hands out at most batch records at a time.
type journal struct {
	mu      sync.Mutex
	records []aggregates.Record
	changed chan struct{}
	batch   int
	fail    map[uint64]error // handing out this position fails, once
	endErr  error
	silent  bool // subscriptions hand out nothing
	opened  int  // subscriptions
	closed  int
	handed  int // records handed out
}

func newJournal() *journal {
	return &journal{changed: make(chan struct{}), batch: 3, fail: map[uint64]error{}}
}

// sold appends a sale to a stream and returns its position.
func (j *journal) sold(t testing.TB, stream string, quantity int64) uint64 {
	t.Helper()
	at := aggregates.Instant(len(j.records)+1) * aggregates.Second
	e := &stock.StockSold{Location: "berlin", Quantity: quantity}
	data, err := codec.Encode(nil, e, &aggregates.Metadata{RecordedAt: at})
	if err != nil {
		t.Fatal(err)
	}
	return j.put(stream, e.EventType(), data)
}

func (j *journal) put(stream, eventType string, data []byte) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	position := uint64(len(j.records)) + 1
	j.records = append(j.records, aggregates.Record{Stream: stream, Revision: position, Position: position,
		NewEvent: aggregates.NewEvent{ID: aggregates.NewEventID(stream, "k", int(position), nil), Type: eventType, Data: data}})
	close(j.changed)
	j.changed = make(chan struct{})
	return position
}

// failEnd makes End fail, or work again.
func (j *journal) failEnd(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.endErr = err
}

func (j *journal) End(context.Context) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return uint64(len(j.records)), j.endErr
}

// fallSilent makes subscriptions hand out nothing, or something again.
func (j *journal) fallSilent(silent bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.silent = silent
	close(j.changed)
	j.changed = make(chan struct{})
}

// forgetHanded returns how many records were handed out since it was last called.
func (j *journal) forgetHanded() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, j.handed = j.handed, 0
	return n
}

func (j *journal) Subscribe(_ context.Context, after uint64, prefixes ...string) (Subscription, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.opened++
	return &reading{journal: j, at: after, prefix: prefixes[0]}, nil
}

type reading struct {
	*journal
	at     uint64
	prefix string
	given  [2][]aggregates.Record // the last two batches
}

func (r *reading) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	return nil
}

func (r *reading) Next(ctx context.Context) (Batch, error) {
	for i := range r.given[0] { // what was handed out before the last batch is no longer valid
		clear(r.given[0][i].Data)
		r.given[0][i] = aggregates.Record{}
	}
	for {
		r.mu.Lock()
		b, err := r.take()
		changed := r.changed
		r.mu.Unlock()
		if err != nil || b.Through > 0 {
			return b, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return b, context.Cause(ctx)
		}
	}
}

func (r *reading) take() (b Batch, err error) {
	for n := 0; !r.silent && r.at < uint64(len(r.records)) && n < r.batch; n++ {
		if err := r.fail[r.at+1]; err != nil {
			delete(r.fail, r.at+1)
			return b, err
		}
		x := r.records[r.at]
		r.at++
		if b.Through = r.at; strings.HasPrefix(x.Stream, r.prefix) {
			x.Data = append([]byte(nil), x.Data...)
			b.Records = append(b.Records, x)
		}
	}
	if b.Through > 0 {
		r.given = [2][]aggregates.Record{r.given[1], b.Records}
	}
	r.handed += len(b.Records)
	return b, nil
}

// tally is a projection that sums what each stream sold. What is written and what is published are maps.
type tally struct {
	mu        sync.Mutex
	workers   []map[string]int64 // folded, not cut out
	streams   map[string]int     // worker of a stream
	written   map[string]int64
	progress  Progress
	published map[string]int64
	through   uint64
	writes    int
	resets    int
	loads     int
	failWrite []error // the next writes fail with these
	failFold  error   // the next fold fails
	hold      chan struct{}
	writing   func(context.Context) error // called by each write first
	unwritten int
	tend      func(ctx context.Context, touch Touch) error
}

func newTally(workers int) *tally {
	t := &tally{written: map[string]int64{}, published: map[string]int64{}, streams: map[string]int{}}
	t.workers = make([]map[string]int64, workers)
	t.forget()
	return t
}

func (p *tally) forget() {
	for i := range p.workers {
		p.workers[i] = map[string]int64{}
	}
	clear(p.streams)
}

func (p *tally) Load(context.Context) (Progress, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loads++
	p.forget()
	return p.progress, nil
}

func (p *tally) Reset(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resets++
	p.written, p.progress = map[string]int64{}, Progress{}
	p.forget()
	return nil
}

func (p *tally) Ignores(eventType string) bool { return eventType == "Ignored" }

func (p *tally) Fold(_ context.Context, worker int, e *Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.failFold; err != nil {
		p.failFold = nil
		return err
	}
	stream := strings.Clone(e.Record.Stream)
	if was, ok := p.streams[stream]; ok && was != worker {
		return fmt.Errorf("stream %q went from worker %d to %d", stream, was, worker)
	}
	p.streams[stream] = worker
	p.workers[worker][stream] += e.Fact.(*stock.StockSold).Quantity
	return nil
}

func (p *tally) Unwritten() int { return p.unwritten }

func (p *tally) Cut() Pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := &tallied{tally: p, sums: map[string]int64{}}
	for i, sums := range p.workers {
		maps.Copy(cut.sums, sums)
		p.workers[i] = map[string]int64{}
	}
	return cut
}

func (p *tally) Tend(ctx context.Context, touch Touch) error {
	if p.tend == nil {
		return nil
	}
	return p.tend(ctx, touch)
}

type tallied struct {
	tally *tally
	sums  map[string]int64
}

func (c *tallied) Empty() bool { return len(c.sums) == 0 }

func (c *tallied) Write(ctx context.Context, progress Progress) error {
	p := c.tally
	if p.writing != nil {
		if err := p.writing(ctx); err != nil {
			return err
		}
	}
	if p.hold != nil {
		<-p.hold
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	if len(p.failWrite) > 0 {
		err := p.failWrite[0]
		p.failWrite = p.failWrite[1:]
		return err
	}
	for stream, sum := range c.sums {
		p.written[stream] += sum
	}
	p.progress = progress
	return nil
}

func (c *tallied) Publish(through uint64) {
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	c.tally.published, c.tally.through = maps.Clone(c.tally.written), through
}

// run runs a projection until the test ends, or the returned function is called.
func run(t *testing.T, p Projection, c Config) (*Runner, func()) {
	t.Helper()
	c.Name, c.Prefixes = "tally", []string{"sku-"}
	c.Log = slog.New(slog.DiscardHandler)
	r := NewRunner(p, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// reached waits for a position.
func reached(t *testing.T, r *Runner, position uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := r.WaitFor(ctx, position); err != nil {
		t.Fatalf("%v; status %+v", err, r.Status(t.Context()))
	}
}

func (p *tally) wantPublished(t *testing.T, want map[string]int64) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !maps.Equal(p.published, want) {
		t.Fatalf("published %v, want %v", p.published, want)
	}
}
