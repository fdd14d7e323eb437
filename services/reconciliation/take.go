package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/grpc"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/validation"
)

// StartRun takes a snapshot in and compares it. It returns *validation.Error, *validation.ClockSkewError, the errors of the decisions, and those of the store.
func (s *Service) StartRun(stream grpc.ClientStreamingServer[pb.StartRunRequest, pb.StartRunResponse]) error {
	ctx := stream.Context()
	x := &intake{Service: s}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := x.take(ctx, m); err != nil {
			return err
		}
	}
	if x.runID == "" {
		return headerMissing()
	}
	if err := x.flush(ctx, true); err != nil {
		return err
	}
	if err := s.Compare(ctx, x.runID); err != nil {
		return err
	}
	run, err := s.message(ctx, x.runID)
	if err != nil {
		return err
	}
	return stream.SendAndClose(&pb.StartRunResponse{Run: run})
}

func headerMissing() error {
	var c validation.Checker
	c.Fail("header", "must be given in the first message, and in no other")
	return c.Err()
}

// intake is a snapshot that comes in by a call.
type intake struct {
	*Service
	runID   string
	header  reconciliation.Header
	chunk   int
	pending reconciliation.RowsTaken
	line    int64
}

// take takes a message of the stream. Rows go into chunks of a fixed size, however they are grouped on the way: so a snapshot that is sent again has the same.
func (x *intake) take(ctx context.Context, m *pb.StartRunRequest) error {
	if (m.Header == nil) == (x.runID == "") {
		return headerMissing()
	}
	if m.Header != nil {
		if err := x.begin(ctx, m.Header); err != nil {
			return err
		}
	}
	var c validation.Checker
	if c.Count("rows", len(m.Rows), 0, reconciliation.MaxChunkRows); c.Err() == nil {
		c.Count("refused", len(m.Refused), 0, reconciliation.MaxChunkRows)
	}
	if err := c.Err(); err != nil {
		return err
	}
	for _, r := range m.Rows {
		row := codec.FromSourceRow(r)
		if x.line++; row.Line == 0 {
			row.Line = x.line
		}
		if reason := rowRule(&x.header, &row); reason != "" {
			x.pending.Refused = append(x.pending.Refused, reconciliation.Refused{Line: row.Line, Reason: reason})
		} else {
			x.pending.Rows = append(x.pending.Rows, row)
		}
		if err := x.full(ctx); err != nil {
			return err
		}
	}
	for _, r := range m.Refused {
		x.pending.Refused = append(x.pending.Refused, reconciliation.Refused{Line: r.Line, Reason: clip(r.Reason)})
		if err := x.full(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (x *intake) begin(ctx context.Context, m *pb.SnapshotHeader) error {
	h, err := x.checkHeader(m)
	if err != nil {
		return err
	}
	x.header = h
	x.runID, err = x.start(ctx, h)
	return err
}

// full keeps a chunk when there is one.
func (x *intake) full(ctx context.Context) error {
	if len(x.pending.Rows)+len(x.pending.Refused) < reconciliation.MaxChunkRows {
		return nil
	}
	return x.flush(ctx, false)
}

func (x *intake) flush(ctx context.Context, last bool) error {
	chunk := x.pending
	chunk.Chunk, chunk.Last = x.chunk, last
	x.chunk, x.pending = x.chunk+1, reconciliation.RowsTaken{}
	return x.keep(ctx, x.runID, &x.header, chunk)
}

// start begins a run, and puts it on the list.
func (s *Service) start(ctx context.Context, h reconciliation.Header) (string, error) {
	id := RunID(&h)
	began := false
	_, err := s.Runs.Do(ctx, id, metadata(id, "start", &h, s.Now()), deciding[reconciliation.State](func(x *reconciliation.State) ([]aggregates.Event, error) {
		began = x.Completed != nil
		return reconciliation.Start(x, id, h)
	}))
	if err != nil || began {
		return id, err
	}
	_, err = s.List.Do(ctx, Index, metadata(id, "list", &h, s.Now()), deciding[reconciliation.List](func(x *reconciliation.List) ([]aggregates.Event, error) {
		return x.Add(id, h)
	}))
	return id, err
}

// keep keeps a chunk.
func (s *Service) keep(ctx context.Context, id string, h *reconciliation.Header, chunk reconciliation.RowsTaken) error {
	m := metadata(id, fmt.Sprintf("chunk %d", chunk.Chunk), h, s.Now())
	m.Fingerprint = fingerprint(&chunk)
	_, err := s.Runs.Do(ctx, id, m, deciding[reconciliation.State](func(x *reconciliation.State) ([]aggregates.Event, error) {
		return reconciliation.Take(x, chunk, m.Fingerprint)
	}))
	return err
}

// fingerprint tells a chunk from one with other rows.
func fingerprint(r *reconciliation.RowsTaken) uint64 {
	parts := []string{strconv.FormatBool(r.Last)}
	for i := range r.Rows {
		x := &r.Rows[i]
		parts = append(parts, x.SKU, x.Location, x.Condition, strconv.FormatInt(x.Quantity, 10), x.Decimal, strconv.FormatInt(x.UnitCost, 10), x.Currency)
	}
	for _, x := range r.Refused {
		parts = append(parts, strconv.FormatInt(x.Line, 10))
	}
	return aggregates.Fingerprint(parts...)
}

// TakeChunk takes a chunk that came by message, and tells whether it was news. What is wrong with it is a *stock.Rejection; with any other error it may be tried again.
func (s *Service) TakeChunk(ctx context.Context, m *pb.SnapshotChunk) (bool, error) {
	h, err := s.checkHeader(m.Header)
	if err == nil && len(m.Rows) > reconciliation.MaxChunkRows {
		err = reconciliation.ErrTooLong
	}
	if err != nil {
		return false, rejection(err)
	}
	chunk := reconciliation.RowsTaken{Chunk: int(m.Chunk), Last: m.Last}
	for i, r := range m.Rows {
		row := codec.FromSourceRow(r)
		if row.Line == 0 {
			row.Line = int64(m.Chunk)*reconciliation.MaxChunkRows + int64(i) + 1
		}
		if reason := rowRule(&h, &row); reason != "" {
			chunk.Refused = append(chunk.Refused, reconciliation.Refused{Line: row.Line, Reason: reason})
		} else {
			chunk.Rows = append(chunk.Rows, row)
		}
	}
	id, err := s.start(ctx, h)
	if err != nil {
		return false, rejection(err)
	}
	before, err := s.run(ctx, id)
	if err == nil {
		err = s.keep(ctx, id, &h, chunk)
	}
	if err != nil {
		return false, rejection(err)
	}
	after, err := s.run(ctx, id)
	return after.Rows+after.Refused != before.Rows+before.Refused || after.Last != before.Last, err
}

// rejection makes of an error about the message itself one that is kept with it.
func rejection(err error) error {
	if r := stock.Reject(err); r != nil {
		return r
	}
	for _, known := range []error{reconciliation.ErrTooLong, reconciliation.ErrLastTwice, reconciliation.ErrBeyondLast, reconciliation.ErrOtherRows} {
		if errors.Is(err, known) {
			return &stock.Rejection{Reason: ReasonInvalidSnapshot, Message: err.Error()}
		}
	}
	if errors.Is(err, reconciliation.ErrTooMany) { // what completes those that are open may be behind it in the log
		return &stock.Rejection{Reason: ReasonTooManyRuns, Message: err.Error()}
	}
	var undefined *refusals.UnknownChannel
	if errors.As(err, &undefined) {
		return &stock.Rejection{Reason: ReasonInvalidSnapshot, Message: err.Error()}
	}
	var another *reconciliation.AnotherError
	if errors.As(err, &another) {
		return &stock.Rejection{Reason: ReasonSnapshotReused, Message: err.Error()}
	}
	return err
}

// Reasons of dead letters about snapshots. They are a contract.
const (
	ReasonInvalidSnapshot = "INVALID_SNAPSHOT"
	ReasonSnapshotReused  = "SNAPSHOT_REUSED"
	ReasonTooManyRuns     = "TOO_MANY_RUNS"
)

// checkHeader checks what a snapshot says of itself.
func (s *Service) checkHeader(m *pb.SnapshotHeader) (reconciliation.Header, error) {
	c := validation.Checker{Prefix: "header."}
	c.ID("source", m.GetSource())
	c.ID("document", m.GetDocument())
	c.Text("location", m.GetLocation(), validation.MaxID)
	c.Text("channel", m.GetChannel(), validation.MaxID)
	if m.GetLocation() != "" && m.GetChannel() != "" {
		c.Fail("channel", "must not be given beside a location: a snapshot is of locations, or of what a channel shows")
	}
	if m.GetAsOf() == nil || !m.GetAsOf().IsValid() || codec.Instant(m.GetAsOf()) <= 0 {
		c.Fail("as_of", "must be given, as a time after 1970")
	}
	if _, ok := pb.ReconciliationPolicy_name[int32(m.GetPolicy())]; !ok {
		c.Fail("policy", "must be a known policy, is %d", int32(m.GetPolicy()))
	}
	corrects := m.GetPolicy() == pb.ReconciliationPolicy_RECONCILIATION_POLICY_CORRECT
	if corrects && m.GetChannel() != "" {
		c.Fail("policy", "cannot correct by what a channel shows: it follows from the stock")
	}
	if corrects {
		c.Range("max_units", m.GetMaxUnits(), 1, validation.MaxQuantity)
		c.Range("max_total_units", m.GetMaxTotalUnits(), 1, validation.MaxQuantity)
	} else if m.GetMaxUnits() != 0 || m.GetMaxTotalUnits() != 0 {
		c.Fail("max_units", "must be given with the policy to correct only")
	}
	if _, defined := s.Directory.Channel(m.GetChannel()); m.GetChannel() != "" && !defined && c.Err() == nil {
		return reconciliation.Header{}, &refusals.UnknownChannel{Channel: m.Channel}
	}
	h := codec.FromSnapshotHeader(m)
	if h.AsOf > s.Now() {
		c.Fail("as_of", "must not be in the future")
	}
	return h, c.Err()
}
