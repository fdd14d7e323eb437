package snapshots

import (
	"cmp"
	"slices"

	"google.golang.org/grpc"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/ledger"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// TakeSnapshot streams what lay where at an instant. It returns *validation.Error, refusals.ErrNoLedger, refusals.ErrTooManySnapshots,
// refusals.ErrNotTaken, *refusals.SumOverflow, *tokens.NotYetVisibleError and the read model's errors.
func (s *Service) TakeSnapshot(r *pb.TakeSnapshotRequest, stream grpc.ServerStreamingServer[pb.TakeSnapshotResponse]) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	var c validation.Checker
	by := checkDimensions(&c, r.By)
	cut, method, err := s.cut(stream.Context(), &c, question{at: r.At, field: "at", axis: r.Axis, position: r.Position, method: r.Valuation})
	if err != nil {
		return err
	}
	snapshot, err := s.Ledger.All(stream.Context(), cut, method)
	if err != nil {
		return err
	}
	out := &taking{dimensions: by, digest: newDigest(), stream: patient[pb.TakeSnapshotResponse]{stream, s.patience}}
	return out.send(snapshot)
}

// dimensions are what rows are told apart by.
type dimensions struct{ sku, location, condition, department bool }

func checkDimensions(c *validation.Checker, by []pb.SnapshotDimension) (d dimensions) {
	if len(by) == 0 {
		return dimensions{sku: true, location: true}
	}
	for _, x := range by {
		switch x {
		case pb.SnapshotDimension_SNAPSHOT_DIMENSION_SKU:
			d.sku = true
		case pb.SnapshotDimension_SNAPSHOT_DIMENSION_LOCATION:
			d.location = true
		case pb.SnapshotDimension_SNAPSHOT_DIMENSION_CONDITION:
			d.condition = true
		case pb.SnapshotDimension_SNAPSHOT_DIMENSION_DEPARTMENT:
			d.department = true
		default:
			c.Fail("by", "must have values of SnapshotDimension, has %d", x)
		}
	}
	return d
}

// taking is a snapshot on its way.
type taking struct {
	dimensions
	*digest
	stream grpc.ServerStreamingServer[pb.TakeSnapshotResponse]
	rows   []*pb.SnapshotRow // of the next message
	sums   map[rowKey]*pb.SnapshotRow
	sum    summing
}

// summing adds up, and remembers the first sum that does not fit 64 bits.
type summing struct{ failed error }

func (s *summing) add(to *int64, x int64, what string) {
	sum := *to + x
	if (sum > *to) != (x > 0) && x != 0 && s.failed == nil {
		s.failed = &refusals.SumOverflow{What: what}
	}
	*to = sum
}

// rowKey tells rows apart.
type rowKey struct {
	sku, location, department, unit, currency string
	condition                                 pb.Condition
	decimals                                  int32
}

// send sends every row, and the trailer. Rows by SKU are complete with their SKU; others with the last one.
func (t *taking) send(s *ledger.Snapshot) error {
	for i := range s.SKUs {
		t.add(&s.SKUs[i])
		if t.sku {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	return t.stream.Send(&pb.TakeSnapshotResponse{Rows: t.rows, Trailer: t.trailer(s.Result)})
}

// add adds up the rows of a SKU.
func (t *taking) add(x *ledger.SKU) {
	if t.sums == nil {
		t.sums = map[rowKey]*pb.SnapshotRow{}
	}
	key := rowKey{unit: cmp.Or(x.Item.Unit, stock.DefaultUnit), currency: x.Currency, decimals: int32(x.Item.Decimals)}
	if t.sku {
		key.sku = x.SKU
	}
	if t.department || t.sku {
		key.department = x.Item.Category
	}
	for i := range x.Places {
		t.place(key, &x.Places[i])
	}
}

func (t *taking) place(key rowKey, p *ledger.Place) {
	if t.location {
		key.location = p.Location
	}
	if !t.condition {
		r := t.row(key)
		for _, n := range p.OnHand {
			t.sum.add(&r.OnHand, n, "on hand")
		}
		t.sum.add(&r.Value, p.Value, "values")
		t.addRest(r, p)
		return
	}
	units, value := p.Units(), p.Value
	for c, n := range p.OnHand {
		first := stock.Condition(c) == stock.Sellable
		if n == 0 && (!first || p.Reserved|p.InTransit|p.Incoming|p.InTransitValue|p.Uncosted == 0) {
			continue
		}
		key.condition = pb.Condition(c) + pb.Condition_CONDITION_SELLABLE
		part, ok := stock.Proportion(value, n, units)
		if !ok {
			part = value
		}
		r := t.row(key)
		t.sum.add(&r.OnHand, n, "on hand")
		t.sum.add(&r.Value, part, "values")
		units, value = units-n, value-part
		if first {
			t.addRest(r, p)
		}
	}
}

func (t *taking) addRest(r *pb.SnapshotRow, p *ledger.Place) {
	t.sum.add(&r.Reserved, p.Reserved, "reserved")
	t.sum.add(&r.InTransit, p.InTransit, "in transit")
	t.sum.add(&r.Incoming, p.Incoming, "incoming")
	t.sum.add(&r.InTransitValue, p.InTransitValue, "values in transit")
	t.sum.add(&r.Uncosted, p.Uncosted, "uncosted")
}

func (t *taking) row(k rowKey) *pb.SnapshotRow {
	r := t.sums[k]
	if r == nil {
		r = &pb.SnapshotRow{Sku: k.sku, Location: k.location, Condition: k.condition, Department: k.department, Unit: k.unit,
			Decimals: k.decimals, Currency: k.currency}
		t.sums[k] = r
	}
	return r
}

// flush sends the rows that are complete, in order.
func (t *taking) flush() error {
	if t.sum.failed != nil {
		return t.sum.failed
	}
	list := make([]*pb.SnapshotRow, 0, len(t.sums))
	for _, r := range t.sums {
		list = append(list, r)
	}
	clear(t.sums)
	slices.SortFunc(list, compareRows)
	for _, r := range list {
		t.digest.row(r)
		if t.rows = append(t.rows, r); len(t.rows) == MaxRows {
			if err := t.stream.Send(&pb.TakeSnapshotResponse{Rows: t.rows}); err != nil {
				return err
			}
			t.rows = nil
		}
	}
	return nil
}

func compareRows(a, b *pb.SnapshotRow) int {
	return cmp.Or(cmp.Compare(a.Sku, b.Sku), cmp.Compare(a.Location, b.Location), cmp.Compare(a.Department, b.Department),
		cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Decimals, b.Decimals), cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Condition, b.Condition))
}
