package codec

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

var update = flag.Bool("update", false, "write the golden bytes of event types that have none yet")

const noon = aggregates.Instant(1_767_268_800_000_000)

var count = stock.AbsorbedBy{Revision: 7, AsOf: noon + 5}

var (
	milk    = order.Part{Line: "1", SKU: "milk", Quantity: 2}
	decided = []order.Shortage{{Line: "2", SKU: "tea", Requested: 3, Available: 1, Reason: order.ShortInsufficient, PolicyPosition: 1 << 40, Component: "tea leaves"}}
	parts   = []stock.Component{{SKU: "cup", Quantity: 1}, {SKU: "tea leaves", Quantity: 250}}
)

// samples has one of every event, with every field set.
func samples() []aggregates.Event {
	uses := []stock.SupplyUse{{Kind: stock.SupplyShippingNotice, Document: "asn-1", Line: "2", Location: "berlin", DueAt: noon, Quantity: 2}}
	splits := []stock.Split{{Location: "berlin", Quantity: 3}, {Location: "köln/2", Quantity: 1, Backordered: true}}
	changes := []stock.SupplyChange{{Location: "berlin", DueAt: noon, Open: -3}, {Location: "köln", Lost: 2}}
	opening := []stock.Opening{{Channel: "web", Location: "berlin", Quantity: 2}, {Channel: "web", Location: "berlin", Until: noon, Quantity: 1}}
	period := stock.Period{From: noon, Until: noon + 1}
	return []aggregates.Event{
		&stock.ItemRegistered{Name: "Milk 1%", Unit: "l", Decimals: 3, Category: "dairy", ByDefault: true},
		&stock.StockCounted{Location: "berlin", Condition: stock.Damaged, Counted: 12, Delta: -3, Absorbed: count,
			Superseded: stock.SupersededBy{Revision: 7, Sequence: "0010"}},
		&stock.StockSold{Location: "berlin", Quantity: 2, Absorbed: count, Channel: "web", ReservationID: "cart-1"},
		&stock.StockReturned{Location: "berlin", Condition: stock.Quarantined, Quantity: 1, Absorbed: count, Channel: "web"},
		&stock.StockAdjusted{Location: "berlin", Condition: stock.Sellable, Delta: -9, Reason: "breakage", Absorbed: count},
		&stock.StockConditionChanged{Location: "berlin", From: stock.Inspection, To: stock.Sellable, Quantity: 4,
			FromAbsorbed: count, ToAbsorbed: stock.AbsorbedBy{Revision: 9, AsOf: noon + 9}, Reason: "inspected"},
		&stock.OversoldDetected{Location: "berlin", OnHand: -1, Reserved: 4},
		&stock.SupplyExpected{Kind: stock.SupplyShippingNotice, Order: "po-1", OrderLine: "7", Document: "asn-1", Line: "2", Location: "berlin", Quantity: 40,
			DueAt: noon, Supply: changes},
		&stock.SupplyRescheduled{Kind: stock.SupplyTransfer, Document: "t-1", Line: "köln", DueAt: noon, Supply: changes},
		&stock.SupplyCancelled{Kind: stock.SupplyTransfer, Document: "t-1", Line: "köln", Reason: "lorry burnt", Supply: changes},
		&stock.ShortfallDetected{Location: "berlin", At: noon, Missing: 7, More: 1, Promises: []stock.BrokenPromise{
			{ReservationID: "cart-1", PromiseAt: noon, Quantity: 3}}},
		&stock.SafetyStockSet{Location: "berlin", Quantity: 5, Channel: "web", BasisPoints: 250, Period: period, Explicit: true, Ended: true},
		&stock.AllocationSet{Channel: "web", Group: "north", Locations: []string{"berlin", "köln"}, Fence: 5, Capped: true, Cap: 9,
			Restart: true, Opening: opening},
		&stock.SellingRuleSet{Rule: stock.SellingRule{Channel: "web", Unsold: true, Backorders: stock.Unlimited, ReleaseAt: noon,
			Preorders: 3, LowStock: 2, SellOut: 1}, Ended: true, Opening: opening},
		&stock.SafetyPeriodPassed{At: noon},
		&channel.Defined{Name: "Web shop", Sourcing: []string{"berlin", "köln"}, HoldSeconds: 600, Buffer: 2, Terms: channel.Terms{
			Disabled: true, SourcingGroups: []string{"north"}, Strategy: 2, MaxSplits: 3, BufferBasisPoints: 500, BufferFrom: noon,
			BufferUntil: noon + 9, LowStock: 4, SellOut: 1}},
		&channel.Retired{Reason: "closed"},
		&rules.SafetySet{Rule: stock.SafetyRule{Category: "dairy", Location: "berlin", Channel: "web", Period: period,
			Portion: stock.Portion{Units: 2, BasisPoints: 250}}, Ended: true},
		&rules.GroupDefined{Group: "north", Locations: []string{"berlin", "köln"}},
		&rules.FulfilmentSet{Method: "ship", Rule: stock.Method{Kinds: []string{"dc"}, CutOff: stock.NoCutOff}, Ended: true},
		&rules.PeriodPassed{At: noon},
		&stock.BufferSet{Channel: "web", Portion: stock.Portion{Units: 2, BasisPoints: 250}, Period: period, Ended: true},
		&rules.BufferSet{Rule: stock.SafetyRule{Category: "dairy", Channel: "web", Period: period, Portion: stock.Portion{Units: 2, BasisPoints: 250}}, Ended: true},
		&said.Taken{About: "item milk", Superseded: true},
		&location.Defined{Name: "Berlin Mitte", Kind: "store", TimeZone: "Europe/Berlin"},
		&location.Enabled{},
		&location.Disabled{Reason: "flood"},
		&stock.ReservationBarred{ReservationID: "o-1#2", OrderID: "o-1", Version: 4},
		&stock.ReservationOrdered{ReservationID: "o-1#2", OrderID: "o-1", Version: 3},
		&order.Received{Channel: "web", Sold: true, Partial: true, Confirm: true, ExpiresAt: noon, Lines: []order.Line{
			{ID: "1", SKU: "milk", Quantity: 2, ReservationID: "cart-1", Location: "berlin", Method: "pickup"}, {ID: "2", SKU: "tea", Quantity: 1}}},
		&order.Confirmed{},
		&order.Extended{ExpiresAt: noon},
		&order.Cancelled{OrderVersion: 3, Reason: "changed mind"},
		&order.Closed{},
		&order.LineChanged{Line: order.Line{ID: "1", SKU: "milk", Quantity: 3, Location: "berlin", Method: "ship"}, OrderVersion: 2},
		&order.LineCut{Part: milk, Reason: "picked short"},
		&order.LineFulfilled{Part: milk, Location: "berlin", Shipment: "p-1"},
		&order.LineDelivered{Part: milk, Shipment: "p-1"},
		&order.LineReturned{Part: milk, Location: "berlin", Condition: stock.Inspection, ReturnID: "r-1", Reason: "too small", PolicyPosition: 1 << 40},
		&order.Inspected{Part: milk, Location: "berlin", Condition: stock.Damaged, ReturnID: "r-1"},
		&order.Settled{Version: 7},
		&order.Oversold{SKU: "milk", Location: "berlin", OnHand: 1, Reserved: 4, Breaks: []order.Break{{ReservationID: "cart-9", Quantity: 3}}},
		&order.HoldLost{SKU: "milk", ReservationID: "o-1#1"},
		&stock.KitDefined{Components: parts, Version: 2},
		&stock.KitMembershipSet{Kit: "tea set", Version: 2, Ended: true},
		&stock.KitReservationPlaced{ReservationID: "cart-1", Channel: "web", Quantity: 2, OrderID: "kit-reservation:cart-1"},
		&stock.KitReservationEnded{ReservationID: "cart-1", Fulfilled: 1, Released: 2, Expired: 3},
		&order.KitExploded{SKU: "tea set", Components: parts, Version: 2},
		&audit.TreeHeadRecorded{Size: 7, Position: 9, Root: audit.Hash{1, 2}, Note: "stockfold\n7\n"},
		&audit.HistoryCondensed{Before: noon, Done: true, Events: 7, Digest: audit.Hash{3}},
		&location.OwnerAssigned{Withdrawn: true, Ownership: location.Ownership{
			Fact: location.Orders, From: noon, Sources: []string{"erp", "https://wms.example/eu"}}},
		&stock.ObservationRecorded{Movement: "SupplyExpected", Location: "berlin", Condition: stock.Inspection, To: stock.Damaged,
			Quantity: -4, Other: "köln", TransferID: "t-1", Channel: "web", ReservationID: "cart-1", Reason: "breakage",
			Supply: stock.SupplyTransfer, DueAt: noon, Owner: stock.Owner{Sources: []string{"wms", "erp"}, Since: noon}},
		&stock.StockReceived{Location: "berlin", Condition: stock.Inspection, Quantity: 40, Absorbed: count, Supply: changes,
			Cost: &stock.Cost{Unit: 249, Currency: "EUR", Value: 9960}},
		&stock.ReceiptCostCorrected{Location: "berlin", Quantity: 40, Unit: 251, InsteadOf: 249, Currency: "EUR", Value: 80},
		&stock.TransferShipped{Location: "berlin", Destination: "köln", Quantity: 6, TransferID: "t-1", Absorbed: count,
			DueAt: noon, Supply: changes},
		&stock.TransferReceived{Location: "köln", Origin: "berlin", Quantity: 5, TransferID: "t-1", Condition: stock.Damaged,
			Absorbed: count, Supply: changes},
		&stock.ReservationConfirmed{ReservationID: "cart-1", ExpiredAt: noon, Splits: splits, PromiseAt: noon, Channel: "web"},
		&stock.ReservationExtended{ReservationID: "cart-1", From: noon, ExpiresAt: noon + 60*aggregates.Second, Splits: splits,
			PromiseAt: noon, Channel: "web"},
		&stock.ReservationFulfilled{ReservationID: "cart-1", ExpiresAt: noon, Closed: true, PromiseAt: noon, Channel: "web",
			Splits: []stock.FulfilledSplit{{Location: "berlin", ReservedAt: "berlin", Quantity: 2, Absorbed: count, Backordered: true}}},
		&stock.ReservationReleased{ReservationID: "cart-1", Splits: splits, ExpiresAt: noon, Closed: true, Reason: "changed mind",
			PromiseAt: noon, Channel: "web"},
		&stock.ReservationExpired{ReservationID: "cart-1", Splits: splits, ExpiresAt: noon, PromiseAt: noon, Channel: "web"},
		&stock.ReservationPlaced{ReservationID: "cart-1", Channel: "web", Quantity: 4, Splits: splits, ExpiresAt: noon,
			PromiseAt: noon + aggregates.Second, Supply: uses, Method: "pickup", Bound: true, PolicyPosition: 1 << 40},
		&stock.ReservationReallocated{ReservationID: "cart-1", From: splits, To: splits, ExpiresAt: noon, Reason: "closed",
			PromiseAt: noon, Channel: "web", Cause: stock.CauseShort, PolicyPosition: 1 << 40},
		&stock.ReservationChanged{ReservationID: "cart-1", Added: splits, Removed: splits, ExpiresAt: noon, PromiseAt: noon,
			Channel: "web", PolicyPosition: 1 << 40},
		&order.Reserved{Short: decided, Version: 3},
		&order.Rejected{Short: decided},
		&order.Observed{Message: "shipped", Location: "berlin", Lines: []order.Line{{ID: "1", SKU: "milk", Quantity: 2}},
			Owners: []string{"oms"}, Since: noon},
		&rules.MoveSet{Rule: stock.MoveRule{Channel: "web", Location: "berlin", Off: true}, Ended: true},
		&rules.ReturnSet{Rule: rules.ReturnRule{SKU: "milk", Category: "dairy", Channel: "web", Condition: stock.Quarantined}, Ended: true},
		&reconciliation.Started{Header: snapshot},
		&reconciliation.RowsTaken{Chunk: 2, Last: true, Refused: refused, Rows: []reconciliation.Row{{SKU: "milk", Location: "berlin", Condition: "damaged",
			Quantity: 7, UnitCost: 99, Currency: "EUR", Line: 3}, {SKU: "tea", Location: "berlin", Decimal: "0.5", Line: 4}}},
		&reconciliation.Found{Part: 1, Through: "milk", Refused: refused, Discrepancies: []reconciliation.Discrepancy{{SKU: "milk", Location: "berlin", Condition: "damaged",
			Line: 3, Said: 7, Held: 9, HeldThen: 8, Class: reconciliation.Unexplained, Proposed: -2, WithinLimits: true, Decimals: 3, ValueAtRisk: 198,
			Currency: "EUR", Evidence: []reconciliation.Evidence{{Kind: "event", ID: "e-1", Text: "a sale", Units: -2, Confidence: reconciliation.Likely}}}}},
		&reconciliation.Completed{Totals: totals, ComparedAt: noon},
		&reconciliation.Listed{RunID: "r-1", Header: snapshot, Totals: &totals, Abandoned: true},
	}
}

