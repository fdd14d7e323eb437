package operations

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/validation"
)

const (
	// MaxReplayed is how many SKUs one replay may name.
	MaxReplayed = 1_000
	// replayPage is how many SKUs are compared before what differs is told.
	replayPage = 256
)

// Replays fold availability anew. Both must be set.
type Replays struct {
	Checker *availability.Checker
	// Begin begins to build a second read model; there is one at a time. One that is only to be compared is never exchanged.
	Begin func(ctx context.Context, onlyCompared bool) (*Second, error)
}

// Replay compares availability with its events folded anew, and mends what differs. It returns *validation.Error, refusals.ErrNoReadModel,
// refusals.ErrReplayRunning, refusals.ErrCondensing, availability.ErrNoRoom, availability.ErrNotExchanged and the errors of the store and of the read model.
func (s *Service) Replay(r *pb.ReplayRequest, stream grpc.ServerStreamingServer[pb.ReplayResponse]) error {
	if s.Replays == nil {
		return refusals.ErrNoReadModel
	}
	c := checkReplay(r)
	if err := c.Err(); err != nil {
		return err
	}
	select {
	case s.replaying <- struct{}{}:
		defer func() { <-s.replaying }()
	default:
		return refusals.ErrReplayRunning
	}
	run := &replaying{Replays: s.Replays, ask: r, out: stream, began: time.Now()}
	if err := run.run(stream.Context(), s); err != nil {
		return err
	}
	run.summary.TookMs = time.Since(run.began).Milliseconds()
	return stream.Send(&pb.ReplayResponse{Part: &pb.ReplayResponse_Summary{Summary: &run.summary}})
}

func checkReplay(r *pb.ReplayRequest) (c validation.Checker) {
	if r.Projection != availability.Name {
		c.Fail("projection", "must be %s, is %q", availability.Name, r.Projection)
	}
	if len(r.Skus) > MaxReplayed {
		c.Fail("skus", "must be at most %d, are %d", MaxReplayed, len(r.Skus))
		return c
	}
	for _, sku := range r.Skus {
		c.ID("skus", sku)
	}
	past := r.At != nil || r.Position != 0
	switch {
	case r.At != nil && r.Position != 0:
		c.Fail("at", "must not be given with a position")
	case r.At != nil && (!r.At.IsValid() || codec.Instant(r.At) <= 0):
		c.Fail("at", "must be a time after 1970")
	case past && r.FromScratch:
		c.Fail("from_scratch", "is for what serves now, and not for the past")
	case past && len(r.Skus) == 0:
		c.Fail("skus", "must be named to be told of the past; a snapshot tells of all")
	}
	if r.FromScratch && len(r.Skus) > 0 {
		c.Fail("skus", "cannot be named when everything is built from scratch")
	}
	return c
}

// replaying is a replay under way.
type replaying struct {
	*Replays
	ask     *pb.ReplayRequest
	out     grpc.ServerStreamingServer[pb.ReplayResponse]
	began   time.Time
	summary pb.ReplaySummary
}

func (r *replaying) run(ctx context.Context, s *Service) error {
	switch {
	case r.ask.FromScratch:
		if s.Retention != nil {
			release, err := s.Retention.Hold()
			if err != nil {
				return err
			}
			defer release()
		}
		return r.scratch(ctx, s.Store)
	case r.ask.At != nil || r.ask.Position != 0:
		return r.past(ctx, s)
	case len(r.ask.Skus) > 0:
		return r.compare(ctx, r.stage("compare", len(r.ask.Skus)), r.ask.Skus)
	}
	return r.all(ctx)
}

// past tells what SKUs came to, and what channels could sell of them.
func (r *replaying) past(ctx context.Context, s *Service) error {
	at := s.Now()
	if r.ask.At != nil {
		at = codec.Instant(r.ask.At)
	}
	past, err := r.Checker.Past(ctx, r.ask.Position, at)
	if err != nil {
		return err
	}
	for _, sku := range r.ask.Skus {
		answer, err := r.pastOf(ctx, past, sku, at)
		if err != nil {
			return err
		}
		r.summary.Skus++
		if err := r.out.Send(&pb.ReplayResponse{Part: &pb.ReplayResponse_Stock{Stock: answer}}); err != nil {
			return err
		}
	}
	return nil
}

