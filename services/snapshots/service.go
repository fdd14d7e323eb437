// Package snapshots implements the contract's SnapshotService: what lay where at an instant, what it was worth, and what changed between two
// instants, each with what it was built from and a digest over its rows.
//
// It guarantees that a request with the position of its answer has the same answer for ever, byte for byte in the canonical form, and that lines and
// totals of a roll-forward add up. It leaves to others: the past itself (package projections/ledger), and the forms of files.
package snapshots

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/valuation"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// MaxSnapshots is how many snapshots and roll-forwards are made at once. Each takes some hundred bytes of memory per SKU and location.
const MaxSnapshots = 2

// MaxRows is how many rows or lines one message has.
const MaxRows = 1_000

// Events is what the service needs of an event store. ReadStream reads a stream from a revision on, until each returns false.
type Events interface {
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
}

// Config says what the service works with. Without a Ledger every call is refused with refusals.ErrNoLedger.
type Config struct {
	Ledger    *ledger.Ledger
	Events    Events
	Valuation valuation.Method // when the request leaves it open
	Now       func() aggregates.Instant
}

// Service implements the contract's SnapshotService.
type Service struct {
	pb.UnimplementedSnapshotServiceServer
	Config
	turns    chan struct{} // holds one for each that is made
	patience time.Duration // sendPatience, less in tests
}

var _ pb.SnapshotServiceServer = (*Service)(nil)

// New returns the service.
func New(c Config) *Service {
	return &Service{Config: c, turns: make(chan struct{}, MaxSnapshots), patience: patience}
}

// begin takes a turn; end gives it back.
func (s *Service) begin() (end func(), err error) {
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }, nil
	default:
		return nil, refusals.ErrTooManySnapshots
	}
}

// question is what requests ask alike.
type question struct {
	at       *timestamppb.Timestamp
	field    string // of at
	axis     pb.TimeAxis
	position uint64
	method   pb.Valuation
}

// cut checks a question and waits until it can be answered.
func (s *Service) cut(ctx context.Context, c *validation.Checker, q question) (ledger.Cut, valuation.Method, error) {
	if s.Ledger == nil {
		return ledger.Cut{}, 0, refusals.ErrNoLedger
	}
	cut := ledger.Cut{Axis: AxisOf(q.axis), At: CheckInstant(c, q.field, q.at, s.Now()), Position: q.position}
	CheckAxis(c, q.axis)
	m, ok := s.method(q.method)
	if !ok {
		c.Fail("valuation", "must be one of the values of Valuation, is %d", q.method)
	}
	if err := c.Err(); err != nil {
		return cut, m, err
	}
	return cut, m, Await(ctx, s.Ledger, cut)
}

func (s *Service) method(v pb.Valuation) (valuation.Method, bool) {
	switch v {
	case pb.Valuation_VALUATION_UNSPECIFIED:
		return s.Valuation, true
	case pb.Valuation_VALUATION_AVERAGE:
		return valuation.Average, true
	case pb.Valuation_VALUATION_FIFO:
		return valuation.FIFO, true
	}
	return 0, false
}

// AxisOf is an axis as the ledger has it.
func AxisOf(a pb.TimeAxis) ledger.Axis {
	if a == pb.TimeAxis_TIME_AXIS_RECORDED {
		return ledger.Recorded
	}
	return ledger.Occurred
}

// CheckAxis checks an axis.
func CheckAxis(c *validation.Checker, a pb.TimeAxis) {
	if _, ok := pb.TimeAxis_name[int32(a)]; !ok {
		c.Fail("axis", "must be one of the values of TimeAxis, is %d", a)
	}
}

// CheckInstant reads a past instant.
func CheckInstant(c *validation.Checker, field string, t *timestamppb.Timestamp, now aggregates.Instant) aggregates.Instant {
	at := codec.Instant(t)
	if t == nil || !t.IsValid() || at <= 0 || at > now {
		c.Fail(field, "must be given, as a time after 1970 and not in the future, such as %s", now.Time().Format(time.RFC3339))
	}
	return at
}

// Await waits until a ledger has all that a cut is about. A position that the store has not reached is an error of the request.
func Await(ctx context.Context, l *ledger.Ledger, cut ledger.Cut) error {
	if l.Shows(cut) {
		return nil
	}
	if err := tokens.AwaitEnd(ctx, l); err != nil {
		return err
	}
	var c validation.Checker
	if cut.Position != 0 && !l.Shows(cut) {
		c.Fail("position", "must be one that the store has reached, at most %d, is %d", l.Position(), cut.Position)
	}
	return c.Err()
}
