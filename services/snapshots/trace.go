package snapshots

import (
	"context"
	"fmt"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// MaxTraced is how many events of one SKU are read to name those behind a line.
const MaxTraced = 1_000_000

// TraceRollForward lists the events behind the lines of one SKU. It returns *validation.Error, refusals.ErrNoLedger, *refusals.UnknownSKU,
// *refusals.TooManyEvents, *tokens.NotYetVisibleError and the errors of the read model and the store.
func (s *Service) TraceRollForward(ctx context.Context, r *pb.TraceRollForwardRequest) (*pb.TraceRollForwardResponse, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	size := tokens.PageSize(&c, r.PageSize)
	from, cut, method, err := s.period(ctx, &c, r.From, question{at: r.To, field: "to", axis: r.Axis, position: r.Position, method: r.Valuation})
	if err != nil {
		return nil, err
	}
	list := tokens.NewList("roll-forward", r.Sku, fmt.Sprint(from, cut.At, cut.Axis, r.Position, method))
	first, position, err := place(list, r.PageToken)
	if err != nil {
		return nil, err
	}
	if position != 0 { // all pages are as known when the first one was
		cut.Position = position
	}
	steps, result, err := s.Ledger.Trace(ctx, r.Sku, from, cut, method)
	if err != nil {
		return nil, err
	}
	answer := &pb.TraceRollForwardResponse{Trailer: &pb.SnapshotTrailer{Position: result.Position, Settled: result.Settled}}
	page := steps[min(first, len(steps)):]
	if len(page) > size {
		page = page[:size]
		answer.NextPageToken = list.Encode(fmt.Sprintf("%d %d", first+size, result.Position))
	}
	answer.Steps, err = s.named(ctx, r.Sku, page)
	return answer, err
}

// place reads where a page begins, and as known at which position.
func place(list tokens.List, token string) (first int, position uint64, err error) {
	after, err := list.Decode(token)
	if err != nil || after == "" {
		return 0, 0, err
	}
	if _, err := fmt.Sscanf(after, "%d %d", &first, &position); err != nil || first < 0 {
		var c validation.Checker
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
		return 0, 0, c.Err()
	}
	return first, position, nil
}

// named reads the events of steps from the SKU's stream.
func (s *Service) named(ctx context.Context, sku string, steps []ledger.Step) ([]*pb.RollForwardStep, error) {
	wanted := make(map[uint64][]*pb.RollForwardStep, len(steps))
	list := make([]*pb.RollForwardStep, len(steps))
	for i := range steps {
		list[i] = stepOf(&steps[i])
		wanted[steps[i].Position] = append(wanted[steps[i].Position], list[i])
	}
	n, known := 0, false
	var bad error
	err := s.Events.ReadStream(ctx, aggregates.SKUPrefix+sku, 0, func(r aggregates.Record) bool {
		if n, known = n+1, true; n > MaxTraced {
			bad = &refusals.TooManyEvents{Stream: r.Stream, Limit: MaxTraced}
		} else if len(wanted[r.Position]) > 0 {
			bad = describe(wanted[r.Position], r)
			delete(wanted, r.Position)
		}
		return bad == nil && (len(wanted) > 0 || len(steps) == 0 && n == 0)
	})
	switch {
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, bad
	case !known:
		return nil, &refusals.UnknownSKU{SKU: sku}
	}
	return list, nil
}

func describe(steps []*pb.RollForwardStep, r aggregates.Record) error {
	e, err := codec.Proto(r)
	if err != nil {
		return err
	}
	for _, x := range steps {
		x.Revision, x.Type, x.EventId, x.Document = e.Revision, e.Type, e.EventId, e.Source.GetDocument()
	}
	return nil
}

func stepOf(x *ledger.Step) *pb.RollForwardStep {
	return &pb.RollForwardStep{Flow: flowText(x.Flow), Location: x.Location, At: codec.Timestamp(x.At), Change: amount(x.Amount), Position: x.Position}
}

func flowText(f stock.Flow) string {
	switch f {
	case stock.FlowReceived:
		return "received"
	case stock.FlowSold:
		return "sold"
	case stock.FlowReturned:
		return "returned"
	case stock.FlowAdjusted:
		return "adjusted"
	case stock.FlowTransferred:
		return "transferred"
	}
	return strconv.Itoa(int(f))
}
