package api

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	readmodel "github.com/stockfold/stockfold/projections"
	view "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/services/availability"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// Reasons of errors, in google.rpc.ErrorInfo. They are a contract and never change.
const (
	ReasonInvalidFields       = "INVALID_FIELDS"
	ReasonClockSkew           = "CLOCK_SKEW"
	ReasonTokenForeign        = "TOKEN_FOREIGN"
	ReasonTooManyDecimals     = "TOO_MANY_DECIMALS"
	ReasonRequestTooLarge     = "REQUEST_TOO_LARGE"
	ReasonUnknownSKU          = "UNKNOWN_SKU"
	ReasonUnknownChannel      = "UNKNOWN_CHANNEL"
	ReasonUnknownLocation     = "UNKNOWN_LOCATION"
	ReasonUnknownReservation  = "UNKNOWN_RESERVATION"
	ReasonUnknownDeadLetter   = "UNKNOWN_DEAD_LETTER"
	ReasonUnknownRoute        = "UNKNOWN_ROUTE"
	ReasonMethodNotAllowed    = "METHOD_NOT_ALLOWED"
	ReasonCrossOrigin         = "CROSS_ORIGIN"
	ReasonForeignHost         = "FOREIGN_HOST"
	ReasonInsufficientStock   = "INSUFFICIENT_STOCK"
	ReasonKeyReused           = "IDEMPOTENCY_KEY_REUSED"
	ReasonNotLive             = "RESERVATION_NOT_LIVE"
	ReasonNotHeld             = "RESERVATION_NOT_HELD"
	ReasonExceedsRemaining    = "EXCEEDS_REMAINING"
	ReasonDecimalsFixed       = "DECIMALS_FIXED"
	ReasonQuantityOverflow    = "QUANTITY_OVERFLOW"
	ReasonNotSoldHere         = "NOT_SOLD_HERE"
	ReasonNoLocationServes    = "NO_LOCATION_SERVES"
	ReasonTooManySplits       = "TOO_MANY_SPLITS"
	ReasonUnknownMethod       = "UNKNOWN_METHOD"
	ReasonLocationNeeded      = "LOCATION_NEEDED"
	ReasonAllocationUsed      = "ALLOCATION_USED"
	ReasonAllocationsOverlap  = "ALLOCATIONS_OVERLAP"
	ReasonBackordersUsed      = "BACKORDERS_USED"
	ReasonTooManyRules        = "TOO_MANY_RULES"
	ReasonUnknownGroup        = "UNKNOWN_GROUP"
	ReasonDeadLetterClosed    = "DEAD_LETTER_CLOSED"
	ReasonNotReplayable       = "NOT_REPLAYABLE"
	ReasonTooManyDates        = "TOO_MANY_PROMISE_DATES"
	ReasonTooMuchSupply       = "TOO_MANY_SUPPLY_LINES"
	ReasonTooManyReservations = "TOO_MANY_RESERVATIONS"
	ReasonTooManyWatches      = "TOO_MANY_WATCHES"
	ReasonTooManyEvents       = "TOO_MANY_EVENTS"
	ReasonNotTaken            = "ANSWER_NOT_TAKEN"
	ReasonNoLedger            = "NO_LEDGER"
	ReasonTooManySnapshots    = "TOO_MANY_SNAPSHOTS"
	ReasonReplayRunning       = "REPLAY_RUNNING"
	ReasonCondensing          = "CONDENSING"
	ReasonNotCondensable      = "NOT_CONDENSABLE"
	ReasonTampered            = "TAMPERED"
	ReasonNoReadModel         = "NO_READ_MODEL"
	ReasonNotExchanged        = "NOT_EXCHANGED"
	ReasonNoRoom              = "NO_ROOM"
	ReasonOverloaded          = "OVERLOADED"
	ReasonContended           = "CONTENDED"
	ReasonStoreUnavailable    = "STORE_UNAVAILABLE"
	ReasonDiskFull            = "DISK_FULL"
	ReasonOutcomeUnknown      = "OUTCOME_UNKNOWN"
	ReasonReadModel           = "READ_MODEL_UNAVAILABLE"
	ReasonStopping            = "STOPPING"
	ReasonNotReady            = "NOT_READY"
	ReasonNotYetVisible       = "NOT_YET_VISIBLE"
	ReasonDeadline            = "DEADLINE_EXCEEDED"
	ReasonCancelled           = "CANCELLED"
	ReasonInternal            = "INTERNAL"
)

