package publication

import (
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func values() []projection.Availability {
	at := aggregates.At(time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC))
	var list []projection.Availability
	for _, sku := range []string{"1095275", "a/b %", "кофе 咖啡", `quoted "x" \ `, "tab\t", "\u2028", "<&>", ""} {
		list = append(list,
			projection.Availability{SKU: sku, Channel: "web", Offer: stock.Offer{ATS: 12}, Decimals: 3, Known: true, Position: 77, RecordedAt: at},
			projection.Availability{SKU: sku, Channel: sku, Offer: stock.Offer{ATS: 0}, Position: math.MaxUint64, RecordedAt: at + 1},
			projection.Availability{SKU: sku, Channel: "store", Offer: stock.Offer{ATS: math.MaxInt64}, Known: true, RecordedAt: at - 678_901},
			projection.Availability{SKU: sku, Channel: "web", Known: true, Position: 8, RecordedAt: at,
				Offer: stock.Offer{Beyond: stock.Unlimited, Standing: stock.OnPreorder, NextAt: at + 5}})
	}
	return list
}

func TestTheValueIsTheJSONMappingOfTheContract(t *testing.T) {
	for _, a := range values() {
		m := message([]byte("s"), &a)
		got := &pb.AvailabilityChanged{}
		if err := protojson.Unmarshal(m.Value, got); err != nil {
			t.Fatalf("%s: %v", m.Value, err)
		}
		want := &pb.AvailabilityChanged{Availability: &pb.Availability{
			Sku: a.SKU, Channel: a.Channel, Ats: a.ATS, Decimals: int32(a.Decimals), Known: a.Known, Position: a.Position,
			AsOf: timestamppb.New(a.RecordedAt.Time()), Status: pb.AvailabilityStatus(a.Standing), Beyond: a.Beyond,
		}}
		if a.NextAt != 0 {
			want.Availability.NextAvailableAt = timestamppb.New(a.NextAt.Time())
		}
		if !proto.Equal(got, want) {
			t.Errorf("%s\ngot  %v\nwant %v", m.Value, got, want)
		}
		if string(m.Key) != a.SKU || m.Topic != Topic {
			t.Errorf("message %+v", m)
		}
	}
}

func TestTheEventIsACloudEvent(t *testing.T) {
	a := values()[0]
	m := message([]byte("shop-1"), &a)
	got := map[string]string{}
	for _, h := range m.Headers {
		got[h.Key] = string(h.Value)
	}
	for name, want := range map[string]string{
		"ce_specversion": "1.0", "ce_source": "shop-1", "ce_type": "stockfold.availability.v1", "ce_subject": "1095275",
		"ce_time": "2026-01-02T03:04:05.678901Z", "content-type": "application/json", "ce_id": string(eventID(&a)),
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestAnEventIdIsOfItsValue(t *testing.T) {
	seen := map[string]bool{}
	a := values()[0]
	for _, change := range []func(*projection.Availability){
		func(*projection.Availability) {}, func(a *projection.Availability) { a.SKU = "x" }, func(a *projection.Availability) { a.Channel = "x" },
		func(a *projection.Availability) { a.ATS++ }, func(a *projection.Availability) { a.Known = false },
		func(a *projection.Availability) { a.Position++ }, func(a *projection.Availability) { a.NextAt = a.RecordedAt + 1 },
	} {
		b := a
		change(&b)
		id := string(eventID(&b))
		if seen[id] {
			t.Errorf("two values share the id %s", id)
		}
		seen[id] = true
		if again := string(eventID(&b)); again != id {
			t.Errorf("one value has ids %s and %s", id, again)
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	b.ReportAllocs()
	a := values()[0]
	for b.Loop() {
		_ = message([]byte("stockfold"), &a)
	}
}
