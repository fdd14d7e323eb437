package codec

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// agree fails the test unless a reader reads of a record what DecodeFact does, errors included.
func agree(t *testing.T, d *FactReader, r *aggregates.Record) {
	t.Helper()
	want, wantOccurred, wantRecorded, failed := DecodeFact(r)
	e, occurred, recorded, err := d.Read(r)
	if (err == nil) != (failed == nil) || err != nil && err.Error() != failed.Error() {
		t.Fatalf("%s %x: error %v, want %v", r.Type, r.Data, err, failed)
	}
	if !reflect.DeepEqual(e, want) || occurred != wantOccurred || recorded != wantRecorded {
		t.Fatalf("%s %x:\n got %+v, %v, %v\nwant %+v, %v, %v", r.Type, r.Data, e, occurred, recorded, want, wantOccurred, wantRecorded)
	}
}

// read are the types that a reader knows.
var read = []string{
	stock.TypeStockCounted, stock.TypeStockReceived, stock.TypeStockSold, stock.TypeStockReturned, stock.TypeStockAdjusted,
	stock.TypeReservationPlaced, stock.TypeReservationConfirmed, stock.TypeReservationExtended, stock.TypeReservationFulfilled,
	stock.TypeReservationReleased, stock.TypeReservationExpired,
}

func TestReaderAndDecodeFactAgreeOnEveryEventAndOnEveryCutOfIt(t *testing.T) {
	d := NewFactReader()
	for _, e := range samples() {
		r := record(t, e)
		agree(t, d, &r)
		whole := r.Data
		for n := range whole {
			r.Data = whole[:n]
			agree(t, d, &r)
			r.Data = slices.Concat(whole[:n], whole[n+1:])
			agree(t, d, &r)
			r.Data = slices.Concat(whole, whole[n:])
			agree(t, d, &r)
		}
	}
}

func TestReaderAndDecodeFactAgreeOnGoldenBytes(t *testing.T) {
	d := NewFactReader()
	files, err := filepath.Glob(filepath.Join("testdata", "*.v1.hex"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		kind := strings.TrimSuffix(filepath.Base(file), ".v1.hex")
		for _, data := range golden(t, kind) {
			agree(t, d, &aggregates.Record{NewEvent: aggregates.NewEvent{Type: kind, Data: data}})
		}
	}
	if _, err := os.Stat(filepath.Join("testdata", "StockSold.v1.hex")); err != nil {
		t.Error(err)
	}
}

// What is stored of the facts that the reader knows, supply left aside, does not go through the generated code.
func TestReaderReadsWhatItKnowsItself(t *testing.T) {
	d := NewFactReader()
	for _, e := range samples() {
		known := slices.Contains(read, e.EventType())
		switch e := e.(type) {
		case *stock.StockReceived:
			e.Supply = nil
		case *stock.ReservationPlaced:
			e.Supply = nil
		case *stock.StockCounted:
			e.Superseded = stock.SupersededBy{}
		}
		r := record(t, e)
		r.Data = append(AppendSealRoom(nil), r.Data...)
		if got, _, _ := d.canonical(&r); (got != nil) != known {
			t.Errorf("%s: read as %v", r.Type, got)
		}
	}
}

// random fills a message with values of all sizes.
func random(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if r.IntN(3) == 0 || f.ContainingOneof() != nil {
			continue
		}
		switch {
		case f.IsList() && f.Message() != nil:
			list := m.Mutable(f).List()
			for range r.IntN(3) {
				random(r, list.AppendMutable().Message(), depth+1)
			}
		case f.IsList() || f.IsMap():
		case f.Message() != nil:
			random(r, m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, randomValue(r, f))
		}
	}
}

func randomValue(r *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	number := r.Uint64() >> r.IntN(64)
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(number&1 == 1)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "berlin", "köln", "EUR", strings.Repeat("long ", 40)}[number%5])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(make([]byte, number%40))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(number % 7))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(number % 2))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(number)
	default:
		return protoreflect.ValueOfInt64(int64(number))
	}
}

func TestReaderAndDecodeFactAgreeOnRandomMessages(t *testing.T) {
	d, r := NewFactReader(), rand.New(rand.NewPCG(3, 9))
	own := 0
	for range 30_000 {
		var p pb.Event
		m := p.ProtoReflect()
		random(r, m, 0)
		p.Id, p.Type, p.Stream, p.Revision, p.Position, p.EventId, p.Seal, p.Condensed = nil, "", "", 0, 0, "", nil, false
		if r.IntN(20) > 0 {
			p.Format = 0
		}
		fact := payloads.Fields().ByNumber(protowire.Number(21 + r.IntN(14)))
		random(r, m.Mutable(fact).Message(), 0)
		data, err := p.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		x := aggregates.Record{NewEvent: aggregates.NewEvent{Type: string(fact.Message().Name()), Data: data}}
		agree(t, d, &x)
		if e, _, _ := d.canonical(&x); e != nil {
			own++
		}
		if len(data) > 0 { // and where a bit was lost
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			agree(t, d, &x)
		}
	}
	if own < 5_000 {
		t.Errorf("the reader read %d itself", own)
	}
}

func FuzzReader(f *testing.F) {
	for _, e := range samples() {
		data, err := Encode(nil, e, &meta)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.EventType(), data)
	}
	d := NewFactReader()
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		agree(t, d, &aggregates.Record{NewEvent: aggregates.NewEvent{Type: kind, Data: data}})
	})
}

func TestReaderSharesNamesAndAllocatesNothingForAMovement(t *testing.T) {
	d := NewFactReader()
	r := record(t, &stock.StockSold{Location: "berlin", Quantity: 2, Channel: "web"})
	if n := testing.AllocsPerRun(100, func() {
		if _, _, _, err := d.Read(&r); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReadFact(b *testing.B) {
	for _, e := range []aggregates.Event{
		&stock.StockSold{Location: "berlin", Quantity: 2, Channel: "web"},
		&stock.ReservationPlaced{ReservationID: "cart-1", Channel: "web", Quantity: 4, ExpiresAt: noon, PolicyPosition: 9,
			Splits: []stock.Split{{Location: "berlin", Quantity: 4}}},
	} {
		data, err := Encode(AppendSealRoom(nil), e, &meta)
		if err != nil {
			b.Fatal(err)
		}
		r := aggregates.Record{NewEvent: aggregates.NewEvent{Type: e.EventType(), Data: data}}
		d := NewFactReader()
		for name, read := range map[string]func(*aggregates.Record) (aggregates.Event, aggregates.Instant, aggregates.Instant, error){
			"reader": d.Read, "generated": DecodeFact,
		} {
			b.Run(r.Type+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, _, err := read(&r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