// When a caller may try again.
const (
	retrySoon  = 100 * time.Millisecond // others are ahead
	retryLater = time.Second            // something must recover
	retryMuch  = 30 * time.Second       // somebody must do something
)

// problem is what a caller is told of an error.
type problem struct {
	code     codes.Code
	reason   string
	message  string            // the error's own text when empty
	metadata map[string]string // of ErrorInfo
	fields   []validation.Violation
	retry    time.Duration // RetryInfo, when not 0
}

// classify finds what a caller is told of an error: that of the first error of its chain which is in the table. Facts that
// refusals.About added on the way are added to the metadata. ok is false for an error that is nobody's business
// outside.
func classify(err error) (p problem, ok bool) {
	var facts []refusals.Fact
	for e := err; e != nil; e = errors.Unwrap(e) {
		if several, is := e.(interface{ Unwrap() []error }); is {
			return classifyAny(several.Unwrap(), facts)
		}
		if about, is := e.(*refusals.Matter); is {
			facts = append(facts, about.Facts...)
			continue
		}
		if p, ok = known(e); ok {
			return p.about(facts), true
		}
	}
	return problem{}, false
}

func classifyAny(list []error, facts []refusals.Fact) (problem, bool) {
	for _, e := range list {
		if p, ok := classify(e); ok {
			return p.about(facts), true
		}
	}
	return problem{}, false
}

func (p problem) about(facts []refusals.Fact) problem {
	if len(facts) == 0 {
		return p
	}
	all := make(map[string]string, len(p.metadata)+len(facts))
	for _, f := range facts {
		all[f.Name] = f.Value
	}
	for k, v := range p.metadata {
		all[k] = v
	}
	p.metadata = all
	return p
}

// known is the table. It looks at one error, not at what that wraps.
func known(err error) (problem, bool) {
	if p, ok := badRequest(err); ok {
		return p, true
	}
	if p, ok := notFound(err); ok {
		return p, true
	}
	if p, ok := refusedByState(err); ok {
		return p, true
	}
	if p, ok := aboutKits(err); ok {
		return p, true
	}
	if p, ok := aboutOrders(err); ok {
		return p, true
	}
	if p, ok := refusedByAudit(err); ok {
		return p, true
	}
	if p, ok := aboutReconciliation(err); ok {
		return p, true
	}
	return trouble(err)
}

