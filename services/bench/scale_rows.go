package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// skuSizes are the numbers of SKUs at which Get and Reserve are measured; the last is all of them.
func (e effort) skuSizes() []int {
	sizes := slices.DeleteFunc([]int{1_000, 10_000, 100_000, 1_000_000}, func(n int) bool { return n >= e.scaleSKUs })
	return append(sizes, e.scaleSKUs)
}

var growthSKUsRow = growthRow("growth-skus", "SKUs, asked for by demand", effort.skuSizes,
	func(e effort) time.Duration { return recordingTakes(e.scaleSKUs * scaleLocations) },
	func(ctx context.Context, b *bench, f *Figure, sizes []int) error {
		s, err := b.scaled(ctx)
		if err != nil {
			return err
		}
		ctx, unwatch := s.server.watch(ctx)
		defer unwatch()
		if err := measureSKUs(ctx, s, f, sizes); err != nil {
			return because(ctx, err)
		}
		unwatch()
		return s.stop()
	})

// measureSKUs measures as more and more of the large retailer's SKUs are in place.
func measureSKUs(ctx context.Context, s *scale, f *Figure, sizes []int) error {
	series := newGrowth(s.b, s.server, f, "SKUs")
	x := newReservations(s.b)
	for _, n := range sizes {
		if err := s.countUpTo(ctx, n); err != nil {
			return err
		}
		if err := s.complete(ctx); err != nil {
			return err
		}
		if err := series.measure(ctx, []grown{s.point(x, n)}); err != nil {
			return err
		}
	}
	series.conclude()
	f.note("each SKU is counted at %d locations and sold on %d channels", scaleLocations, len(scaleChannels))
	token, err := s.stocker.sentinel(ctx, "store-0")
	if err != nil {
		return err
	}
	for _, c := range scaleChannels {
		if err := s.checkAll(ctx, s.server.typed(), s.counted, c, token); err != nil {
			return err
		}
	}
	return nil
}

// point measures calls about the first n SKUs, by demand.
func (s *scale) point(x *reservations, n int) grown {
	ranks := newZipf(n).draws(rand.New(rand.NewPCG(seed, uint64(n))), 2*drawn)
	return grown{x: float64(n), inFlight: growthInFlight, calls: byDemand(s.goods, x, ranks, scaleChannels)}
}

// From manySKUs on most of what is received finds the state of its SKU on disk, so many a second.
const (
	manySKUs      = 200_000
	slowReceiving = 3_000
)

// receivingTakes is how long all movements take.
func receivingTakes(e effort) time.Duration {
	counted := e.scaleSKUs * scaleLocations
	if e.scaleSKUs < manySKUs {
		return recordingTakes(e.scaleEvents)
	}
	return recordingTakes(counted) + time.Duration(e.scaleEvents-counted)*time.Second/slowReceiving
}

// scaleRow is a row about what the large retailer's service takes.
func scaleRow(name, title, unit string, most float64, fill func(e effort, seen *scaleSeen, f *Figure)) Row {
	return Row{
		Name: name, Title: title, Unit: unit, Target: &Target{Most: most}, long: true,
		takes: func(e effort) time.Duration {
			if name != "start" { // it does so for all of them
				return 0
			}
			return receivingTakes(e) + time.Duration(e.scaleRounds)*scaleRoundTakes
		},
		measure: func(ctx context.Context, b *bench, f *Figure) error {
			seen, err := b.measureScale(ctx)
			if err != nil {
				return err
			}
			f.Title = fmt.Sprintf("%s; %s SKUs at %d locations on %d channels, %s movements", title, grouped(int64(b.scaleSKUs)), scaleLocations, len(scaleChannels), grouped(seen.movements))
			if part := float64(b.scaleSKUs) / MaxScaleSKUs; part < 1 {
				f.Title += fmt.Sprintf(": %g of what the target is for", part)
			}
			fill(b.effort, seen, f)
			return nil
		},
	}
}

// scaleRoundTakes is about what stopping, killing and two starts take.
const scaleRoundTakes = 6 * time.Second

var (
	startRow = scaleRow("start", "Start, to the first right answer", "s", 5, func(_ effort, seen *scaleSeen, f *Figure) {
		seen.starts(f, func(t startTimes) time.Duration { return t.serving })
		f.note("recorded %s movements/s through RecordMovements", amount(seen.recording))
	})
	completeRow = scaleRow("complete", "Start, until every read model is complete", "s", 15, func(_ effort, seen *scaleSeen, f *Figure) {
		seen.starts(f, func(t startTimes) time.Duration { return t.complete })
	})
	memoryRow = scaleRow("memory", "Memory resident after Gets of all SKUs on all channels", "MiB", 1_024, func(e effort, seen *scaleSeen, f *Figure) {
		f.Rounds = []Round{{Value: mebibytes(seen.asked)}}
		f.note("%s bytes for each SKU", grouped(seen.asked/int64(e.scaleSKUs)))
		f.note("%s MiB at rest after a start, %s bytes for each SKU", amount(mebibytes(seen.rest)), grouped(seen.rest/int64(e.scaleSKUs)))
	})
	diskRow = scaleRow("disk", "Disk, log and read models", "bytes/movement", 150, func(_ effort, seen *scaleSeen, f *Figure) {
		each := func(n int64) float64 { return float64(n) / float64(seen.movements+seen.reservations) }
		f.Rounds = []Round{{Value: each(seen.log + seen.views)}}
		f.note("the log %s, the read models %s bytes for each of %s movements and %s reservations", amount(each(seen.log)), amount(each(seen.views)), grouped(seen.movements), grouped(seen.reservations))
		f.note("beside them %s MiB of published changes in the embedded broker, which keeps the last of them", amount(mebibytes(seen.broker)))
	})
)

// starts are the rounds of a row: each the slower one of both starts.
func (seen *scaleSeen) starts(f *Figure, of func(startTimes) time.Duration) {
	var clean, killed []float64
	for i := range seen.clean {
		c, k := of(seen.clean[i]).Seconds(), of(seen.killed[i]).Seconds()
		clean, killed = append(clean, c), append(killed, k)
		f.Rounds = append(f.Rounds, Round{Value: max(c, k)})
	}
	f.note("%s s after a clean stop, %s s after kill -9 right behind %s movements; what is on disk may be in the system's cache",
		amount(median(clean)), amount(median(killed)), grouped(crashCalls*movementBatch))
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