var (
	refused  = []reconciliation.Refused{{Line: 5, Reason: "quantity is no number"}}
	snapshot = reconciliation.Header{Source: "erp", Document: "stocktake-1", AsOf: noon, Location: "berlin", Channel: "web", Policy: reconciliation.Correct,
		MaxUnits: 5, MaxTotalUnits: 50, Complete: true}
	totals = reconciliation.Totals{Rows: 9, Refused: 1, Matched: 5, Discrepancies: 3, Corrected: 1, CorrectedUnits: 2,
		Classes:     []reconciliation.ClassTotal{{Class: reconciliation.Unexplained, Discrepancies: 3, Units: 4}},
		ValueAtRisk: []reconciliation.CurrencyTotal{{Currency: "EUR", Minor: 198}}}
)

var meta = aggregates.Metadata{
	OccurredAt: noon - 1, RecordedAt: noon, CorrelationID: "order-9", CausationID: "msg-1", Actor: "wms",
	IdempotencyKey: "m:wms:1", Fingerprint: 0xfeedbeefcafe0123,
	Source: aggregates.Source{System: "wms", Document: "asn-1", Line: "2", Sequence: "17", MessageID: "1",
		Topic: "stockfold.movements.v1", Partition: 3, Offset: 99},
}

func record(t *testing.T, e aggregates.Event) aggregates.Record {
	t.Helper()
	data, err := Encode(nil, e, &meta)
	if err != nil {
		t.Fatal(err)
	}
	return aggregates.Record{NewEvent: aggregates.NewEvent{Type: e.EventType(), Data: data}, Stream: "sku-a/b", Revision: 4, Position: 77}
}