// badRequest is what would be wrong whatever the state of the world.
func badRequest(err error) (problem, bool) {
	switch e := err.(type) {
	case *validation.Error:
		return problem{code: codes.InvalidArgument, reason: ReasonInvalidFields, fields: e.Violations}, true
	case *validation.ClockSkewError:
		return invalid(e.Field, ReasonClockSkew, err).with("occurred_at", e.OccurredAt.Time().Format(time.RFC3339Nano),
			"now", e.Now.Time().Format(time.RFC3339Nano)), true
	case *tokens.ForeignError:
		return invalid(e.Field, ReasonTokenForeign, err), true
	case *tooLargeError:
		return problem{code: codes.ResourceExhausted, reason: ReasonRequestTooLarge, metadata: map[string]string{
			"limit": strconv.Itoa(MaxRequestBytes)}}, true
	case *stock.DecimalsError:
		return invalid("decimal", ReasonTooManyDecimals, err).with("decimals", strconv.Itoa(e.Decimals)), true
	case *stock.NumberError:
		return invalid("decimal", ReasonInvalidFields, err), true
	case *stock.QuantityError:
		return invalid("quantity", ReasonInvalidFields, err), true
	case *stock.HoldSecondsError:
		return invalid("hold_seconds", ReasonInvalidFields, err), true
	case *stock.ExpiryError:
		return invalid("expires_at", ReasonInvalidFields, err), true
	case *stock.PromiseDateError:
		return invalid("promise_at", ReasonInvalidFields, err), true
	case *stock.SupplyError:
		return invalid(e.Field, ReasonInvalidFields, err), true
	case *stock.CostError:
		return invalid("unit_cost", ReasonInvalidFields, err), true
	case *stock.PeriodError:
		return invalid("until", ReasonInvalidFields, err), true
	case *rules.ScopeError, *rules.ReturnScopeError:
		return invalid("rule", ReasonInvalidFields, err), true
	}
	switch err {
	case rules.ErrNoCategory:
		return invalid("rule.category", ReasonInvalidFields, err), true
	case stock.ErrUnknownKind:
		return invalid("kind", ReasonInvalidFields, err), true
	case stock.ErrUnknownCondition:
		return invalid("condition", ReasonInvalidFields, err), true
	case stock.ErrLocationNeeded:
		return invalid("location", ReasonLocationNeeded, err), true
	case stock.ErrRepeatedLocation:
		return invalid("location", ReasonInvalidFields, err), true
	}
	return problem{}, false
}

func notFound(err error) (problem, bool) {
	missing := func(reason string, facts ...string) (problem, bool) {
		return problem{code: codes.NotFound, reason: reason}.with(facts...), true
	}
	switch e := err.(type) {
	case *refusals.UnknownSKU:
		return missing(ReasonUnknownSKU, "sku", e.SKU)
	case *refusals.UnknownChannel:
		return missing(ReasonUnknownChannel, "channel", e.Channel)
	case *refusals.UnknownLocations:
		return missing(ReasonUnknownLocation, "location", e.Locations[0], "count", strconv.Itoa(len(e.Locations)))
	case *refusals.UnknownReservation:
		return missing(ReasonUnknownReservation, "reservation_id", e.ReservationID)
	}
	switch err {
	case stock.ErrUnknownSKU:
		return missing(ReasonUnknownSKU)
	case view.ErrUnknownChannel:
		return missing(ReasonUnknownChannel)
	case stock.ErrUnknownReservation, reservations.ErrNotFound:
		return missing(ReasonUnknownReservation)
	case ingest.ErrNoDeadLetter:
		return missing(ReasonUnknownDeadLetter)
	}
	return problem{}, false
}

