package reconciliation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/reconciliation"
	stockservice "github.com/stockfold/stockfold/services/stock"
)

// process is a replica's part of the service, over the events that all share.
type process struct {
	*reconciliation.Service
	closing []func(context.Context) error
}

// replica starts one; what it writes goes through a store of its own.
func (s *shop) replica(wrap func(commands.Store) commands.Store) *process {
	store := wrap(s.Store)
	o := commands.Options{Now: s.Now}
	runs, list, skus := commands.NewStreams(store, commands.Reconciliations(), o), commands.NewStreams(store, commands.ReconciliationList(), o),
		commands.NewStreams(store, commands.SKUs(), o)
	p := &process{closing: []func(context.Context) error{runs.Close, list.Close, skus.Close}}
	p.Service = reconciliation.New(reconciliation.Config{Runs: runs, List: list, Store: s.Store, Recorder: stockservice.NewRecorder(skus, s.Policies,
		stockservice.Options{Now: s.Now}), Letters: s.Desk, Directory: s.Policies, Items: s.View, History: history.New(s.Store, s.Desk, s.Now), Now: s.Now,
		Log: slog.New(slog.DiscardHandler)})
	s.t.Cleanup(p.close)
	return p
}

// close ends the process; what it still had to write may be lost.
func (p *process) close() {
	for _, closing := range p.closing {
		_ = closing(context.Background())
	}
	p.closing = nil
}

func asItIs(s commands.Store) commands.Store { return s }

// dying is a store of a process that dies at its n-th append: before that is durable, or right after.
type dying struct {
	commands.Store
	left  int
	after bool
	mu    sync.Mutex
	dead  bool
}

var errDead = errors.New("the process is dead")

func (d *dying) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return commands.Appended{}, errDead
	}
	d.left--
	if d.dead = d.left < 0; d.dead && !d.after {
		return commands.Appended{}, errDead
	}
	a, err := d.Store.Append(ctx, stream, next, events)
	if d.dead {
		err = errDead
	}
	return a, err
}

