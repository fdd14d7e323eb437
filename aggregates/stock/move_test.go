package stock

import (
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

func TestMovementForAnUnknownSKURegistersItByDefault(t *testing.T) {
	scenario(t).
		when(received("berlin", 5)).
		then(recorded(
			&ItemRegistered{Unit: "each", ByDefault: true},
			&StockReceived{Location: "berlin", Quantity: 5},
		), effect(5), onHand("berlin", 5), ats(5)).
		when(received("berlin", 2)).
		then(recorded(&StockReceived{Location: "berlin", Quantity: 2}), onHand("berlin", 7))
}

func TestEveryKindOfMovement(t *testing.T) {
	tests := []struct {
		name   string
		move   Movement
		event  aggregates.Event
		effect int64
		then   []expectation
	}{
		{
			"received damaged",
			Movement{Kind: KindReceived, Location: "berlin", Quantity: 3, Condition: Damaged},
			&StockReceived{Location: "berlin", Condition: Damaged, Quantity: 3}, 3,
			[]expectation{onHand("berlin", 10), onHandIn("berlin", Damaged, 3), ats(10)},
		},
		{
			"sold",
			Movement{Kind: KindSold, Location: "berlin", Quantity: 3, Channel: "pos"},
			&StockSold{Location: "berlin", Quantity: 3, Channel: "pos"}, -3,
			[]expectation{onHand("berlin", 7), ats(7)},
		},
		{
			"a voided line is kept on record",
			Movement{Kind: KindSold, Location: "berlin", Channel: "pos"},
			&StockSold{Location: "berlin", Channel: "pos"}, 0,
			[]expectation{onHand("berlin", 10)},
		},
		{
			"returned for inspection",
			Movement{Kind: KindReturned, Location: "berlin", Quantity: 2, Condition: Inspection, Channel: "web"},
			&StockReturned{Location: "berlin", Condition: Inspection, Quantity: 2, Channel: "web"}, 2,
			[]expectation{onHandIn("berlin", Inspection, 2), ats(10)},
		},
		{
			"adjusted down",
			Movement{Kind: KindAdjusted, Location: "berlin", Quantity: -4, Reason: "theft"},
			&StockAdjusted{Location: "berlin", Delta: -4, Reason: "theft"}, -4,
			[]expectation{onHand("berlin", 6)},
		},
		{
			"counted",
			Movement{Kind: KindCounted, Location: "berlin", Quantity: 8},
			&StockCounted{Location: "berlin", Counted: 8, Delta: -2}, -2,
			[]expectation{onHand("berlin", 8)},
		},
		{
			"condition changed",
			Movement{Kind: KindConditionChanged, Location: "berlin", Quantity: 4, To: Quarantined, Reason: "recall"},
			&StockConditionChanged{Location: "berlin", From: Sellable, To: Quarantined, Quantity: 4, Reason: "recall"}, -4,
			[]expectation{onHand("berlin", 6), onHandIn("berlin", Quarantined, 4), ats(6)},
		},
		{
			"transfer shipped",
			Movement{Kind: KindTransferShipped, Location: "berlin", Quantity: 6, Other: "munich", TransferID: "t1"},
			&TransferShipped{Location: "berlin", Destination: "munich", Quantity: 6, TransferID: "t1"}, -6,
			[]expectation{onHand("berlin", 4), inTransit("munich", 6), onHand("munich", 0), ats(4)},
		},
		{
			"transfer received",
			Movement{Kind: KindTransferReceived, Location: "berlin", Quantity: 6, Other: "munich", TransferID: "t1"},
			&TransferReceived{Location: "berlin", Origin: "munich", Quantity: 6, TransferID: "t1"}, 6,
			[]expectation{onHand("berlin", 16), inTransit("berlin", -6)},
		},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			scenario(t).given(counted("berlin", 10)).
				when(move(x.move)).
				then(recorded(x.event), effect(x.effect)).
				then(x.then...)
		})
	}
}

func TestTransferArrivesWhateverIsRecordedFirst(t *testing.T) {
	ship := move(Movement{Kind: KindTransferShipped, Location: "berlin", Quantity: 6, Other: "munich"})
	arrive := move(Movement{Kind: KindTransferReceived, Location: "munich", Quantity: 6, Other: "berlin"})
	scenario(t).given(counted("berlin", 10), ship).when(arrive).then(inTransit("munich", 0), onHand("munich", 6), onHand("berlin", 4))
	scenario(t).given(counted("berlin", 10), arrive).when(ship).then(inTransit("munich", 0), onHand("munich", 6), onHand("berlin", 4))
}

