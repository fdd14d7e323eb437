package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// pick returns one of the values by chance.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func randomText(r *rand.Rand) string {
	return pick(r, "", "a", "blue shirt", "100%/x", "кофе", "咖啡", `say "hi"`, "tab\there", "\u2028", `back\slash`, "1095275", "<&>")
}

func randomQuantity(r *rand.Rand) int64 {
	return pick(r, 0, 1, -1, 7, 89638, -500, 1e15, -1e15, 1<<62, -1<<63, r.Int64())
}

func randomTime(r *rand.Rand) *timestamppb.Timestamp {
	if r.IntN(8) == 0 {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: minSeconds + r.Int64N(maxSeconds-minSeconds), Nanos: pick[int32](r, 0, 1, 120_000_000, 999_999_999, 123_456_000)}
}

func randomCondition(r *rand.Rand) pb.Condition { return pb.Condition(r.IntN(7)) }

func randomMovement(r *rand.Rand) *pb.Movement {
	m := &pb.Movement{
		MovementId: randomText(r), Source: randomText(r), Sku: randomText(r), Location: randomText(r), OccurredAt: randomTime(r),
		Quantity: randomQuantity(r), Decimal: randomText(r), Document: randomText(r), Line: randomText(r),
		CorrelationId: randomText(r), Actor: randomText(r),
	}
	switch r.IntN(9) {
	case 0:
		m.Kind = &pb.Movement_Received_{Received: &pb.Movement_Received{Condition: randomCondition(r)}}
	case 1:
		m.Kind = &pb.Movement_Sold_{Sold: &pb.Movement_Sold{Channel: randomText(r), ReservationId: randomText(r)}}
	case 2:
		m.Kind = &pb.Movement_Returned_{Returned: &pb.Movement_Returned{Condition: randomCondition(r), Channel: randomText(r)}}
	case 3:
		m.Kind = &pb.Movement_Adjusted_{Adjusted: &pb.Movement_Adjusted{Condition: randomCondition(r), Reason: randomText(r)}}
	case 4:
		m.Kind = &pb.Movement_Counted_{Counted: &pb.Movement_Counted{Condition: randomCondition(r)}}
	case 5:
		m.Kind = &pb.Movement_ConditionChanged_{ConditionChanged: &pb.Movement_ConditionChanged{
			From: randomCondition(r), To: randomCondition(r), Reason: randomText(r)}}
	case 6:
		m.Kind = &pb.Movement_TransferShipped{TransferShipped: &pb.Movement_TransferOut{Destination: randomText(r), TransferId: randomText(r)}}
	case 7:
		m.Kind = &pb.Movement_TransferReceived{TransferReceived: &pb.Movement_TransferIn{
			Origin: randomText(r), TransferId: randomText(r), Condition: randomCondition(r)}}
	}
	return m
}

func randomSale(r *rand.Rand) *pb.Sale {
	s := &pb.Sale{Document: randomText(r), Location: randomText(r), Channel: randomText(r), Actor: randomText(r)}
	for range r.IntN(5) {
		s.Lines = append(s.Lines, &pb.SaleLine{
			Sku: randomText(r), Quantity: randomQuantity(r), Decimal: randomText(r), Line: randomText(r),
			ReservationId: randomText(r), Returned: r.IntN(2) == 0,
		})
	}
	return s
}