// pastOf is of one SKU.
func (r *replaying) pastOf(ctx context.Context, past *availability.Past, sku string, at aggregates.Instant) (*pb.ReplayedStock, error) {
	d, events, err := past.Of(ctx, sku)
	if err != nil || events == 0 {
		return &pb.ReplayedStock{Sku: sku}, err
	}
	if r.ask.At == nil {
		at = d.RecordedAt
	}
	answer := &pb.ReplayedStock{Sku: sku, Position: d.Position, Events: events, Stock: stock.StockOf(d, at)}
	channels, err := past.Channels(ctx, d)
	for i, a := range channels {
		answer.Channels = append(answer.Channels, &pb.ReplayedChannel{Channel: a.Channel, Ats: a.ATS, Position: a.Position, PolicyPosition: d.Channels()[i].Policy})
	}
	return answer, err
}

// all compares every SKU that has a document, and then looks for SKUs that have events and none. They are counted first, so that it can be told how long it takes.
func (r *replaying) all(ctx context.Context) error {
	total, err := r.count(ctx)
	if err != nil {
		return err
	}
	compare := r.stage("compare", total)
	if err := r.pages(ctx, func(skus []string) error { return r.compare(ctx, compare, skus) }); err != nil {
		return err
	}
	return r.seek(ctx)
}

// seek reads all events once more, asks of each SKU whether it has a document, and compares those without.
func (r *replaying) seek(ctx context.Context) error {
	end := r.Checker.Position()
	at := r.stage("seek", int(end))
	return r.Checker.Begun(ctx, 0, end, func(b availability.Begun) (more bool, err error) {
		lost, err := r.undocumented(ctx, b.SKUs)
		if err == nil && len(lost) > 0 {
			err = r.compare(ctx, nil, lost)
		}
		if err != nil {
			return false, err
		}
		return true, at.add(int(b.Reached) - at.done)
	})
}

// undocumented returns those of some SKUs that have no document.
func (r *replaying) undocumented(ctx context.Context, skus []string) (lost []string, err error) {
	has := make([]bool, len(skus))
	err = parallel(ctx, len(skus), func(ctx context.Context, i int) (err error) {
		has[i], err = r.Checker.Documented(ctx, skus[i])
		return err
	})
	for i, sku := range skus {
		if err == nil && !has[i] {
			lost = append(lost, sku)
		}
	}
	return lost, err
}

// count counts the SKUs that have documents.
func (r *replaying) count(ctx context.Context) (total int, err error) {
	count := r.stage("count", 0)
	err = r.pages(ctx, func(skus []string) error {
		total += len(skus)
		return count.add(len(skus))
	})
	return total, err
}

func (r *replaying) pages(ctx context.Context, each func(skus []string) error) error {
	for after := ""; ; {
		skus, err := r.Checker.SKUs(ctx, after, replayPage)
		if err != nil || len(skus) == 0 {
			return err
		}
		if err := each(skus); err != nil {
			return err
		}
		after = skus[len(skus)-1]
	}
}

// compare compares some SKUs, in parallel, and then tells and mends those that differ, in their order. They count for a stage, if there is one.
func (r *replaying) compare(ctx context.Context, at *stage, skus []string) error {
	found, skipped := make([]*availability.Drift, len(skus)), make([]bool, len(skus))
	if err := r.check(ctx, skus, found, skipped); err != nil {
		return err
	}
	for i, d := range found {
		r.summary.Skus++
		if skipped[i] {
			r.summary.Skipped++
		}
		if d == nil {
			continue
		}
		if err := r.tell(ctx, d); err != nil {
			return err
		}
	}
	if at == nil {
		return nil
	}
	return at.add(len(skus))
}

