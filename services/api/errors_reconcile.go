package api

import (
	"google.golang.org/grpc/codes"

	domain "github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/services/reconciliation"
)

// Reasons of errors about reconciliation. They are a contract and never change.
const (
	ReasonUnknownRun       = "UNKNOWN_RUN"
	ReasonSnapshotTooLarge = "SNAPSHOT_TOO_LARGE"
	ReasonTooManyRuns      = "TOO_MANY_RUNS"
	ReasonIncomplete       = "SNAPSHOT_INCOMPLETE"
)

// aboutReconciliation is what runs are refused for.
func aboutReconciliation(err error) (problem, bool) {
	switch e := err.(type) {
	case *reconciliation.UnknownRun:
		return problem{code: codes.NotFound, reason: ReasonUnknownRun}.with("run_id", e.RunID), true
	case *domain.AnotherError:
		return problem{code: codes.AlreadyExists, reason: ReasonKeyReused}.with("run_id", e.RunID), true
	}
	switch err {
	case domain.ErrOtherRows, domain.ErrLastTwice, domain.ErrBeyondLast:
		return problem{code: codes.AlreadyExists, reason: ReasonKeyReused}, true
	case domain.ErrTooLong:
		return problem{code: codes.InvalidArgument, reason: ReasonSnapshotTooLarge}, true
	case domain.ErrTooMany:
		return problem{code: codes.ResourceExhausted, reason: ReasonTooManyRuns, retry: retryMuch}, true
	case reconciliation.ErrIncomplete:
		return problem{code: codes.FailedPrecondition, reason: ReasonIncomplete}, true
	}
	return problem{}, false
}