// written is one of the forms in which a program may write a message.
func written(t *testing.T, r *rand.Rand, m proto.Message) []byte {
	t.Helper()
	o := protojson.MarshalOptions{
		UseProtoNames: r.IntN(2) == 0, UseEnumNumbers: r.IntN(2) == 0, EmitUnpopulated: r.IntN(4) == 0, Multiline: r.IntN(4) == 0,
	}
	text, err := o.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if r.IntN(2) == 0 { // 64-bit integers as numbers, keys in order of the alphabet
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var v map[string]any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		numbers(v)
		if text, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

func numbers(v map[string]any) {
	for name, x := range v {
		switch x := x.(type) {
		case string:
			if name == "quantity" {
				v[name] = json.Number(x)
			}
		case map[string]any:
			numbers(x)
		case []any:
			for _, e := range x {
				numbers(e.(map[string]any))
			}
		}
	}
}

// spoil changes a text a little, in ways that keep it close to JSON.
func spoil(r *rand.Rand, text []byte) []byte {
	b := bytes.Clone(text)
	for range 1 + r.IntN(2) {
		if len(b) == 0 {
			return b
		}
		i := r.IntN(len(b))
		switch r.IntN(5) {
		case 0:
			b = append(b[:i], b[i+1:]...)
		case 1:
			b[i] = pick[byte](r, '"', '{', '}', '[', ']', ',', ':', '0', '9', '-', '.', 'e', 'x', ' ', 0, 0xff, '\\', '\n')
		case 2:
			j := i + r.IntN(len(b)-i)
			b = append(b[:j:j], b[i:]...)
		case 3:
			b = append(b[:i:i], append([]byte(pick(r, `null`, `"sku":"twice",`, `1e2`, `1.0`, `true`, `\u0041`, `,`, `"x":1,`, `00`, `-0`)), b[i:]...)...)
		case 4:
			b = b[:i]
		}
	}
	return b
}

// agrees checks that decoding gives what the reference gives.
func agrees(t *testing.T, text []byte, got proto.Message, err error, want proto.Message) {
	t.Helper()
	reference := protojson.Unmarshal(text, want)
	if (err == nil) != (reference == nil) {
		t.Fatalf("%s\ngot error       %v\nreference error %v", text, err, reference)
	}
	if err == nil && !proto.Equal(got, want) {
		t.Fatalf("%s\ngot       %v\nreference %v", text, got, want)
	}
}

func TestPayloadsAreReadAsTheReferenceReadsThem(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		var m proto.Message = randomMovement(r)
		if i%2 == 0 {
			m = randomSale(r)
		}
		text := written(t, r, m)
		if i%3 > 0 {
			text = spoil(r, text)
		}
		if i%2 == 0 {
			got, err := decodeSale(text)
			agrees(t, text, got, err, &pb.Sale{})
		} else {
			got, err := decodeMovement(text)
			agrees(t, text, got, err, &pb.Movement{})
		}
	}
}

func TestNumbersAreReadAsTheReferenceReadsThem(t *testing.T) {
	for _, number := range []string{"0", "-0", "00", "007", "-7", "-", "+5", "1.0", "1.5", "1e2", "1E-2", "12x", "1 2", "0x1", ".5", "5.",
		"999999999999999999", "1000000000000000000", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e400",
		"null", "true", "[]", "{}", "١"} {
		for _, form := range []string{number, `"` + number + `"`, `" ` + number + `"`, `"` + number + ` "`, number + " "} {
			text := []byte(`{"quantity":` + form + `,"counted":{"condition":` + form + `}}`)
			m, err := decodeMovement(text)
			agrees(t, text, m, err, &pb.Movement{})
			text = []byte(`{"lines":[{"quantity":` + form + `},{"returned":` + form + `}]}`)
			s, err := decodeSale(text)
			agrees(t, text, s, err, &pb.Sale{})
			text = []byte(`{"quantity":` + form)
			m, err = decodeMovement(text)
			agrees(t, text, m, err, &pb.Movement{})
		}
	}
}

func FuzzPayloads(f *testing.F) {
	f.Add([]byte(plainMovement))
	f.Add([]byte(plainSale))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodeMovement(text)
		agrees(t, text, m, err, &pb.Movement{})
		s, err := decodeSale(text)
		agrees(t, text, s, err, &pb.Sale{})
	})
}

