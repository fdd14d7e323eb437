package snapshots

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
	"github.com/stockfold/stockfold/projections/ledger"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// RollForward streams what became of each SKU between two instants. Its errors are those of TakeSnapshot.
func (s *Service) RollForward(r *pb.RollForwardRequest, stream grpc.ServerStreamingServer[pb.RollForwardResponse]) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	var c validation.Checker
	if r.Sku != "" {
		c.ID("sku", r.Sku)
	}
	from, cut, method, err := s.period(stream.Context(), &c, r.From, question{at: r.To, field: "to", axis: r.Axis, position: r.Position, method: r.Valuation})
	if err != nil {
		return err
	}
	report, err := s.Ledger.Between(stream.Context(), from, cut, method)
	if err != nil {
		return err
	}
	if r.Sku != "" {
		report.Lines = slices.DeleteFunc(report.Lines, func(l ledger.Line) bool { return l.SKU != r.Sku })
	}
	return sendReport(report, patient[pb.RollForwardResponse]{stream, s.patience})
}

// period checks a question about the time between two instants.
func (s *Service) period(ctx context.Context, c *validation.Checker, begin *timestamppb.Timestamp, q question) (from aggregates.Instant, cut ledger.Cut, m valuation.Method, err error) {
	from = CheckInstant(c, "from", begin, s.Now())
	if q.at.IsValid() && begin.IsValid() && q.at.AsTime().Before(begin.AsTime()) {
		c.Fail("to", "must not be before from")
	}
	cut, m, err = s.cut(ctx, c, q)
	return from, cut, m, err
}

func sendReport(report *ledger.Report, stream grpc.ServerStreamingServer[pb.RollForwardResponse]) error {
	d, totals := newDigest(), map[rowKey]*ledger.Line{}
	var lines []*pb.RollForwardLine
	for i := range report.Lines {
		x := &report.Lines[i]
		x.Unit = cmp.Or(x.Unit, stock.DefaultUnit)
		if err := total(totals, x); err != nil {
			return err
		}
		line := lineOf(x)
		d.line = AppendLine(d.line[:0], line)
		d.add()
		if lines = append(lines, line); len(lines) == MaxRows {
			if err := stream.Send(&pb.RollForwardResponse{Lines: lines}); err != nil {
				return err
			}
			lines = nil
		}
	}
	last := &pb.RollForwardResponse{Lines: lines, Trailer: d.trailer(report.Result)}
	for _, x := range totals {
		last.Totals = append(last.Totals, lineOf(x))
	}
	slices.SortFunc(last.Totals, func(a, b *pb.RollForwardLine) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Decimals, b.Decimals), cmp.Compare(a.Currency, b.Currency))
	})
	return stream.Send(last)
}

// total adds a line to that of its unit and currency.
func total(totals map[rowKey]*ledger.Line, x *ledger.Line) error {
	key := rowKey{unit: x.Unit, currency: x.Currency, decimals: int32(x.Decimals)}
	t := totals[key]
	if t == nil {
		t = &ledger.Line{Unit: x.Unit, Currency: x.Currency, Decimals: x.Decimals}
		totals[key] = t
	}
	var sum summing
	add := func(to *ledger.Amount, a ledger.Amount, what string) {
		sum.add(&to.Units, a.Units, what)
		sum.add(&to.Value, a.Value, "values of "+what)
	}
	add(&t.Opening, x.Opening, "opening")
	add(&t.Closing, x.Closing, "closing")
	for f := range x.Flow {
		add(&t.Flow[f], x.Flow[f], flowText(stock.Flow(f)))
	}
	return sum.failed
}

func lineOf(x *ledger.Line) *pb.RollForwardLine {
	flow := func(f stock.Flow) *pb.StockAmount { return amount(x.Flow[f]) }
	sold := x.Flow[stock.FlowSold]
	return &pb.RollForwardLine{
		Sku: x.SKU, Location: x.Location, Department: x.Category, Unit: x.Unit, Decimals: int32(x.Decimals), Currency: x.Currency,
		Opening: amount(x.Opening), Received: flow(stock.FlowReceived), Sold: amount(ledger.Amount{Units: -sold.Units, Value: -sold.Value}),
		Returned: flow(stock.FlowReturned), Adjusted: flow(stock.FlowAdjusted), Transferred: flow(stock.FlowTransferred), Closing: amount(x.Closing),
	}
}

func amount(a ledger.Amount) *pb.StockAmount {
	return &pb.StockAmount{Units: a.Units, Value: a.Value}
}