// refusedByState is what the state of the world forbids now.
func refusedByState(err error) (problem, bool) {
	forbidden := func(reason string, facts ...string) (problem, bool) {
		return problem{code: codes.FailedPrecondition, reason: reason}.with(facts...), true
	}
	switch e := err.(type) {
	case *stock.InsufficientError:
		facts := []string{"available", number(e.Available), "requested", number(e.Requested)}
		if e.Beyond != 0 {
			facts = append(facts, "beyond", number(e.Beyond))
		}
		if e.PromiseAt != 0 {
			facts = append(facts, "promise_at", e.PromiseAt.Time().Format(time.RFC3339))
		}
		return forbidden(ReasonInsufficientStock, facts...)
	case *stock.NotLiveError:
		return forbidden(ReasonNotLive, "reservation_id", e.ReservationID, "status", e.Status.String())
	case *stock.NotHeldError:
		return forbidden(ReasonNotHeld, "reservation_id", e.ReservationID)
	case *stock.ExceedsError:
		return forbidden(ReasonExceedsRemaining, "reservation_id", e.ReservationID,
			"remaining", number(e.Remaining), "requested", number(e.Requested))
	case *stock.DecimalsFixedError:
		return forbidden(ReasonDecimalsFixed, "decimals", strconv.Itoa(e.Decimals), "requested", strconv.Itoa(e.Requested))
	case *stock.OverflowError:
		return forbidden(ReasonQuantityOverflow, "location", e.Location)
	case *ingest.StateError:
		return forbidden(ReasonDeadLetterClosed, "dead_letter_id", e.ID)
	case *ingest.NotReplayableError:
		return forbidden(ReasonNotReplayable, "dead_letter_id", e.ID)
	case *stock.NotSoldError:
		return forbidden(ReasonNotSoldHere, "channel", e.Channel)
	case *stock.NoLocationError:
		return forbidden(ReasonNoLocationServes, "channel", e.Channel, "location", e.Location, "method", e.Method)
	case *stock.TooManySplitsError:
		return forbidden(ReasonTooManySplits, "requested", number(e.Requested), "limit", strconv.Itoa(e.Limit), "most", number(e.Most))
	case *stock.MethodError:
		return forbidden(ReasonUnknownMethod, "method", e.Method)
	case *stock.AllocationUsedError:
		return forbidden(ReasonAllocationUsed, "channel", e.Channel, "group", e.Group, "used", number(e.Used), "fence", number(e.Fence), "cap", number(e.Cap))
	case *stock.OverlapError:
		return forbidden(ReasonAllocationsOverlap, "channel", e.Channel, "group", e.Group, "other", e.Other, "location", e.Location)
	case *stock.BackordersUsedError:
		return forbidden(ReasonBackordersUsed, "channel", e.Channel, "used", number(e.Used), "limit", number(e.Limit))
	case *stock.BoundError:
		return forbidden(ReasonTooManyRules, "limit", strconv.Itoa(e.Limit))
	case *policy.GroupError:
		return forbidden(ReasonUnknownGroup, "group", e.Group)
	case *stock.KeyReusedError:
		return problem{code: codes.AlreadyExists, reason: ReasonKeyReused, metadata: map[string]string{"key": e.Key}}, true
	}
	return problem{}, false
}

