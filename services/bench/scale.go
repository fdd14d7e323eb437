package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Shape of the large retailer.
const (
	scaleLocations = 5      // at each of which every SKU is counted
	scaleUnits     = 10_000 // counted at least: what the bench reserves must not run out
	scaleSpread    = 400    // counted at most beyond that

	scalePatience = 15 * time.Minute // for read models to be complete
	crashCalls    = 20               // of movements, right before the process is killed
)

// scaleChannels are what it sells on, from all locations; scaleBuffers are what they keep back.
var (
	scaleChannels = []string{channels[webChannel].id, "marketplace", "stores"}
	scaleBuffers  = map[string]int64{"marketplace": 2, "stores": 1}
)

// scale is a large retailer, put in place once for all rows that need it.
type scale struct {
	*ground
	*goods
	counted  int   // SKUs, from the first
	recorded int64 // movements
	seen     *scaleSeen
}

// scaled starts the large retailer's service; nothing is recorded yet when it is asked for first.
func (b *bench) scaled(ctx context.Context) (*scale, error) {
	if b.scale != nil {
		if err := b.stopServer(); err != nil || b.scale.server != nil {
			return b.scale, err
		}
		return b.scale, b.scale.start(ctx)
	}
	g, err := newGround(ctx, b, "scale")
	if g != nil {
		b.scale = &scale{ground: g, goods: newGoods(growthSKUs(b.scaleSKUs))}
	}
	if err != nil {
		return nil, err
	}
	b.scale.buffers = scaleBuffers
	stores := names("store-", scaleLocations)
	if err := g.define(ctx, stores, nil); err != nil {
		return nil, err
	}
	if err := g.defineChannels(ctx, stores, scaleChannels, scaleBuffers); err != nil {
		return nil, err
	}
	return b.scale, nil
}

// countUpTo counts SKUs at every location until the first n are.
func (s *scale) countUpTo(ctx context.Context, n int) error {
	const each = movementBatch / scaleLocations // SKUs of a call
	first := s.counted
	if n <= first {
		return nil
	}
	s.b.say("  counting %s SKUs at %d locations", grouped(int64(n-first)), scaleLocations)
	err := s.recordCalls(ctx, (n-first+each-1)/each, func(call int, r *rand.Rand, m *stocker) (all []*pb.Movement) {
		for i := first + call*each; i < min(first+(call+1)*each, n); i++ {
			for l := range scaleLocations {
				units := int64(scaleUnits + r.IntN(scaleSpread+1))
				all = append(all, m.counted(s.skus[i], fmt.Sprint("store-", l), units))
				atomic.AddInt64(&s.units[i], units)
			}
		}
		return all
	})
	s.counted = n
	return err
}

// receiveUpTo records receipts by demand until there are n movements.
func (s *scale) receiveUpTo(ctx context.Context, n int64) error {
	if n <= s.recorded {
		return nil
	}
	demand, missing := newZipf(s.counted), int(n-s.recorded)
	s.b.say("  recording %s receipts", grouped(int64(missing)))
	return s.recordCalls(ctx, (missing+movementBatch-1)/movementBatch, func(call int, r *rand.Rand, m *stocker) (all []*pb.Movement) {
		for range min(movementBatch, missing-call*movementBatch) {
			i, units := demand.draw(r), lineQuantity(r)
			all = append(all, m.received(s.skus[i], fmt.Sprint("store-", r.IntN(scaleLocations)), units))
			atomic.AddInt64(&s.units[i], units)
		}
		return all
	})
}

// recordCalls records the movements that make tells of each call.
func (s *scale) recordCalls(ctx context.Context, calls int, make func(call int, r *rand.Rand, m *stocker) []*pb.Movement) error {
	first := s.stocker.ids
	s.stocker.ids += calls * movementBatch
	var recorded atomic.Int64
	err := parallel(ctx, calls, func(ctx context.Context, call int) error {
		m := stocker{now: s.stocker.now, ids: first + call*movementBatch}
		ask := &pb.RecordMovementsRequest{Movements: make(call, rand.New(rand.NewPCG(seed, uint64(m.ids))), &m)}
		if err := s.record(ctx, s.server.wire(call), ask); err != nil {
			return err
		}
		recorded.Add(int64(len(ask.Movements)))
		return nil
	})
	s.recorded += recorded.Load()
	return err
}

// record makes one call as frames, which takes half of what the general encoding takes.
func (s *scale) record(ctx context.Context, w *wire, ask *pb.RecordMovementsRequest) error {
	encoded, err := encode(ask)
	if err != nil {
		return err
	}
	var reply frame
	if err := w.call(ctx, pb.StockService_RecordMovements_FullMethodName, encoded, &reply); err != nil {
		return fmt.Errorf("record %d movements: %w", len(ask.Movements), err)
	}
	var got pb.RecordMovementsResponse
	if err := decode(&reply, &got); err != nil {
		return err
	}
	return checkRecorded(ask.Movements, &got)
}

// complete waits until every read model is at the end of the store.
func (s *scale) complete(ctx context.Context) error {
	return s.server.await(ctx, scalePatience, "every read model is complete", caughtUp)
}

// scaleSeen is what a large retailer's service takes.
type scaleSeen struct {
	clean, killed []startTimes
	rest, asked   int64 // bytes resident: at rest, and after Gets of everything
	log, views    int64 // bytes on disk
	broker        int64
	movements     int64
	reservations  int64 // that growth-skus made; the bytes are for both
	recording     float64
}