// adjustments are what the streams of some SKUs say was corrected, by SKU and location.
func (s *shop) adjustments(skus ...string) map[string][]int64 {
	s.t.Helper()
	all := map[string][]int64{}
	for _, sku := range skus {
		var bad error
		err := s.Store.ReadStream(s.t.Context(), aggregates.SKUPrefix+sku, 0, func(r aggregates.Record) bool {
			var e aggregates.Event
			if e, _, bad = codec.Decode(r); bad != nil {
				return false
			}
			if a, ok := e.(*stock.StockAdjusted); ok {
				all[sku] = append(all[sku], a.Delta)
			}
			return true
		})
		if err = errors.Join(err, bad); err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

// wrong has SKUs of which the ERP says 7 less than is held, but of the last one, which is beyond the limits.
func (s *shop) wrong(n int) (skus []string, rows []*pb.SourceRow) {
	for i := range n {
		sku := fmt.Sprintf("sku-%02d", i)
		s.Move(&pb.Movement{Sku: sku, Quantity: 100, OccurredAt: codec.Timestamp(s.asOf.Add(-time.Minute)), Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
		rows, skus = append(rows, &pb.SourceRow{Sku: sku, Quantity: 93}), append(skus, sku)
	}
	rows[n-1].Quantity = 1
	s.clock.Advance(time.Second)
	return skus, rows
}

// checkCorrected checks that all is corrected once, and that the run says so.
func (s *shop) checkCorrected(run string, skus []string) {
	s.t.Helper()
	n := len(skus) - 1
	done := s.adjustments(skus...)
	for _, sku := range skus[:n] {
		if d := done[sku]; len(d) != 1 || d[0] != -7 {
			s.t.Errorf("%s was adjusted by %v, want -7 once", sku, d)
		}
	}
	if d := done[skus[n]]; len(d) != 0 {
		s.t.Errorf("%s was adjusted by %v, beyond the limit", skus[n], d)
	}
	got, err := s.ReconciliationClient().GetRun(s.t.Context(), &pb.GetRunRequest{RunId: run})
	if err != nil || got.Run.Totals == nil {
		s.t.Fatalf("got %v, %v", got, err)
	}
	if t := got.Run.Totals; t.Corrected != int64(n) || t.CorrectedUnits != int64(7*n) || t.Discrepancies != int64(n+1) {
		s.t.Errorf("totals %v", t)
	}
	if list := s.discrepancies(run); len(list) != n+1 {
		s.t.Errorf("%d discrepancies are listed, want %d", len(list), n+1)
	}
}

// A process dies at each append on the way from the first rows to the end of the run, before that is durable or right after; soon or days later another one goes on,
// and dies in its turn. All is corrected, nothing twice.
func TestNothingIsCorrectedTwiceWhereverAProcessDies(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, later := range []time.Duration{time.Second, 50 * time.Hour} {
			t.Run(fmt.Sprintf("after=%v %v later", after, later), func(t *testing.T) {
				for at := 0; ; at++ {
					if !diesAt(t, at, after, later) {
						if at < 8 {
							t.Errorf("only %d points to die at", at)
						}
						return
					}
				}
			})
		}
	}
}

// diesAt tells whether there was an append to die at.
func diesAt(t *testing.T, at int, after bool, later time.Duration) (died bool) {
	s := start(t)
	s.own("erp")
	skus, rows := s.wrong(4)
	chunk := &pb.SnapshotChunk{Header: correcting(s.header("a"), 10, 100), Last: true, Rows: rows}
	run := reconciliation.RunID(headerOf(chunk.Header))
	for n := range 2 {
		store := &dying{left: at, after: after}
		p := s.replica(func(inner commands.Store) commands.Store { store.Store = inner; return store })
		_, err := p.TakeChunk(t.Context(), chunk)
		if err == nil {
			err = p.Compare(t.Context(), run)
		}
		if (err != nil) != store.dead {
			t.Fatalf("at %d: %v", at, err)
		}
		died = died || n == 0 && store.dead
		p.close()
		s.clock.Advance(later)
		for _, sku := range skus { // what it remembers of days ago, a SKU forgets when more comes
			s.Move(&pb.Movement{Sku: sku, Quantity: 1, OccurredAt: codec.Timestamp(s.Now()), Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
		}
	}
	for range 2 {
		p := s.replica(asItIs)
		if _, err := p.TakeChunk(t.Context(), chunk); err != nil {
			t.Fatal(err)
		}
		if err := p.Compare(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		p.close()
	}
	s.checkCorrected(run, skus)
	return died
}

// headerOf is what tells the run of a snapshot from others.
func headerOf(m *pb.SnapshotHeader) *domain.Header { h := codec.FromSnapshotHeader(m); return &h }

// meeting has appends to a stream wait for each other, the first of each process.
type meeting struct {
	mu      sync.Mutex
	waiting map[string]*sync.WaitGroup
	of      int
}

func (m *meeting) at(stream string) *sync.WaitGroup {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting[stream] == nil {
		m.waiting[stream] = &sync.WaitGroup{}
		m.waiting[stream].Add(m.of)
	}
	return m.waiting[stream]
}

// guest is a process's store.
type guest struct {
	commands.Store
	*meeting
	mu  sync.Mutex
	met map[string]bool
}

func (g *guest) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	g.mu.Lock()
	first := !g.met[stream] && strings.HasPrefix(stream, aggregates.SKUPrefix)
	g.met[stream] = true
	g.mu.Unlock()
	if first {
		w := g.at(stream)
		w.Done()
		w.Wait()
	}
	return g.Store.Append(ctx, stream, next, events)
}

// Replicas correct one run at once; each has found a SKU uncorrected before any of them corrects it.
func TestNothingIsCorrectedTwiceByReplicasAtOnce(t *testing.T) {
	s := start(t)
	s.own("erp")
	skus, rows := s.wrong(4)
	chunk := &pb.SnapshotChunk{Header: correcting(s.header("a"), 10, 100), Last: true, Rows: rows}
	run := reconciliation.RunID(headerOf(chunk.Header))
	const replicas = 3
	together := &meeting{waiting: map[string]*sync.WaitGroup{}, of: replicas}
	var all []*process
	for range replicas {
		all = append(all, s.replica(func(inner commands.Store) commands.Store {
			return &guest{Store: inner, meeting: together, met: map[string]bool{}}
		}))
	}
	if _, err := all[0].TakeChunk(t.Context(), chunk); err != nil {
		t.Fatal(err)
	}
	s.at(all, run)
	s.checkCorrected(run, skus)
}

// at has replicas compare a run at once.
func (s *shop) at(all []*process, run string) {
	s.t.Helper()
	ended := make(chan error)
	for _, p := range all {
		go func() { ended <- p.Compare(s.t.Context(), run) }()
	}
	for range all {
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// Replicas compare one run while facts, SKUs and dead letters come in, and die at random; each place is found once, and corrected once.
func TestEachPlaceIsFoundOnceWhateverHappensMeanwhile(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 11))
			s := start(t)
			s.own("erp")
			skus, rows := s.wrong(70)
			chunk := &pb.SnapshotChunk{Header: correcting(s.header("a"), 10, 10_000), Last: true, Rows: rows}
			chunk.Header.Complete = true // so that other SKUs are part of it
			rows = append(rows, milk(100))
			chunk.Rows = rows
			run := reconciliation.RunID(headerOf(chunk.Header))
			if _, err := s.replica(asItIs).TakeChunk(t.Context(), chunk); err != nil {
				t.Fatal(err)
			}
			for n := range 6 {
				for range random.IntN(4) { // SKUs that were not there when others compared
					s.Move(&pb.Movement{Sku: fmt.Sprintf("new-%d-%d", n, random.IntN(100)), Quantity: 5, OccurredAt: codec.Timestamp(s.asOf.Add(time.Second)),
						Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
				}
				store := &dying{left: random.IntN(8), after: random.IntN(2) == 0}
				p := s.replica(func(inner commands.Store) commands.Store { store.Store = inner; return store })
				if err := p.Compare(t.Context(), run); (err != nil) != store.dead {
					t.Fatal(err)
				}
				p.close()
			}
			s.at([]*process{s.replica(asItIs), s.replica(asItIs)}, run)
			s.checkCorrected(run, skus)
		})
	}
}
