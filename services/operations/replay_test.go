package operations_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// replayed is all that a replay told.
type replayed struct {
	progress    []*pb.ReplayProgress
	differences []*pb.ReplayDifference
	stock       []*pb.ReplayedStock
	summary     *pb.ReplaySummary
}

func replay(t *testing.T, w *servicetest.World, r *pb.ReplayRequest) (all replayed, err error) {
	t.Helper()
	if r.Projection == "" {
		r.Projection = "availability"
	}
	stream, err := w.OperationsClient().Replay(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if all.summary != nil {
			t.Errorf("after the summary came %v", m)
		}
		switch {
		case m.GetProgress() != nil:
			all.progress = append(all.progress, m.GetProgress())
		case m.GetDifference() != nil:
			all.differences = append(all.differences, m.GetDifference())
		case m.GetStock() != nil:
			all.stock = append(all.stock, m.GetStock())
		default:
			all.summary = m.GetSummary()
		}
	}
}

// corrupt has berlin hold three more of a SKU than came, behind everybody's back.
func corrupt(t *testing.T, w *servicetest.World, sku string) {
	t.Helper()
	d, err := w.Documents.Read(t.Context(), sku)
	if err != nil || d == nil {
		t.Fatalf("got %v, %v", d, err)
	}
	bad := *d
	bad.Balances = d.Balances.Clone()
	for b := range bad.Balances.Each {
		b.OnHand[stock.Sellable] += 3
	}
	if err := w.Documents.Write(t.Context(), []*availability.Document{&bad}, projections.Progress{}); err != nil {
		t.Fatal(err)
	}
}

// stocked is a shop with some SKUs, all readable.
func stocked(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	for i, sku := range []string{"milk", "tea", "rice", "oil"} {
		w.Count(sku, int64(10+i))
	}
	settle(t, w)
	return w
}

func settle(t *testing.T, w *servicetest.World) {
	t.Helper()
	if err := w.View.WaitForEnd(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAReplayTellsWhatDiffersAndMendsIt(t *testing.T) {
	w := stocked(t)
	clean, err := replay(t, w, &pb.ReplayRequest{Check: true})
	if err != nil || len(clean.differences) != 0 || clean.summary.Skus != 4 || clean.summary.Differences != 0 {
		t.Fatalf("of what is right: %+v, %v", clean, err)
	}
	done := map[string]*pb.ReplayProgress{} // by stage, the last of each
	for _, p := range clean.progress {
		done[p.Stage] = p
	}
	if p := done["compare"]; p.GetDone() != 4 || p.Total != 4 || p.PerSecond <= 0 || p.LeftMs != 0 {
		t.Errorf("progress %v", clean.progress)
	}
	if p := done["seek"]; p.GetDone() == 0 || p.Done != p.Total || p.Done > int64(w.View.Position()) {
		t.Errorf("progress %v", clean.progress)
	}
	corrupt(t, w, "milk")
	corrupt(t, w, "oil")
	for range 2 { // a check changes nothing
		found, err := replay(t, w, &pb.ReplayRequest{Check: true})
		if err != nil || len(found.differences) != 2 || found.summary.Differences != 2 || found.summary.Mended != 0 {
			t.Fatalf("checked: %+v, %v", found, err)
		}
		d := found.differences[0]
		if d.Sku != "milk" || d.Kind != pb.DriftKind_DRIFT_KIND_DIFFERS || d.Copy != "stored" || d.Mended || d.Explanation == "" {
			t.Errorf("difference %v", d)
		}
		if len(d.Fields) != 1 || d.Fields[0].Is == d.Fields[0].Should || len(d.Events) != 1 || d.Events[0].EventId == "" || d.Events[0].Position != d.Position ||
			d.Events[0].RecordedAt == nil {
			t.Errorf("fields %v, events %v", d.Fields, d.Events)
		}
	}
	one, err := replay(t, w, &pb.ReplayRequest{Skus: []string{"oil", "tea", "unheard of"}})
	if err != nil || len(one.differences) != 1 || !one.differences[0].Mended || one.differences[0].Sku != "oil" || one.summary.Mended != 1 || one.summary.Skus != 3 {
		t.Fatalf("one mended: %+v, %v", one, err)
	}
	all, err := replay(t, w, &pb.ReplayRequest{})
	if err != nil || len(all.differences) != 1 || !all.differences[0].Mended || all.differences[0].Sku != "milk" {
		t.Fatalf("all mended: %+v, %v", all, err)
	}
	if again, err := replay(t, w, &pb.ReplayRequest{Check: true}); err != nil || again.summary.Differences != 0 {
		t.Errorf("after that: %+v, %v", again, err)
	}
	if ats := w.ATS("milk", ""); ats != 10 {
		t.Errorf("milk: %d", ats)
	}
}

func TestAReplayOfThePastChangesNothing(t *testing.T) {
	w := stocked(t)
	before, err := w.Documents.Read(t.Context(), "milk")
	if err != nil {
		t.Fatal(err)
	}
	w.Count("milk", 99)
	if _, err := w.PolicyClient().PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}, Buffer: 5}}); err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	for _, r := range []*pb.ReplayRequest{
		{Position: before.Position, Skus: []string{"milk", "unheard of"}},
		{At: codec.Timestamp(before.RecordedAt), Skus: []string{"milk", "unheard of"}},
	} {
		past, err := replay(t, w, r)
		if err != nil || len(past.stock) != 2 || past.summary.Skus != 2 {
			t.Fatalf("got %+v, %v", past, err)
		}
		m := past.stock[0]
		if m.Sku != "milk" || m.Position != before.Position || m.Events == 0 || len(m.Stock.Locations) == 0 || !slices.ContainsFunc(m.Stock.Locations,
			func(x *pb.StockAtLocation) bool { return x.Sellable == 10 }) {
			t.Errorf("milk: %v", m)
		}
		if len(m.Channels) != 1 || m.Channels[0].Channel != "web" || m.Channels[0].Ats != 10 || m.Channels[0].Position != before.Position ||
			m.Channels[0].PolicyPosition == 0 {
			t.Errorf("channels of milk: %v", m.Channels)
		}
		if x := past.stock[1]; x.Events != 0 || x.Stock != nil || len(x.Channels) != 0 {
			t.Errorf("what nobody heard of: %v", x)
		}
	}
	if ats := w.ATS("milk", ""); ats != 94 {
		t.Errorf("milk: %d", ats)
	}
}