const (
	plainMovement = `{"sku":"1095275","location":"330","quantity":"12","counted":{"condition":"CONDITION_SELLABLE"},"document":"opening","occurredAt":"2017-01-01T00:00:00Z"}`
	plainSale     = ` {"document": "31198570044", "location":"кофе","lines":[{"sku":"1095275","quantity":-1},{ "sku":"9878513","quantity":"89638","returned":true}]}`
)

// The common forms must not fall back to the reference, which is ten times slower.
func TestPlainPayloadsAreReadInOnePass(t *testing.T) {
	for _, kind := range []string{`"sold":{"channel":"web","reservation_id":"r"}`, `"received":{}`, `"received":{"condition":2}`,
		`"returned":{"condition":"CONDITION_DAMAGED","channel":"web"}`, `"adjusted":{"reason":"lost"}`, `"counted":{}`,
		`"conditionChanged":{"from":"CONDITION_SELLABLE","to":"CONDITION_QUARANTINED","reason":"x"}`,
		`"transfer_shipped":{"destination":"b","transferId":"7"}`,
		`"transferReceived":{"origin":"a","transfer_id":"7","condition":"CONDITION_INSPECTION"}`,
	} {
		text := `{"movementId":"1","source":"wms","sku":"a","location":"b","occurred_at":"2017-01-01T00:00:00.5+01:00","quantity":5,` +
			`"decimal":"","line":"1","correlation_id":"c","actor":"x",` + kind + `}`
		s := scan{b: []byte(text)}
		if s.movement(&pb.Movement{}); !s.end() {
			t.Errorf("gave up at byte %d: %s", s.i, text)
		}
	}
	s := scan{b: []byte(plainSale)}
	if s.sale(&pb.Sale{}); !s.end() {
		t.Errorf("gave up at byte %d: %s", s.i, plainSale)
	}
}

func TestAWrongPayloadNamesWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"skuu":"a"}`:                        `unknown field "skuu"`,
		`{"sku":1}`:                           `sku`,
		`{"quantity":1.5}`:                    `quantity`,
		`{"sku":"a","sku":"b"}`:               `duplicate field "sku"`,
		`{"sold":{},"counted":{}}`:            `oneof`,
		`[]`:                                  `unexpected token`,
		`{"sku":"a"} x`:                       `x`,
		``:                                    `unexpected token`,
		`{"counted":{"condition":"PERFECT"}}`: `condition`,
		`{"occurredAt":"yesterday"}`:          `yesterday`,
	} {
		_, err := decodeMovement([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "data is not a Movement: ") {
			t.Errorf("%s\ngot %v, want it to name %s", text, err, want)
		}
	}
}

func TestTimesAreReadAsTheReferenceReadsThem(t *testing.T) {
	for _, text := range []string{"2017-01-01T00:00:00Z", "2017-01-01T00:00:00.123456789Z", "2017-01-01T00:00:00.1234567890Z",
		"2017-01-01T23:59:60Z", "0001-01-01T00:00:00Z", "0000-12-31T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
		"9999-12-31T23:59:59-01:00", "2017-01-01 00:00:00Z", "2017-01-01T00:00:00", "2017-01-01t00:00:00z", "2017-1-1T00:00:00Z",
		"2017-01-01T0:00:00Z", "2017-01-01T00:00:00,5Z", "2017-01-01T00:00:00+24:00", "", "x"} {
		want := &timestamppb.Timestamp{}
		reference := protojson.Unmarshal([]byte(fmt.Sprintf("%q", text)), want)
		got, ok := parseTime(text)
		if ok != (reference == nil) || ok && !got.Equal(want.AsTime()) {
			t.Errorf("%q: got %v, %v; reference %v, %v", text, got, ok, want.AsTime(), reference)
		}
	}
}

func BenchmarkPayload(b *testing.B) {
	b.Run("movement", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = decodeMovement([]byte(plainMovement))
		}
	})
	b.Run("sale", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = decodeSale([]byte(plainSale))
		}
	})
	b.Run("sale by the reference", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = decodeReference([]byte(plainSale), &pb.Sale{})
		}
	})
}
