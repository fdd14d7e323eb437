package api

import (
	"strconv"

	"google.golang.org/grpc/codes"

	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/refusals"
)

// Reasons of errors about proofs and traces.
const (
	ReasonUnknownEvent  = "UNKNOWN_EVENT"
	ReasonUnknownTrace  = "UNKNOWN_TRACE"
	ReasonNoTreeHead    = "NO_TREE_HEAD"
	ReasonNoSigningKey  = "NO_SIGNING_KEY"
	ReasonNotInTreeHead = "NOT_IN_TREE_HEAD"
	ReasonForkedHistory = "FORKED_HISTORY"
)

// refusedByAudit is what proofs and traces cannot tell.
func refusedByAudit(err error) (problem, bool) {
	switch e := err.(type) {
	case *refusals.UnknownEvent:
		return problem{code: codes.NotFound, reason: ReasonUnknownEvent}.with("event_id", e.EventID), true
	case *refusals.UnknownTrace:
		return problem{code: codes.NotFound, reason: ReasonUnknownTrace}.with("id", e.ID), true
	case *refusals.NotInTreeHead:
		return problem{code: codes.FailedPrecondition, reason: ReasonNotInTreeHead}.with("event_id", e.EventID), true
	case *domain.ForkedError:
		return problem{code: codes.FailedPrecondition, reason: ReasonForkedHistory}.with("tree_size", strconv.FormatInt(e.Size, 10)), true
	}
	switch err {
	case audit.ErrNoHead:
		return problem{code: codes.NotFound, reason: ReasonNoTreeHead}, true
	case audit.ErrNoKey:
		return problem{code: codes.FailedPrecondition, reason: ReasonNoSigningKey}, true
	}
	return problem{}, false
}
