package stock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/validation"
)

func sold() *pb.Movement {
	return &pb.Movement{
		MovementId: "m1", Source: "pos", Sku: "a", Location: "berlin", Quantity: 2, Document: "d", Line: "1", CorrelationId: "c", Actor: "x",
		OccurredAt: timestamppb.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		Kind:       &pb.Movement_Sold_{Sold: &pb.Movement_Sold{Channel: "web", ReservationId: "r"}},
	}
}

func TestAKeyNamesOneFactOfOneSource(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct {
		system, id string
		line       int
	}{{"pos", "1", 0}, {"pos", "1", 1}, {"pos", "11", 0}, {"pos", "1", 11}, {"pos1", "", 0}, {"po", "s1", 0}, {"erp", "1", 0}} {
		key := idempotencyKey(c.system, c.id, c.line)
		if len(key) != 22 {
			t.Errorf("key %q has %d characters", key, len(key))
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%+v and %s share a key", c, other)
		}
		seen[key] = fmt.Sprintf("%+v", c)
		if again := idempotencyKey(c.system, c.id, c.line); again != key {
			t.Errorf("%+v has keys %q and %q", c, key, again)
		}
	}
	if got, want := idempotencyKey("pos", "1", 0), "b_HbO7MAwx3amrneyMcmAg"; got != want {
		t.Errorf("key is %q, was %q: keys are kept in events and must stay what they are", got, want)
	}
}