// trouble is what may pass by itself. What lies behind it is for the log, not for the caller.
func trouble(err error) (problem, bool) {
	switch e := err.(type) {
	case *tokens.NotYetVisibleError:
		return problem{code: codes.DeadlineExceeded, reason: ReasonNotYetVisible, retry: retrySoon}, true
	case *stock.TooManyError:
		return problem{code: codes.ResourceExhausted, reason: ReasonTooManyReservations, retry: retryMuch}, true
	case *stock.TooManyDatesError:
		return problem{code: codes.ResourceExhausted, reason: ReasonTooManyDates, metadata: map[string]string{
			"location": e.Location, "limit": strconv.Itoa(e.Limit)}}, true
	case *stock.TooManySupplyError:
		return problem{code: codes.ResourceExhausted, reason: ReasonTooMuchSupply, metadata: map[string]string{"document": e.Document}}, true
	case *refusals.SumOverflow:
		return problem{code: codes.FailedPrecondition, reason: ReasonQuantityOverflow}, true
	case *refusals.TooManyEvents:
		return problem{code: codes.ResourceExhausted, reason: ReasonTooManyEvents}, true
	case *commands.ConflictError:
		return again(codes.Aborted, ReasonContended, retrySoon, contendedText), true
	case *notReadyError:
		return problem{code: codes.Unavailable, reason: ReasonNotReady, retry: retryLater}, true
	case *retention.TamperedError:
		return problem{code: codes.DataLoss, reason: ReasonTampered, metadata: map[string]string{"stream": e.Stream,
			"revision": strconv.FormatUint(e.Revision, 10)}}, true
	}
	switch err {
	case commands.ErrOverloaded, readmodel.ErrTooManyWaiters, errTooManyCalls:
		return again(codes.ResourceExhausted, ReasonOverloaded, retrySoon, "more calls are waiting than the service can take; slow down and try again"), true
	case availability.ErrTooManyWatches:
		return again(codes.ResourceExhausted, ReasonTooManyWatches, retryMuch, "too many watches are open; share one among readers, or try again later"), true
	case refusals.ErrTooManySnapshots:
		return again(codes.ResourceExhausted, ReasonTooManySnapshots, retryLater, ""), true
	case refusals.ErrNotTaken:
		return problem{code: codes.Aborted, reason: ReasonNotTaken}, true
	case refusals.ErrReplayRunning:
		return again(codes.ResourceExhausted, ReasonReplayRunning, retryMuch, ""), true
	case refusals.ErrCondensing:
		return again(codes.ResourceExhausted, ReasonCondensing, retryMuch, ""), true
	case retention.ErrUnread:
		return again(codes.Unavailable, ReasonNotReady, retryMuch, ""), true
	case refusals.ErrNotCondensable:
		return problem{code: codes.FailedPrecondition, reason: ReasonNotCondensable}, true
	case refusals.ErrNoReadModel:
		return problem{code: codes.FailedPrecondition, reason: ReasonNoReadModel}, true
	case view.ErrNoRoom:
		return problem{code: codes.ResourceExhausted, reason: ReasonNoRoom}, true
	case view.ErrNotExchanged:
		return again(codes.Aborted, ReasonNotExchanged, retryMuch, ""), true
	case refusals.ErrNoLedger:
		return problem{code: codes.FailedPrecondition, reason: ReasonNoLedger}, true
	case commands.ErrContended:
		return again(codes.Aborted, ReasonContended, retrySoon, contendedText), true
	case commands.ErrFull:
		return again(codes.Unavailable, ReasonDiskFull, retryMuch, "the disk is too full to write safely; nothing was recorded, and reads go on"), true
	case commands.ErrUnknownOutcome:
		return again(codes.Unavailable, ReasonOutcomeUnknown, retryLater, "it is not known whether this was recorded; repeat the same call, with the same ids: it counts once"), true
	case commands.ErrUnavailable:
		return again(codes.Unavailable, ReasonStoreUnavailable, retryLater, "the event store cannot serve now; repeat the same call, with the same ids: it counts once"), true
	case availability.ErrNothingToAnswerFrom:
		return again(codes.Unavailable, ReasonStoreUnavailable, retryLater, "the event store cannot be read now, and what is remembered of availability is too old to answer from"), true
	case view.ErrUnreadable, availability.ErrTooManyInstead:
		return again(codes.Unavailable, ReasonReadModel, retryLater, "the read model cannot be read now; reservations and other writes are not affected"), true
	case commands.ErrClosed, refusals.ErrStopping:
		return again(codes.Unavailable, ReasonStopping, retryLater, "this instance is stopping; connect again"), true
	case context.DeadlineExceeded:
		return again(codes.DeadlineExceeded, ReasonDeadline, 0, "the deadline passed before the answer; a write may have been recorded: repeat it with the same ids, it counts once"), true
	case context.Canceled:
		return again(codes.Canceled, ReasonCancelled, 0, "the caller went away"), true
	}
	return problem{}, false
}

const contendedText = "others kept changing the same stream; nothing was recorded, try again"

func again(code codes.Code, reason string, retry time.Duration, message string) problem {
	return problem{code: code, reason: reason, retry: retry, message: message}
}

func invalid(field, reason string, err error) problem {
	return problem{code: codes.InvalidArgument, reason: reason, fields: []validation.Violation{{Field: field, Rule: err.Error()}}}
}

// with adds pairs of names and values to the metadata.
func (p problem) with(facts ...string) problem {
	p.metadata = make(map[string]string, len(facts)/2)
	for i := 0; i+1 < len(facts); i += 2 {
		p.metadata[facts[i]] = facts[i+1]
	}
	return p
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
