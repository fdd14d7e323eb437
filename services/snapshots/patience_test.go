package snapshots_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/snapshots"
)

// Callers who ask and do not read keep the few turns from nobody.
func TestWhoDoesNotReadAnAnswerLosesHisTurn(t *testing.T) {
	defer snapshots.BePatient(500 * time.Millisecond)()
	s := open(t)
	var movements []*pb.Movement
	for i := range 8_000 { // more than waits on the way
		movements = append(movements, &pb.Movement{MovementId: fmt.Sprint(i), Source: "wms", Sku: fmt.Sprint(strings.Repeat("x", 80), i), Location: "hamburg", Quantity: 1, OccurredAt: s.minute(0),
			Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	}
	for i := 0; i < len(movements); i += 1_000 {
		if _, err := s.StockClient().RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: movements[i : i+1_000]}); err != nil {
			t.Fatal(err)
		}
	}
	stalled, err := s.SnapshotClient().TakeSnapshot(t.Context(), &pb.TakeSnapshotRequest{At: s.minute(0)})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.SnapshotClient().RollForward(t.Context(), &pb.RollForwardRequest{From: s.minute(-1), To: s.minute(0)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stalled.Recv(); err != nil { // it has its turn
		t.Fatal(err)
	}
	if _, err := other.Recv(); err != nil {
		t.Fatal(err)
	}
	for !everyTurnIsFree(t, s) { // one may lose his turn before the other does
	}
	for err = nil; err == nil; {
		_, err = stalled.Recv()
	}
	servicetest.Refused(t, err, codes.Aborted, "ANSWER_NOT_TAKEN")
	for err = nil; err == nil; {
		_, err = other.Recv()
	}
	servicetest.Refused(t, err, codes.Aborted, "ANSWER_NOT_TAKEN")
}

// everyTurnIsFree tells whether all turns can be had at once.
func everyTurnIsFree(t *testing.T, s *shop) bool {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range snapshots.MaxSnapshots {
		stream, err := s.SnapshotClient().TakeSnapshot(ctx, &pb.TakeSnapshotRequest{At: s.minute(0)})
		if err == nil {
			_, err = stream.Recv()
		}
		switch status.Code(err) {
		case codes.OK: // it has its turn until cancel
		case codes.ResourceExhausted, codes.Aborted:
			return false
		default:
			t.Fatal(err)
		}
	}
	return true
}
