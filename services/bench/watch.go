package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	watchers     = 10
	watchWriters = 4   // calls that change stock, in flight
	watchBatch   = 500 // movements of one call

	// idleMost is what so many idle watchers may take, in MiB. Fewer take too little to tell it from what the heap does anyway.
	idleMost, idleCounted = 500, 10_000
)

// watchPatience is how long it may take until watchers have been told everything.
var watchPatience = 20 * time.Second

var watchRow = Row{
	Name: "watch", Title: fmt.Sprintf("Watch: changes told to %d watchers of a channel", watchers), Unit: "changes/s", Target: &Target{Value: 100_000}, long: true,
	takes: func(e effort) time.Duration {
		return 2*e.warmUp + time.Duration(e.rounds)*2*e.window + time.Duration(e.idle)*time.Millisecond
	},
	measure: measureWatch,
}

// measureWatch changes stock as fast as the service takes it, and counts what watchers are told; each must have the last value of every SKU in the end.
func measureWatch(ctx context.Context, b *bench, f *Figure) error {
	s, err := b.stocked(ctx)
	if err != nil {
		return err
	}
	watched, unwatch := s.watch(ctx)
	if err = watchRounds(watched, b, s, f); err != nil {
		err = because(watched, err)
	}
	unwatch()
	if err != nil {
		return err
	}
	return idleWatchers(ctx, b, f)
}

func watchRounds(ctx context.Context, b *bench, s *server, f *Figure) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make([]*watcher, watchers)
	for i := range all {
		var err error
		if all[i], err = openWatch(ctx, s.wire(i).cc, &pb.WatchAvailabilityRequest{Channel: channels[webChannel].id, ResumeToken: "now"}); err != nil {
			return err
		}
		go all[i].run()
	}
	x := &restocking{b: b, changed: map[int]bool{}}
	cpu := meter{pid: s.pid()}
	for round := 0; round <= b.rounds; round++ {
		window := b.window
		if round == 0 {
			window = b.warmUp
		}
		var told int64
		err := cpu.around(func() (int64, error) {
			before := toldTo(all)
			seen, err := drive(ctx, watchWriters, window, func(w int) call { return x.restock(s.wire(w).cc, round, w) })
			told = toldTo(all) - before
			f.count(seen)
			return told, err
		})
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if err := x.await(ctx, s, all); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if round == 0 {
			continue
		}
		rate := float64(told) / window.Seconds()
		f.Rounds = append(f.Rounds, newRound(rate, 0))
		b.say("  round %d of %d: %s changes/s", round, b.rounds, amount(rate))
	}
	f.CPU = &CPU{Service: cpu.perCall()}
	return nil
}

// watcher keeps the last values that it was told.
type watcher struct {
	stream grpc.ServerStreamingClient[pb.WatchAvailabilityResponse]
	told   atomic.Int64

	mu   sync.Mutex
	last map[string]int64
	err  error
}

// openWatch begins to watch, and returns once the service has said something.
func openWatch(ctx context.Context, cc grpc.ClientConnInterface, ask *pb.WatchAvailabilityRequest) (*watcher, error) {
	stream, err := pb.NewAvailabilityServiceClient(cc).WatchAvailability(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &watcher{stream: stream, last: map[string]int64{}}
	first, err := stream.Recv()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w.take(first)
	return w, nil
}

func (w *watcher) run() {
	for {
		m, err := w.stream.Recv()
		if err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			return
		}
		w.take(m)
	}
}

func (w *watcher) take(m *pb.WatchAvailabilityResponse) {
	w.mu.Lock()
	for _, a := range m.Availabilities {
		w.last[a.Sku] = a.Ats
	}
	w.mu.Unlock()
	w.told.Add(int64(len(m.Availabilities)))
}

// lacks is the first SKU of which the last value is not the one that it should be.
func (w *watcher) lacks(c *catalogue, changed map[int]bool) (sku string, is, should int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range changed {
		sku = c.skus[i]
		if is, should = w.last[sku], c.ats(i, webChannel); is != should {
			return sku, is, should, w.err
		}
	}
	return "", 0, 0, w.err
}

func toldTo(all []*watcher) (n int64) {
	for _, w := range all {
		n += w.told.Load()
	}
	return n
}

// restocking changes stock, and knows what it should be.
type restocking struct {
	b       *bench
	mu      sync.Mutex
	changed map[int]bool // SKUs
}

// restock records receipts of SKUs by demand.
func (x *restocking) restock(cc grpc.ClientConnInterface, round, worker int) call {
	r := rand.New(rand.NewPCG(seed+uint64(round), uint64(worker)))
	c := x.b.catalogue
	return func(ctx context.Context) error {
		ask := &pb.RecordMovementsRequest{}
		type change struct{ sku, location int }
		var changes []change
		x.mu.Lock()
		for _, sku := range c.demand.draws(r, watchBatch) {
			l := c.shelves[sku][r.IntN(shelvesPerSKU)]
			changes = append(changes, change{int(sku), l})
			ask.Movements = append(ask.Movements, x.b.stocker.received(c.skus[sku], c.locations[l], 1))
		}
		x.mu.Unlock()
		reply, err := pb.NewStockServiceClient(cc).RecordMovements(ctx, ask)
		if err != nil {
			return err
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		for i, m := range reply.Results {
			if m.Status != pb.MovementResult_STATUS_RECORDED {
				return wrong("movement %v was not recorded: %v", ask.Movements[i], m)
			}
			c.onHand[changes[i].sku][changes[i].location]++
			x.changed[changes[i].sku] = true
		}
		return nil
	}
}

// await waits until every watcher has the last value of each SKU that changed.
func (x *restocking) await(ctx context.Context, s *server, all []*watcher) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	until := time.Now().Add(watchPatience)
	for i, w := range all {
		for {
			sku, is, should, err := w.lacks(x.b.catalogue, x.changed)
			if err != nil {
				return fmt.Errorf("watcher %d: %w", i, err)
			}
			if sku == "" {
				break
			}
			if time.Now().After(until) {
				return wrong("watcher %d has %d of SKU %s as its last value, there are %d", i, is, sku, should)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

// idleWatchers opens watches of one SKU each, of a service that was just started, and tells what they take.
func idleWatchers(ctx context.Context, b *bench, f *Figure) error {
	if err := b.stopServer(); err != nil {
		return err
	}
	s, err := b.stocked(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.settle(ctx); err != nil {
		return err
	}
	before := resident(s.pid())
	err = parallel(ctx, b.idle, func(_ context.Context, i int) error {
		_, err := openWatch(ctx, s.wire(i).cc, &pb.WatchAvailabilityRequest{Channel: channels[webChannel].id, Skus: []string{b.catalogue.skus[i%len(b.catalogue.skus)]}})
		return err
	})
	if err != nil || before == 0 {
		return err
	}
	f.Bounds = append(f.Bounds, idleBound(b.idle, resident(s.pid())-before))
	return nil
}

// idleBound is what so many idle watchers take, and may.
func idleBound(idle int, bytes int64) Bound {
	x := Bound{Name: "memory of " + grouped(int64(idle)) + " idle watchers, one SKU each", Unit: "MiB", Value: float64(max(0, bytes)) / (1 << 20)}
	if idle >= idleCounted {
		x.Most = idleMost
	}
	return x
}
