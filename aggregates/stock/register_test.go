package stock

import "testing"

func TestRegister(t *testing.T) {
	tea := RegisterRequest{Name: "Tea", Category: "drinks", SafetyStock: []SafetyStock{{"munich", 2}, {"berlin", 3}}}
	scenario(t).
		when(registered(tea)).
		then(recorded(
			&ItemRegistered{Name: "Tea", Unit: "each", Category: "drinks"},
			&SafetyStockSet{Location: "berlin", Quantity: 3},
			&SafetyStockSet{Location: "munich", Quantity: 2},
		), result(Item{Registered: true, Name: "Tea", Unit: "each", Category: "drinks"})).
		when(registered(tea)).then(nothingRecorded()).
		when(registered(RegisterRequest{Name: "Tea", Category: "drinks", SafetyStock: []SafetyStock{{"munich", 5}, {"hamburg", 0}}})).
		then(recorded(&SafetyStockSet{Location: "berlin"}, &SafetyStockSet{Location: "munich", Quantity: 5})).
		when(registered(RegisterRequest{Name: "Green tea", Unit: "g", Category: "drinks", Decimals: 1})).
		then(recorded(
			&ItemRegistered{Name: "Green tea", Unit: "g", Category: "drinks", Decimals: 1},
			&SafetyStockSet{Location: "munich"},
		))
}

func TestRegisterAfterAMovementDescribesTheSKU(t *testing.T) {
	scenario(t).given(received("berlin", 5)).
		when(registered(RegisterRequest{})).then(recorded(&ItemRegistered{Unit: "each"})).
		when(registered(RegisterRequest{})).then(nothingRecorded())
}

func TestDecimalsAreFixedOnceUsed(t *testing.T) {
	decimals := func(n int) step { return registered(RegisterRequest{Name: "Tea", Decimals: n}) }
	scenario(t).given(decimals(2)).
		when(decimals(3)).then(recorded(&ItemRegistered{Name: "Tea", Unit: "each", Decimals: 3})).
		when(decimals(10)).then(refused(&DecimalsFixedError{Decimals: 3, Requested: 10})).
		when(decimals(-1)).then(refused(&DecimalsFixedError{Decimals: 3, Requested: -1})).
		when(sold("berlin", 0)).
		when(decimals(2)).then(refused(&DecimalsFixedError{Decimals: 3, Requested: 2})).
		when(decimals(3)).then(nothingRecorded())
	scenario(t).given(received("berlin", 5)).when(decimals(1)).then(refused(&DecimalsFixedError{Requested: 1}))
}

func TestRegisterBadSafetyStock(t *testing.T) {
	safety := func(list ...SafetyStock) step { return registered(RegisterRequest{SafetyStock: list}) }
	scenario(t).when(safety(SafetyStock{"berlin", -1})).then(refused(&QuantityError{Quantity: -1, Max: MaxQuantity}))
	scenario(t).when(safety(SafetyStock{"berlin", MaxQuantity + 1})).then(refused(&QuantityError{Quantity: MaxQuantity + 1, Max: MaxQuantity}))
	scenario(t).when(safety(SafetyStock{"berlin", 1}, SafetyStock{"munich", 1}, SafetyStock{"berlin", 2})).then(refused(ErrRepeatedLocation))
}

func TestRegisterLeavesTheRequestAsItIs(t *testing.T) {
	list := []SafetyStock{{"munich", 2}, {"berlin", 3}}
	scenario(t).given(registered(RegisterRequest{SafetyStock: []SafetyStock{{"aachen", 1}}})).
		when(registered(RegisterRequest{SafetyStock: list}))
	if list[0].Location != "munich" {
		t.Fatal(list)
	}
}