func TestQuantityInTheItemsUnit(t *testing.T) {
	kilos := registered(RegisterRequest{Name: "Apples", Unit: "kg", Decimals: 3})
	apples := func(text string) step {
		return move(Movement{Kind: KindReceived, Location: "berlin", Decimal: text})
	}
	scenario(t).given(kilos).
		when(apples("5.5")).then(effect(5500)).
		when(apples("0.001")).then(effect(1)).
		when(apples("2.5000")).then(effect(2500)).
		when(apples("5.0001")).then(refused(&DecimalsError{Text: "5.0001", Decimals: 3})).
		when(apples("-1")).then(refused(&QuantityError{Quantity: -1000, Max: MaxQuantity})).
		when(apples("five")).then(refused(&NumberError{Text: "five", Rule: "is not a decimal number such as 5 or 5.25"})).
		when(move(Movement{Kind: KindReceived, Location: "berlin", Quantity: 1, Decimal: "1"})).
		then(refused(&NumberError{Text: "1", Rule: "is given beside a quantity in base units; give one of them"})).
		when(move(Movement{Kind: KindAdjusted, Location: "berlin", Decimal: "-1.5"})).then(effect(-1500)).
		then(onHand("berlin", 6501))
	scenario(t).
		when(apples("5.5")).then(refused(&DecimalsError{Text: "5.5", Decimals: 0})).
		when(apples("5.0")).then(effect(5))
}

func TestMovementOutOfBounds(t *testing.T) {
	tests := []struct {
		name string
		move Movement
		want error
	}{
		{"negative", Movement{Kind: KindSold, Quantity: -1}, &QuantityError{Quantity: -1, Max: MaxQuantity}},
		{"too large", Movement{Kind: KindCounted, Quantity: MaxQuantity + 1}, &QuantityError{Quantity: MaxQuantity + 1, Max: MaxQuantity}},
		{
			"too far down", Movement{Kind: KindAdjusted, Quantity: -MaxQuantity - 1},
			&QuantityError{Quantity: -MaxQuantity - 1, Min: -MaxQuantity, Max: MaxQuantity},
		},
		{"no kind", Movement{Quantity: 1}, ErrUnknownKind},
		{"kind of tomorrow", Movement{Kind: KindCostCorrected + 1, Quantity: 1}, ErrUnknownKind},
		{"condition", Movement{Kind: KindReceived, Condition: conditions}, ErrUnknownCondition},
		{"other condition", Movement{Kind: KindConditionChanged, To: conditions}, ErrUnknownCondition},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			x.move.Location = "berlin"
			scenario(t).when(move(x.move)).then(refused(x.want), onHand("berlin", 0))
		})
	}
}

func TestSoldFulfilsTheReservationItNames(t *testing.T) {
	hold := func(t *testing.T) given {
		return scenario(t).given(counted("berlin", 10), counted("hamburg", 10), reserve("cart", 4))
	}
	until := clock("12:15:03")
	t.Run("exactly", func(t *testing.T) {
		hold(t).when(soldFor("berlin", 4, "cart")).
			then(recorded(&ReservationFulfilled{
				ReservationID: "cart", ExpiresAt: until, Closed: true,
				Splits: []FulfilledSplit{{Location: "berlin", ReservedAt: "berlin", Quantity: 4}},
			}), effect(-4), onHand("berlin", 6), reserved("berlin", 0)).
			then(reservationIs("cart", func(r Reservation) bool { return r.Status == StatusFulfilled && r.Fulfilled == 4 }))
	})
	t.Run("in part", func(t *testing.T) {
		hold(t).when(soldFor("berlin", 1, "cart")).then(effect(-1), onHand("berlin", 9), reserved("berlin", 3), ats(16))
	})
	t.Run("and more", func(t *testing.T) {
		hold(t).when(soldFor("berlin", 6, "cart")).
			then(recorded(
				&ReservationFulfilled{
					ReservationID: "cart", ExpiresAt: until, Closed: true,
					Splits: []FulfilledSplit{{Location: "berlin", ReservedAt: "berlin", Quantity: 4}},
				},
				&StockSold{Location: "berlin", Quantity: 2, Channel: "pos", ReservationID: "cart"},
			), effect(-6), onHand("berlin", 4), reserved("berlin", 0))
	})
	t.Run("from elsewhere", func(t *testing.T) {
		hold(t).when(soldFor("hamburg", 4, "cart")).
			then(effect(-4), onHand("berlin", 10), reserved("berlin", 0), onHand("hamburg", 6))
	})
	t.Run("nothing of it", func(t *testing.T) {
		hold(t).when(soldFor("berlin", 0, "cart")).
			then(recorded(&StockSold{Location: "berlin", Channel: "pos", ReservationID: "cart"}), reserved("berlin", 4))
	})
}