func TestEveryEventSurvivesTheRoundTrip(t *testing.T) {
	for _, e := range samples() {
		got, m, err := Decode(record(t, e))
		if err != nil {
			t.Errorf("%s: %v", e.EventType(), err)
			continue
		}
		if !reflect.DeepEqual(got, e) || m != meta {
			t.Errorf("%s: got %+v %+v, want %+v %+v", e.EventType(), got, m, e, meta)
		}
	}
}

func TestSamplesSetEveryField(t *testing.T) {
	latest := map[string]aggregates.Event{}
	for _, e := range samples() {
		latest[e.EventType()] = e
	}
	for _, e := range latest {
		v := reflect.ValueOf(e).Elem()
		for i := range v.NumField() {
			if v.Field(i).IsZero() && v.Type().Field(i).Type.Kind() != reflect.Uint8 { // sellable is 0
				t.Errorf("%s: field %s of the sample is zero, so the round trip proves nothing about it", e.EventType(), v.Type().Field(i).Name)
			}
		}
	}
}

func TestEveryPayloadOfTheContractHasAnEvent(t *testing.T) {
	have := map[string]bool{}
	for _, e := range samples() {
		have[e.EventType()] = true
	}
	fields := (&pb.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("payload").Fields()
	for i := range fields.Len() {
		if name := string(fields.Get(i).Message().Name()); !have[name] {
			t.Errorf("payload %s has no sample here; is it mapped?", name)
		}
	}
	if fields.Len() != len(have) {
		t.Errorf("%d payloads, %d events", fields.Len(), len(have))
	}
}

// The names and bytes on disk are a contract. Golden bytes that no longer decode, or an event that no longer encodes to
// them, break every store out there. An event that was given more fields has golden bytes of a further version; those
// of the earlier ones decode to an event that encodes to the very same bytes.
func TestGoldenBytes(t *testing.T) {
	for _, e := range samples() {
		t.Run(e.EventType(), func(t *testing.T) {
			r := record(t, e)
			all := golden(t, e.EventType())
			if *update && (len(all) == 0 || string(all[len(all)-1]) != string(r.Data)) {
				file := filepath.Join("testdata", fmt.Sprintf("%s.v%d.hex", e.EventType(), len(all)+1))
				if err := os.WriteFile(file, fmt.Appendf(nil, "%x\n", r.Data), 0o644); err != nil {
					t.Fatal(err)
				}
				all = append(all, r.Data)
			}
			if len(all) == 0 {
				t.Fatal("a new event type, or one with more fields, needs its golden bytes: go test ./proto/codec -update")
			}
			for version, data := range all {
				r.Data = data
				got, m, err := Decode(r)
				if err != nil || m != meta {
					t.Fatalf("golden bytes of version %d decode to %+v, %+v, %v", version+1, got, m, err)
				}
				if again := record(t, got).Data; string(again) != string(data) {
					t.Errorf("encoding of version %d changed\n got %x\nwant %x", version+1, again, data)
				}
				if version == len(all)-1 && !reflect.DeepEqual(got, e) {
					t.Errorf("golden bytes decode to %+v, not to the sample", got)
				}
			}
		})
	}
}

// golden reads the golden bytes of every version of an event type, from the first on.
func golden(t *testing.T, eventType string) (all [][]byte) {
	for {
		text, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("%s.v%d.hex", eventType, len(all)+1)))
		if os.IsNotExist(err) {
			return all
		}
		data, bad := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || bad != nil {
			t.Fatal(err, bad)
		}
		all = append(all, data)
	}
}