func TestAReplayThatMakesNoSenseIsRefused(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	many := make([]string, 1001)
	for i := range many {
		many[i] = "milk"
	}
	for name, r := range map[string]*pb.ReplayRequest{
		"another projection":   {Projection: "ledger"},
		"too many SKUs":        {Skus: many},
		"a SKU without a name": {Skus: []string{""}},
		"the past of all":      {Position: 7},
		"two pasts":            {Position: 7, At: timestamppb.Now(), Skus: []string{"milk"}},
		"the past anew":        {Position: 7, FromScratch: true, Skus: []string{"milk"}},
		"some from scratch":    {FromScratch: true, Skus: []string{"milk"}},
	} {
		_, err := replay(t, w, r)
		t.Run(name, func(t *testing.T) { servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS") })
	}
}

// lose takes away the documents of some SKUs, behind everybody's back.
func lose(t *testing.T, w *servicetest.World, skus ...string) {
	t.Helper()
	all, err := w.Documents.Scan(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	progress, err := w.Documents.Progress(t.Context())
	kept := slices.DeleteFunc(all, func(d *availability.Document) bool { return slices.Contains(skus, d.SKU) })
	if err := errors.Join(err, w.Documents.Reset(t.Context()), w.Documents.Write(t.Context(), kept, progress)); err != nil {
		t.Fatal(err)
	}
}

// A SKU that has lost its document is not among those that are gone through: it is found by its events.
func TestAReplayFindsSKUsThatHaveLostTheirDocument(t *testing.T) {
	w := stocked(t)
	lose(t, w, "milk", "rice")
	for _, check := range []bool{true, false} {
		found, err := replay(t, w, &pb.ReplayRequest{Check: check})
		if err != nil || len(found.differences) != 2 || found.summary.Skus != 4 || found.summary.Differences != 2 {
			t.Fatalf("got %+v, %v", found, err)
		}
		for i, sku := range []string{"milk", "rice"} {
			if d := found.differences[i]; d.Sku != sku || d.Kind != pb.DriftKind_DRIFT_KIND_MISSING || d.Mended == check || len(d.Events) == 0 {
				t.Errorf("difference %v", d)
			}
		}
	}
	if again, err := replay(t, w, &pb.ReplayRequest{Check: true}); err != nil || again.summary.Differences != 0 || again.summary.Skus != 4 {
		t.Errorf("after that: %+v, %v", again, err)
	}
	if d, err := w.Documents.Read(t.Context(), "milk"); err != nil || d == nil {
		t.Errorf("milk: %v, %v", d, err)
	}
}