func TestSoldWithoutALiveReservationIsASale(t *testing.T) {
	plain := recorded(&StockSold{Location: "berlin", Quantity: 2, Channel: "pos", ReservationID: "cart"})
	t.Run("unknown", func(t *testing.T) {
		scenario(t).given(counted("berlin", 10)).when(soldFor("berlin", 2, "cart")).then(plain, onHand("berlin", 8))
	})
	t.Run("released", func(t *testing.T) {
		scenario(t).given(counted("berlin", 10), reserve("cart", 2), release("cart", 0)).
			when(soldFor("berlin", 2, "cart")).then(plain, onHand("berlin", 8))
	})
	t.Run("over, not yet recorded", func(t *testing.T) {
		scenario(t).given(counted("berlin", 10), reserve("cart", 2), wait(901e9)).
			when(soldFor("berlin", 2, "cart")).then(plain, onHand("berlin", 8), reserved("berlin", 2), promisedNow("berlin", 0))
	})
}

func TestOversold(t *testing.T) {
	t.Run("newly", func(t *testing.T) {
		scenario(t).given(counted("berlin", 5), reserve("cart", 4)).
			when(sold("berlin", 3)).
			then(recorded(
				&StockSold{Location: "berlin", Quantity: 3, Channel: "pos"},
				&OversoldDetected{Location: "berlin", OnHand: 2, Reserved: 4},
			), result(Moved{Effect: -3, Oversold: true}), ats(0)).
			when(received("berlin", 1)).
			then(recorded(&StockReceived{Location: "berlin", Quantity: 1}), effect(1)).
			when(sold("berlin", 2)).
			then(recorded(
				&StockSold{Location: "berlin", Quantity: 2, Channel: "pos"},
				&OversoldDetected{Location: "berlin", OnHand: 1, Reserved: 4},
			))
	})
	t.Run("by a count", func(t *testing.T) {
		scenario(t).given(counted("berlin", 5), reserve("cart", 4)).
			when(counted("berlin", 3)).
			then(result(Moved{Effect: -2, Oversold: true}))
	})
	t.Run("by a change of condition", func(t *testing.T) {
		scenario(t).given(counted("berlin", 5), reserve("cart", 4)).
			when(move(Movement{Kind: KindConditionChanged, Location: "berlin", Quantity: 2, To: Damaged})).
			then(result(Moved{Effect: -2, Oversold: true}))
	})
	t.Run("below nothing", func(t *testing.T) {
		scenario(t).given(counted("berlin", 1)).
			when(sold("berlin", 3)).
			then(recorded(
				&StockSold{Location: "berlin", Quantity: 3, Channel: "pos"},
				&OversoldDetected{Location: "berlin", OnHand: -2, Reserved: 0},
			))
	})
	t.Run("not by what is over", func(t *testing.T) {
		scenario(t).given(counted("berlin", 5), reserve("cart", 4), wait(901e9)).
			when(sold("berlin", 5)).then(effect(-5), onHand("berlin", 0))
	})
	t.Run("not by handing over what was promised", func(t *testing.T) {
		scenario(t).given(counted("berlin", 5), reserve("cart", 5), sold("berlin", 2)).
			when(soldFor("berlin", 3, "cart")).then(effect(-3), onHand("berlin", 0), reserved("berlin", 2))
	})
	t.Run("where the units left, not where they were promised", func(t *testing.T) {
		scenario(t).given(counted("berlin", 5), counted("hamburg", 1), reserve("cart", 3)).
			when(fulfilFrom("cart", 3, "hamburg")).
			then(recorded(
				&ReservationFulfilled{
					ReservationID: "cart", ExpiresAt: clock("12:15:03"), Closed: true,
					Splits: []FulfilledSplit{{Location: "hamburg", ReservedAt: "berlin", Quantity: 3}},
				},
				&OversoldDetected{Location: "hamburg", OnHand: -2, Reserved: 0},
			), onHand("berlin", 5), reserved("berlin", 0))
	})
}
