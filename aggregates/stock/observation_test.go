package stock

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

func (s step) from(system string) step {
	return s.with(func(m *aggregates.Metadata) { m.Source.System = system })
}

func ownedBy(r Movement, sources ...string) Movement {
	r.Owner = &Owner{Sources: sources, Since: clock("08:00")}
	return r
}

func TestWhatTheSystemOfRecordDoesNotSayIsAnObservation(t *testing.T) {
	count := ownedBy(Movement{Kind: KindCounted, Location: "berlin", Quantity: 7}, "wms", "erp")
	observation := &ObservationRecorded{Movement: "StockCounted", Location: "berlin", Quantity: 7, Owner: *count.Owner}
	t.Run("it moves nothing", func(t *testing.T) {
		scenario(t).given(received("berlin", 10)).
			when(move(count).from("legacy")).
			then(recorded(observation), result(Moved{Observed: true}), onHand("berlin", 10), ats(10)).
			when(move(count).from("erp")).then(effect(-3), onHand("berlin", 7))
	})
	t.Run("of a SKU that nobody knew", func(t *testing.T) {
		scenario(t).when(move(count).from("legacy")).
			then(recorded(&ItemRegistered{Unit: DefaultUnit, ByDefault: true}, observation), ats(0))
	})
	t.Run("told again it is the same", func(t *testing.T) {
		unowned := count
		unowned.Owner = nil // by then everybody is believed
		scenario(t).given(move(count).from("legacy").key("k", "c")).
			when(move(unowned).from("legacy").key("k", "c")).
			then(nothingRecorded(), result(Moved{Observed: true, Duplicate: true})).
			when(move(count).from("legacy").key("k", "other")).then(refused(&KeyReusedError{Key: "k"}))
	})
	t.Run("it ends no reservation and oversells nothing", func(t *testing.T) {
		sale := ownedBy(Movement{Kind: KindSold, Location: "berlin", Quantity: 9, ReservationID: "cart", Channel: "web"}, "pos")
		scenario(t).given(received("berlin", 10), reserve("cart", 9)).
			when(move(sale).from("shop")).
			then(result(Moved{Observed: true}), reserved("berlin", 9), onHand("berlin", 10), ats(1))
	})
	t.Run("its quantity is still one of the item's", func(t *testing.T) {
		half := ownedBy(Movement{Kind: KindCounted, Location: "berlin", Decimal: "0.5"}, "wms")
		scenario(t).when(move(half).from("legacy")).then(refused(&DecimalsError{Text: "0.5"}))
		scenario(t).given(registered(RegisterRequest{Decimals: 1}), move(half).from("legacy")).
			when(registered(RegisterRequest{Decimals: 2})).then(refused(&DecimalsFixedError{Decimals: 1, Requested: 2}))
	})
	t.Run("a count before it, and movements after, are told from it", func(t *testing.T) {
		scenario(t).given(counted("berlin", 10).at("09:00"), move(count).from("legacy").at("11:00")).
			when(sold("berlin", 1).at("10:00")).then(effect(-1), onHand("berlin", 9))
	})
}

func TestEveryKindCanBeObserved(t *testing.T) {
	for k := KindReceived; k <= KindSupplyCancelled; k++ {
		r := ownedBy(Movement{Kind: k, Location: "berlin", Quantity: 3, To: Damaged, Other: "munich", TransferID: "t", Channel: "web",
			ReservationID: "cart", Reason: "why", Supply: SupplyShippingNotice, DueAt: day(2)}, "wms")
		scenario(t).given(received("berlin", 10)).when(move(r).from("legacy")).
			then(recorded(&ObservationRecorded{Movement: k.EventType(), Location: "berlin", To: Damaged, Quantity: 3, Other: "munich",
				TransferID: "t", Channel: "web", ReservationID: "cart", Reason: "why", Supply: SupplyShippingNotice, DueAt: day(2), Owner: *r.Owner}), onHand("berlin", 10), inTransit("munich", 0))
	}
	nowhere := Movement{Kind: KindSupplyCancelled, Document: "po", Owner: &Owner{Sources: []string{"erp"}, Location: "berlin"}}
	scenario(t).given(expected("po", "berlin", 10, day(2))).when(move(nowhere).from("legacy")).
		then(recorded(&ObservationRecorded{Movement: TypeSupplyCancelled, Location: "berlin", Owner: Owner{Sources: []string{"erp"}}}), toCome("berlin", 10))
	if Kind(0).EventType() != "" {
		t.Error("a kind that is none has a name")
	}
}