func TestThePartitionKeyOfASequenceIsKept(t *testing.T) {
	numbered := meta
	numbered.Source.Sequence, numbered.Source.PartitionKey = "17", "berlin"
	data, err := Encode(nil, &stock.StockSold{Location: "berlin", Quantity: 2}, &numbered)
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, &stock.StockSold{})
	r.Data = data
	if _, m, err := Decode(r); err != nil || m != numbered {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestFieldsOfANewerVersionArePassedOver(t *testing.T) {
	r := record(t, &stock.StockSold{Location: "berlin", Quantity: 2})
	r.Data = append(r.Data, 0xfa, 0x3e, 0x02, 'h', 'i') // field 1007, a string
	if e, _, err := Decode(r); err != nil || e.(*stock.StockSold).Quantity != 2 {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestATypeOfANewerVersionIsAnErrorThatSaysSo(t *testing.T) {
	r := record(t, &stock.StockSold{Location: "berlin", Quantity: 2})
	r.Type = "StockTeleported"
	var unknown *UnknownTypeError
	if _, _, err := Decode(r); !errors.As(err, &unknown) || unknown.Type != "StockTeleported" || unknown.Revision != 4 {
		t.Errorf("got %v", err)
	}
}

func TestDamagedBytesAreAnError(t *testing.T) {
	whole := record(t, &stock.StockCounted{Location: "berlin", Counted: 5, Delta: 5})
	for cut := 1; cut < len(whole.Data); cut++ {
		r := whole
		r.Data = whole.Data[:cut]
		e, _, err := Decode(r) // must not panic; cutting at a field border leaves a valid message without its payload
		if err == nil && e == nil {
			t.Fatalf("cut at %d: neither event nor error", cut)
		}
	}
}

func TestProtoFillsWhatTheRecordHolds(t *testing.T) {
	r, _ := sealed(t, &stock.StockSold{Location: "berlin", Quantity: 2}, Seal{})
	p, err := Proto(r)
	if err != nil {
		t.Fatal(err)
	}
	if p.Type != "StockSold" || p.Stream != "sku-a/b" || p.Revision != 4 || p.Position != 77 || string(p.Id) != string(r.ID[:]) {
		t.Errorf("got %v", p)
	}
	var empty []string
	p.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		empty = append(empty, string(f.Name()))
		return true
	})
	if len(empty) != p.ProtoReflect().Descriptor().Fields().Len()-len(samples())-1 { // one of the facts; of the first format, which is not stored, and not condensed
		t.Errorf("set fields: %v", empty)
	}
}

func TestInstantsBefore1970KeepTheirPlace(t *testing.T) {
	for _, i := range []aggregates.Instant{-1, -1_000_001, 1, noon} {
		if got := fromTimestamp(toTimestamp(i)); got != i {
			t.Errorf("%d became %d", i, got)
		}
	}
}

// What is read without an event's origin is what is read with it, of every event and for every cut of its bytes that can be read at all.
func TestDecodeFactReadsWhatDecodeReads(t *testing.T) {
	for _, e := range samples() {
		data, err := Encode(AppendSealRoom(nil), e, &meta)
		if err != nil {
			t.Fatal(err)
		}
		r := aggregates.Record{NewEvent: aggregates.NewEvent{Type: e.EventType(), Data: data}}
		want, m, err := Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		got, occurred, recorded, err := DecodeFact(&r)
		if err != nil || !reflect.DeepEqual(got, want) || occurred != m.OccurredAt || recorded != m.RecordedAt {
			t.Fatalf("%s: %v, %v, %v, %v, want %v, %v, %v", r.Type, got, occurred, recorded, err, want, m.OccurredAt, m.RecordedAt)
		}
		before, after := withoutOrigin(cut(data))
		if kept := len(before) + len(after); kept >= len(cut(data))-60 {
			t.Errorf("%s: %d of %d bytes are read", r.Type, kept, len(cut(data)))
		}
		for n := range len(data) {
			r.Data = data[:n]
			if whole, _, err := Decode(r); err == nil {
				if got, _, _, err := DecodeFact(&r); err != nil || !reflect.DeepEqual(got, whole) {
					t.Fatalf("%s, %d bytes: %v, %v, want %v", r.Type, n, got, err, whole)
				}
			}
		}
	}
}