// startTimes are from the start of the process.
type startTimes struct{ serving, complete time.Duration }

// measureScale fills in everything, once.
func (b *bench) measureScale(ctx context.Context) (*scaleSeen, error) {
	if b.scale != nil && b.scale.seen != nil {
		return b.scale.seen, nil
	}
	s, err := b.scaled(ctx)
	if err != nil {
		return nil, err
	}
	from, before := time.Now(), s.recorded
	if err := s.countUpTo(ctx, b.scaleSKUs); err != nil {
		return nil, err
	}
	if err := s.receiveUpTo(ctx, int64(b.scaleEvents)); err != nil {
		return nil, err
	}
	seen := &scaleSeen{movements: s.recorded, recording: float64(s.recorded-before) / time.Since(from).Seconds()}
	if err := s.complete(ctx); err != nil {
		return nil, err
	}
	for i := range s.sure {
		seen.reservations += s.sure[i].Load()
	}
	for round := 1; round <= b.scaleRounds; round++ {
		if err := s.round(ctx, seen, round); err != nil {
			return nil, err
		}
		clean, killed := seen.clean[round-1], seen.killed[round-1]
		b.say("  round %d of %d: serving after %s and complete after %s; once killed, %s and %s", round, b.scaleRounds,
			seconds(clean.serving), seconds(clean.complete), seconds(killed.serving), seconds(killed.complete))
	}
	s.seen = seen
	return seen, s.stop()
}

// round stops and starts the service, kills and starts it, and looks at its memory and disk the first time.
func (s *scale) round(ctx context.Context, seen *scaleSeen, round int) error {
	if err := s.stop(); err != nil {
		return err
	}
	clean, err := s.restart(ctx)
	if err != nil {
		return fmt.Errorf("start after a clean stop: %w", err)
	}
	if round == 1 {
		if err := errors.Join(s.ask(ctx, seen), s.weigh(seen)); err != nil {
			return err
		}
	}
	if err := s.crash(ctx); err != nil {
		return err
	}
	killed, err := s.restart(ctx)
	if err != nil {
		return fmt.Errorf("start after the process was killed: %w", err)
	}
	seen.clean, seen.killed = append(seen.clean, clean), append(seen.killed, killed)
	return s.checkAll(ctx, s.server.typed(), len(s.skus), channels[webChannel].id, "")
}

// restart starts the stopped service, and tells how long it takes to the first right answer, and until it is complete.
func (s *scale) restart(ctx context.Context) (t startTimes, err error) {
	if err := s.start(ctx); err != nil {
		return t, err
	}
	client := pb.NewAvailabilityServiceClient(s.server.typed())
	web := channels[webChannel].id
	ask := &pb.GetAvailabilityRequest{Sku: s.skus[len(s.skus)/2], Channel: web}
	until := s.server.started.Add(scalePatience)
	for {
		reply, err := client.GetAvailability(ctx, ask)
		if err == nil {
			if err = s.checkOne(len(s.skus)/2, web, reply.GetAvailability()); err != nil {
				return t, err
			}
			break
		}
		if ctx.Err() != nil || time.Now().After(until) {
			return t, fmt.Errorf("wait for a first answer: %w", because(ctx, err))
		}
		time.Sleep(pollEvery)
	}
	t.serving = time.Since(s.server.started)
	err = s.complete(ctx)
	t.complete = time.Since(s.server.started)
	return t, err
}

// crash kills the service as soon as it has answered the last of some movements: what it answered must be there.
func (s *scale) crash(ctx context.Context) error {
	if err := s.receiveUpTo(ctx, s.recorded+crashCalls*movementBatch); err != nil {
		return err
	}
	killed := s.server
	s.b.peakMemory = max(s.b.peakMemory, peakMemory(killed.pid()))
	s.server = nil
	err := killed.kill()
	for _, c := range killed.conns {
		_ = c.Close()
	}
	return err
}

// ask looks at the memory at rest, and after Gets of all SKUs on all channels, each checked.
func (s *scale) ask(ctx context.Context, seen *scaleSeen) error {
	time.Sleep(s.b.rest)
	seen.rest = resident(s.server.pid())
	for _, c := range scaleChannels {
		if err := s.checkAll(ctx, s.server.typed(), len(s.skus), c, ""); err != nil {
			return err
		}
	}
	time.Sleep(s.b.rest)
	seen.asked = resident(s.server.pid())
	return nil
}

// weigh counts the bytes on disk of the service at rest: by then it has put in order what was written last.
func (s *scale) weigh(seen *scaleSeen) error {
	total, err := bytesIn(s.data)
	if err != nil {
		return err
	}
	if seen.log, err = bytesIn(filepath.Join(s.data, s.b.programs.Events)); err != nil {
		return err
	}
	seen.views, err = bytesIn(filepath.Join(s.data, s.b.programs.Views))
	seen.broker = total - seen.log - seen.views
	return err
}

// bytesIn is the size of all files of a folder.
func bytesIn(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count the bytes in %s: %w", dir, err)
	}
	return sum, nil
}

// seconds writes a duration for people.
func seconds(d time.Duration) string { return amount(d.Seconds()) + " s" }