// check checks SKUs in parallel.
func (r *replaying) check(ctx context.Context, skus []string, found []*availability.Drift, skipped []bool) error {
	return parallel(ctx, len(skus), func(ctx context.Context, i int) (err error) {
		found[i], err = r.Checker.Check(ctx, skus[i])
		if errors.Is(err, availability.ErrAhead) || errors.Is(err, availability.ErrCut) {
			skipped[i], err = true, nil
		}
		return err
	})
}

// parallel calls do with the numbers below n, several at once. It ends with the first error.
func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// tell tells of a difference, after it was mended if it was to be.
func (r *replaying) tell(ctx context.Context, d *availability.Drift) error {
	m := differenceMessage(d)
	r.summary.Differences++
	if !r.ask.Check {
		switch err := r.Checker.Mend(ctx, d); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			m.Error = err.Error()
		default:
			m.Mended = true
			r.summary.Mended++
		}
	}
	return r.send(m)
}

func (r *replaying) send(m *pb.ReplayDifference) error {
	return r.out.Send(&pb.ReplayResponse{Part: &pb.ReplayResponse_Difference{Difference: m}})
}

var driftKinds = map[availability.DriftKind]pb.DriftKind{
	availability.DriftDiffers:   pb.DriftKind_DRIFT_KIND_DIFFERS,
	availability.DriftLacks:     pb.DriftKind_DRIFT_KIND_LACKS,
	availability.DriftMissing:   pb.DriftKind_DRIFT_KIND_MISSING,
	availability.DriftVersion:   pb.DriftKind_DRIFT_KIND_VERSION,
	availability.DriftUnfounded: pb.DriftKind_DRIFT_KIND_UNFOUNDED,
}

func differenceMessage(d *availability.Drift) *pb.ReplayDifference {
	m := &pb.ReplayDifference{Sku: d.SKU, Kind: driftKinds[d.Kind], Copy: d.Copy, Position: d.Position, Should: d.Should,
		MoreFields: int64(d.More), Explanation: d.Explanation()}
	for _, x := range d.Differences {
		m.Fields = append(m.Fields, &pb.FieldDifference{Field: x.Field, Is: x.Is, Should: x.Should})
	}
	if d.AsOf != nil {
		m.AsOf = concerned(*d.AsOf)
	}
	for _, e := range d.Concerned {
		m.Events = append(m.Events, concerned(e))
	}
	return m
}

func concerned(e availability.EventRef) *pb.ConcernedEvent {
	return &pb.ConcernedEvent{Revision: e.Revision, Position: e.Position, Type: e.Type, EventId: e.ID.String(), RecordedAt: codec.Timestamp(e.RecordedAt)}
}

// progressEvery is the least time between two messages of progress of one stage.
const progressEvery = 500 * time.Millisecond

// stage is a part of a replay that is counted.
type stage struct {
	tell        func(*pb.ReplayProgress) error
	name        string
	done, total int
	began, told time.Time
}

func (r *replaying) stage(name string, total int) *stage {
	return newStage(name, total, func(m *pb.ReplayProgress) error {
		return r.out.Send(&pb.ReplayResponse{Part: &pb.ReplayResponse_Progress{Progress: m}})
	})
}

func newStage(name string, total int, tell func(*pb.ReplayProgress) error) *stage {
	now := time.Now()
	return &stage{tell: tell, name: name, total: total, began: now, told: now}
}

// add counts, and tells now and then how far it has come.
func (s *stage) add(n int) error {
	s.done += n
	now := time.Now()
	if now.Sub(s.told) < progressEvery && s.done != s.total {
		return nil
	}
	s.told = now
	m := &pb.ReplayProgress{Stage: s.name, Done: int64(s.done), Total: int64(s.total)}
	if elapsed := now.Sub(s.began).Seconds(); elapsed > 0 && s.done > 0 {
		m.PerSecond = float64(s.done) / elapsed
		m.LeftMs = int64(1000 * float64(max(0, s.total-s.done)) / m.PerSecond)
	}
	return s.tell(m)
}