func TestAFingerprintIsOfWhatTheFactSays(t *testing.T) {
	base := factOf(sold(), aggregates.Metadata{})
	for name, change := range map[string]func(*pb.Movement){
		"sku":         func(m *pb.Movement) { m.Sku = "b" },
		"location":    func(m *pb.Movement) { m.Location = "b" },
		"occurred at": func(m *pb.Movement) { m.OccurredAt.Seconds++ },
		"quantity":    func(m *pb.Movement) { m.Quantity++ },
		"decimal":     func(m *pb.Movement) { m.Quantity, m.Decimal = 0, "2" },
		"document":    func(m *pb.Movement) { m.Document = "e" },
		"line":        func(m *pb.Movement) { m.Line = "2" },
		"kind":        func(m *pb.Movement) { m.Kind = &pb.Movement_Received_{Received: &pb.Movement_Received{}} },
		"channel":     func(m *pb.Movement) { m.GetSold().Channel = "x" },
		"reservation": func(m *pb.Movement) { m.GetSold().ReservationId = "x" },
	} {
		m := sold()
		change(m)
		if factOf(m, aggregates.Metadata{}).Metadata.Fingerprint == base.Metadata.Fingerprint {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
	same := sold()
	same.CorrelationId, same.Actor = "other", "other"
	other := factOf(same, aggregates.Metadata{Source: aggregates.Source{Sequence: "7", Topic: "t", Partition: 1, Offset: 5}})
	if other.Metadata.Fingerprint != base.Metadata.Fingerprint || other.Metadata.IdempotencyKey != base.Metadata.IdempotencyKey {
		t.Error("the same fact told another way has another fingerprint or key")
	}
	conditions := map[uint64]bool{}
	for _, to := range []pb.Condition{2, 3, 4} {
		m := sold()
		m.Kind = &pb.Movement_ConditionChanged_{ConditionChanged: &pb.Movement_ConditionChanged{To: to}}
		conditions[factOf(m, aggregates.Metadata{}).Metadata.Fingerprint] = true
	}
	if len(conditions) != 3 {
		t.Error("changes to different conditions have the same fingerprint")
	}
}

func testSale(lines ...*pb.SaleLine) *pb.Sale {
	return &pb.Sale{Document: "r1", Location: "berlin", Channel: "store", Actor: "till", Lines: lines}
}

func saleOrigin() aggregates.Metadata {
	return aggregates.Metadata{OccurredAt: 1_000_000, CorrelationID: "c", Source: aggregates.Source{System: "pos", MessageID: "s1"}}
}

func TestASaleIsAFactPerLineOfOneFingerprint(t *testing.T) {
	s := testSale(&pb.SaleLine{Sku: "a", Quantity: 1, ReservationId: "r"}, &pb.SaleLine{Sku: "a", Quantity: 2, Line: "x"},
		&pb.SaleLine{Sku: "b", Decimal: "1.5", Returned: true})
	facts := factsOf(s, saleOrigin())
	keys := map[string]bool{}
	for i, f := range facts {
		keys[f.Metadata.IdempotencyKey] = true
		if f.Metadata.Fingerprint != facts[0].Metadata.Fingerprint {
			t.Errorf("line %d has a fingerprint of its own", i)
		}
		if f.Metadata.Actor != "till" || f.Metadata.Source.Document != "r1" || f.Movement.Location != "berlin" || f.Movement.Channel != "store" {
			t.Errorf("line %d: %+v", i, f)
		}
	}
	if len(keys) != 3 {
		t.Errorf("3 lines have %d keys", len(keys))
	}
	if f := facts[0]; f.Movement.Kind != domain.KindSold || f.Movement.ReservationID != "r" || f.Metadata.Source.Line != "1" {
		t.Errorf("first line: %+v", f)
	}
	if f := facts[1]; f.Movement.Quantity != 2 || f.Metadata.Source.Line != "x" {
		t.Errorf("second line: %+v", f)
	}
	if f := facts[2]; f.Movement.Kind != domain.KindReturned || f.Movement.Decimal != "1.5" || f.Movement.Condition != domain.Sellable {
		t.Errorf("third line: %+v", f)
	}
	s.Lines[2].Quantity = 9
	if changed := factsOf(s, saleOrigin()); changed[0].Metadata.Fingerprint == facts[0].Metadata.Fingerprint ||
		changed[0].Metadata.IdempotencyKey != facts[0].Metadata.IdempotencyKey {
		t.Error("a sale with another third line must conflict in its first line, too")
	}
}

func TestASaleNamesWhatIsWrongWithItsLines(t *testing.T) {
	long := strings.Repeat("x", 101)
	s := &pb.Sale{Document: long, Channel: long, Actor: long, Lines: []*pb.SaleLine{
		{Sku: "a", Quantity: 1}, {Quantity: -1, Line: long}, {Sku: "a", Decimal: "-1", ReservationId: long}, {Sku: "a", Returned: true, ReservationId: "r"},
	}}
	var c validation.Checker
	checkSale(&c, s, &aggregates.Metadata{})
	var err *validation.Error
	if !errors.As(c.Err(), &err) {
		t.Fatal(c.Err())
	}
	var fields []string
	for _, v := range err.Violations {
		fields = append(fields, v.Field)
	}
	want := "[id source time document location channel actor lines[1].sku lines[1].quantity lines[1].line lines[2].decimal " +
		"lines[2].reservation_id lines[3].reservation_id]"
	if fmt.Sprint(fields) != want {
		t.Errorf("got  %v\nwant %s", fields, want)
	}
	c = validation.Checker{}
	origin := saleOrigin()
	checkSale(&c, testSale(make([]*pb.SaleLine, MaxSaleLines+1)...), &origin)
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "lines must have 1 to 1000 elements, has 1001") {
		t.Errorf("too many lines: %v", err)
	}
}

func TestDecimalNumbers(t *testing.T) {
	for text, ok := range map[string]bool{
		"5": true, "5.25": true, "0.5": true, "+5": true, "007": true, "5.": false, ".5": false, "": false, "-": false, "1e3": false,
		"1,5": false, "1.2.3": false, " 1": false, "0x1": false, "١": false,
	} {
		if text == "" {
			continue
		}
		if got := decimalRule(text, true) == ""; got != ok {
			t.Errorf("%q: %v, want %v", text, got, ok)
		}
	}
	if decimalRule("-5", true) != "" || decimalRule("-5", false) == "" {
		t.Error("only an adjustment may be negative")
	}
}

func TestWhatIsRejectedAndWhatIsTriedAgain(t *testing.T) {
	var c validation.Checker
	c.Fail("sku", "is bad")
	for _, x := range []struct {
		err       error
		reason    string
		temporary bool
	}{
		{c.Err(), ReasonInvalid, false},
		{&validation.ClockSkewError{Field: "time"}, ReasonClockSkew, false},
		{UnknownLocation("x"), ReasonUnknownLocation, false},
		{&domain.KeyReusedError{Key: "k"}, ReasonKeyReused, false},
		{&domain.DecimalsError{Text: "1.5"}, ReasonTooManyDecimals, false},
		{&domain.OverflowError{Location: "x"}, ReasonOverflow, false},
		{&domain.QuantityError{}, ReasonInvalid, false},
		{&domain.NumberError{}, ReasonInvalid, false},
		{domain.ErrUnknownKind, ReasonInvalid, false},
		{domain.ErrUnknownCondition, ReasonInvalid, false},
		{commands.ErrUnavailable, "", true},
		{commands.ErrFull, "", true},
		{commands.ErrUnknownOutcome, "", true},
		{commands.ErrOverloaded, "", true},
		{commands.ErrContended, "", true},
		{commands.ErrClosed, "", true},
		{context.DeadlineExceeded, "", true},
		{&domain.NeedHistory{}, "", true},
		{errors.New("defect"), "", false},
		{nil, "", false},
	} {
		err := x.err
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		r := Reject(err)
		if (r == nil) != (x.reason == "") || r != nil && (r.Reason != x.reason || r.Message == "") {
			t.Errorf("%v: rejected as %v, want %q", x.err, r, x.reason)
		}
		if got := Temporary(err); got != x.temporary {
			t.Errorf("%v: temporary %v", x.err, got)
		}
	}
}

func TestOnlyDoubtfulFactsAreTried(t *testing.T) {
	plain, decimal, huge := Fact{}, Fact{}, Fact{}
	decimal.Movement.Decimal = "1"
	huge.Movement.Quantity = hugeQuantity + 1
	for _, c := range []struct {
		facts []Fact
		want  bool
	}{{nil, false}, {[]Fact{decimal}, false}, {[]Fact{plain, plain}, false}, {[]Fact{plain, decimal}, true}, {[]Fact{huge, plain}, true}} {
		if got := NeedsTrial(c.facts); got != c.want {
			t.Errorf("%+v: %v, want %v", c.facts, got, c.want)
		}
	}
}

func TestDelaysAreMeasuredPerSourceAndBounded(t *testing.T) {
	var d Delays
	d.observe("pos", 1_000_000, 3_000_000, &domain.Moved{})
	d.observe("pos", 2_000_000, 3_500_000, &domain.Moved{})
	d.observe("erp", 5_000_000, 4_000_000, &domain.Moved{Observed: true, Superseded: true}) // its clock is ahead
	got := d.List()
	want := []Delay{
		{Source: "erp", Facts: 1, Last: -time.Second, Max: 0, LastOccurredAt: 5_000_000, Observations: 1, Superseded: 1},
		{Source: "pos", Facts: 2, Last: 1500 * time.Millisecond, Max: 2 * time.Second, LastOccurredAt: 2_000_000},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for i := range 2 * MaxSources {
		d.observe(fmt.Sprint("s", i), 0, 1, &domain.Moved{})
	}
	list := d.List()
	if len(list) != MaxSources+1 || list[0].Source != OtherSources || list[0].Facts != MaxSources+2 {
		t.Errorf("%d sources, the first %+v", len(list), list[0])
	}
}
