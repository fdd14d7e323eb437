package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	replayTimeout = 2 * time.Minute
	// Rates that the estimate reckons with, events/s.
	slowReplay = 150_000
	slowTopUp  = 40_000
)

var replayRow = Row{
	Name: "replay", Title: "Replay: availability rebuilt from every event", Unit: "events/s", Baseline: "Pebble scanning the same bytes",
	Target: &Target{Value: 1_000_000},
	takes: func(e effort) time.Duration {
		return time.Duration(e.loadRounds)*(2*time.Second+time.Duration(e.replay)*time.Second/slowReplay) +
			time.Duration(e.replay)*time.Second/slowTopUp/2
	},
	measure: measureReplay,
}

// measureReplay removes the read model of the stopped service and starts it again. In between, Pebble scans what is stored.
func measureReplay(ctx context.Context, b *bench, f *Figure) error {
	if _, err := b.stocked(ctx); err != nil {
		return err
	}
	if err := b.topUp(ctx, f); err != nil {
		return err
	}
	var used meter
	var scanned scan
	for round := 1; round <= b.loadRounds; round++ {
		if err := b.stopServer(); err != nil {
			return err
		}
		if err := removeViews(b.data(), b.programs.Views); err != nil {
			return err
		}
		var err error
		if scanned, err = scanAlone(ctx, filepath.Join(b.data(), b.programs.Events)); err != nil {
			return err
		}
		rate, err := b.rebuild(ctx, f)
		if err != nil {
			return err
		}
		if round == 1 {
			used.add(b.server.pid(), int64(b.replayed)) // of all read models
		}
		f.Rounds = append(f.Rounds, newRound(rate, scanned.rate(float64(b.replayed))))
		b.say("  round %d of %d: %s events/s, Pebble alone %s", round, b.loadRounds, amount(rate), amount(scanned.rate(float64(b.replayed))))
		if err := b.checkReadable(ctx, b.server.typed()); err != nil {
			return err
		}
	}
	f.CPU = &CPU{Service: used.perCall()}
	f.note("Pebble scans %s keys, %s MiB of keys and values, in %s", grouped(int64(scanned.keys)), grouped(scanned.bytes>>20), scanned.took.Round(time.Millisecond))
	return nil
}

// topUp records receipts until there are as many events as are to be replayed.
func (b *bench) topUp(ctx context.Context, f *Figure) error {
	now, err := b.server.status.GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil {
		return fmt.Errorf("count the events: %w", err)
	}
	missing := b.replay - int(now.StorePosition)
	if missing <= 0 {
		return nil
	}
	b.say("  recording %s more events", grouped(int64(missing)))
	tills := newTills(b.catalogue)
	movements := make([]*pb.Movement, missing)
	for i := range movements {
		shop := tills.r.IntN(locationCount)
		sku, units := tills.stocked(shop), lineQuantity(tills.r)
		b.catalogue.onHand[sku][shop] += units
		movements[i] = b.stocker.received(b.catalogue.skus[sku], b.catalogue.locations[shop], units)
	}
	from := time.Now()
	if err := b.stocker.record(ctx, movements); err != nil {
		return err
	}
	f.note("recorded %s movements/s through RecordMovements", amount(float64(missing)/time.Since(from).Seconds()))
	return b.server.settle(ctx)
}

// rebuild starts the service without a read model, and returns how many events per second the availability
// projection folds from its first progress to the end of the store. In the first round it waits for all other read models.
func (b *bench) rebuild(ctx context.Context, f *Figure) (float64, error) {
	s, err := b.serve(ctx, true)
	if err != nil {
		return 0, err
	}
	work := stretch{started: s.started}
	err = s.await(ctx, replayTimeout, "the read model is rebuilt", func(now *pb.GetStatusResponse) bool {
		work.see(time.Now(), position(now, availabilityProjection))
		return position(now, availabilityProjection) >= now.StorePosition
	})
	if err != nil {
		return 0, err
	}
	all := time.Since(s.started)
	if len(f.Rounds) == 0 {
		if err := s.settle(ctx); err != nil {
			return 0, err
		}
		f.note("%s events; %s from starting the process until availability is complete, %s until all read models are",
			grouped(int64(work.last)), all.Round(time.Millisecond), time.Since(s.started).Round(time.Millisecond))
		if work.share() == 1 {
			f.note("too few events to tell folding from starting the process, which is counted with it")
		}
	}
	b.replayed = work.last
	return work.rate(float64(work.last)), s.await(ctx, settleTimeout, "it is ready", func(*pb.GetStatusResponse) bool { return s.serves(ctx) })
}
