package operations

import (
	"time"

	"google.golang.org/grpc"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/validation"
)

// Condense takes out of old events what is not needed for numbers. It returns *validation.Error, refusals.ErrNotCondensable, refusals.ErrCondensing,
// refusals.ErrReplayRunning, retention.ErrUnread, *retention.TamperedError and the errors of the store.
func (s *Service) Condense(r *pb.CondenseRequest, stream grpc.ServerStreamingServer[pb.CondenseResponse]) error {
	if s.Retention == nil {
		return refusals.ErrNotCondensable
	}
	var c validation.Checker
	before := codec.Instant(r.Before)
	switch latest := s.Retention.Now().Add(-retention.MinAge); {
	case r.Before == nil || !r.Before.IsValid() || before <= 0:
		c.Fail("before", "must be a time after 1970")
	case before > latest:
		c.Fail("before", "must be %s ago at least, not after %s", retention.MinAge, latest.Time().Format(time.RFC3339))
	}
	if err := c.Err(); err != nil {
		return err
	}
	began := time.Now()
	sum, err := s.Retention.Condense(stream.Context(), condensing(stream, before, r.Check))
	if err != nil {
		return err
	}
	return stream.Send(&pb.CondenseResponse{Part: &pb.CondenseResponse_Summary{Summary: &pb.CondenseSummary{
		Skus: sum.SKUs, Condensed: sum.Condensed, Before: sum.Before, Kept: sum.Kept, Skipped: sum.Skipped, SkippedSkus: sum.SkippedSKUs,
		BytesBefore: sum.BytesBefore, BytesAfter: sum.BytesAfter, TookMs: time.Since(began).Milliseconds()}}})
}

// condensing is the request, which tells of its progress.
func condensing(stream grpc.ServerStreamingServer[pb.CondenseResponse], before aggregates.Instant, check bool) retention.Request {
	tell := func(m *pb.ReplayProgress) error {
		return stream.Send(&pb.CondenseResponse{Part: &pb.CondenseResponse_Progress{Progress: m}})
	}
	var at *stage
	return retention.Request{Before: before, Check: check,
		Each: func(skus, total int) error {
			if at == nil {
				at = newStage("condense", total, tell)
			}
			return at.add(skus)
		},
		Reclaiming: func() error { return tell(&pb.ReplayProgress{Stage: "reclaim"}) },
	}
}
