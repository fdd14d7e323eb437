package bench

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// snapshotRow is measured in rows, so that it does not depend on the size of the catalogue: 100,000 SKUs at 5 locations in 2 s.
var snapshotRow = Row{
	Name: "snapshot", Title: "Snapshot: what lay where, of every SKU, at past instants", Unit: "rows/s", Target: &Target{Value: 250_000},
	takes: func(e effort) time.Duration {
		return time.Duration(e.rounds)*time.Second + time.Duration(e.replay)*time.Second/slowTopUp/2
	},
	measure: measureSnapshot,
}

// measureSnapshot takes snapshots at instants of the run, on both axes in turns, and compares one of now with the bench's own sums.
func measureSnapshot(ctx context.Context, b *bench, f *Figure) error {
	if _, err := b.stocked(ctx); err != nil {
		return err
	}
	if err := b.topUp(ctx, f); err != nil {
		return err
	}
	if err := b.server.settle(ctx); err != nil {
		return err
	}
	ctx, unwatch := b.server.watch(ctx)
	defer unwatch()
	counted, now := b.stocker.now.AsTime(), time.Now()
	for round := range b.rounds {
		r := &pb.TakeSnapshotRequest{At: timestamppb.New(now), Axis: pb.TimeAxis_TIME_AXIS_RECORDED}
		if round%2 == 0 { // between the counts and now
			r.At = timestamppb.New(counted.Add(now.Sub(counted) * time.Duration(round+1) / time.Duration(b.rounds)))
			r.Axis = pb.TimeAxis_TIME_AXIS_OCCURRED
		}
		from := time.Now()
		s, err := b.snapshot(ctx, r, nil)
		if err != nil {
			return because(ctx, err)
		}
		rate := float64(s.Rows) / time.Since(from).Seconds()
		f.Rounds, f.Calls = append(f.Rounds, newRound(rate, 0)), f.Calls+1
		b.say("  round %d of %d: %s rows from %s events, %s rows/s", round+1, b.rounds, grouped(s.Rows), grouped(int64(s.Events)), amount(rate))
	}
	return because(ctx, b.checkSnapshot(ctx))
}

// snapshot takes one and returns its trailer.
func (b *bench) snapshot(ctx context.Context, r *pb.TakeSnapshotRequest, each func(*pb.SnapshotRow)) (*pb.SnapshotTrailer, error) {
	stream, err := pb.NewSnapshotServiceClient(b.server.typed()).TakeSnapshot(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	rows := int64(0)
	for {
		answer, err := stream.Recv()
		if err != nil {
			return nil, fmt.Errorf("take a snapshot: %w", err)
		}
		rows += int64(len(answer.Rows))
		for _, row := range answer.Rows {
			if each != nil {
				each(row)
			}
		}
		if t := answer.Trailer; t != nil {
			if t.Rows != rows {
				return nil, wrong("a snapshot says that it has %d rows, %d came", t.Rows, rows)
			}
			return t, nil
		}
	}
}

// checkSnapshot compares what lies where now with the bench's own sums, and asks twice for the same.
func (b *bench) checkSnapshot(ctx context.Context) error {
	lies := map[[2]string]int64{}
	r := &pb.TakeSnapshotRequest{At: timestamppb.Now(), Axis: pb.TimeAxis_TIME_AXIS_RECORDED}
	first, err := b.snapshot(ctx, r, func(row *pb.SnapshotRow) { lies[[2]string{row.Sku, row.Location}] = row.OnHand })
	if err != nil {
		return err
	}
	for i, sku := range b.catalogue.skus {
		for l, want := range b.catalogue.onHand[i] {
			if got := lies[[2]string{sku, b.catalogue.locations[l]}]; got != want {
				return wrong("the snapshot has %d of %s at %s, should have %d", got, sku, b.catalogue.locations[l], want)
			}
		}
	}
	r.Position = first.Position
	again, err := b.snapshot(ctx, r, nil)
	if err == nil && again.Sha256 != first.Sha256 {
		return wrong("the same snapshot has digests %s and %s", first.Sha256, again.Sha256)
	}
	return err
}
