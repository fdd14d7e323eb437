package stock

import (
	"fmt"
	"math/bits"
)

// MaxUnitCost is the most that one unit may cost, in minor units of its currency.
const MaxUnitCost int64 = 1_000_000_000_000

// MaxValue is the most that one receipt may be worth, in minor units.
const MaxValue int64 = 1_000_000_000_000_000

// Cost is what units cost that were received, as their source said it, and what that comes to.
type Cost struct {
	Unit     int64  // of one unit of the item (1 kg, not 1 g of it), in minor units of the currency
	Currency string // ISO 4217, e.g. "EUR"
	Value    int64  // of all units, in minor units, resolved when decided
}

// TypeReceiptCostCorrected names the fact, a contract that never changes.
const TypeReceiptCostCorrected = "ReceiptCostCorrected"

// ReceiptCostCorrected says that units which were received, at the event's OccurredAt, cost something else than was said.
type ReceiptCostCorrected struct {
	Location  string
	Quantity  int64
	Unit      int64 // what one cost
	InsteadOf int64 // what had been said
	Currency  string
	Value     int64 // by how much that changes what all of them cost
}

// EventType names the fact.
func (*ReceiptCostCorrected) EventType() string { return TypeReceiptCostCorrected }

// corrected makes the event of a corrected cost: the difference of two values that are each rounded as a receipt's is.
func (r *Movement) corrected(quantity int64, item *Item) (*ReceiptCostCorrected, error) {
	if r.Cost == nil {
		return nil, &CostError{"must be given"}
	}
	now, err := costed(r.Cost, quantity, item)
	if err != nil {
		return nil, err
	}
	said, err := costed(&Cost{Unit: r.InsteadOf, Currency: r.Cost.Currency}, quantity, item)
	if err != nil {
		return nil, err
	}
	return &ReceiptCostCorrected{Location: r.Location, Quantity: quantity, Unit: now.Unit, InsteadOf: said.Unit, Currency: now.Currency,
		Value: now.Value - said.Value}, nil
}

// CostError refuses a cost.
type CostError struct{ Rule string }

func (e *CostError) Error() string { return "unit cost: " + e.Rule }

// costed resolves what a receipt of a quantity costs. The product is computed in 128 bits and rounded half away from zero to a minor
// unit, once for the whole receipt.
func costed(c *Cost, quantity int64, item *Item) (*Cost, error) {
	if c == nil {
		return nil, nil
	}
	if c.Unit < 0 || c.Unit > MaxUnitCost {
		return nil, &CostError{fmt.Sprintf("must be 0 to %d, is %d", MaxUnitCost, c.Unit)}
	}
	value, ok := Proportion(c.Unit, quantity, powerOfTen(item.Decimals))
	if !ok || value > MaxValue {
		return nil, &CostError{fmt.Sprintf("the receipt would be worth more than %d", MaxValue)}
	}
	return &Cost{Unit: c.Unit, Currency: c.Currency, Value: value}, nil
}

func powerOfTen(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

// Proportion returns value × part / whole, computed in 128 bits and rounded half away from zero; ok is false when whole is 0 or the
// result does not fit.
func Proportion(value, part, whole int64) (result int64, ok bool) {
	if whole == 0 {
		return 0, false
	}
	negative := (value < 0) != (part < 0) != (whole < 0)
	divisor := magnitude(whole)
	hi, lo := bits.Mul64(magnitude(value), magnitude(part))
	lo, carry := bits.Add64(lo, divisor/2, 0)
	hi += carry
	if hi >= divisor {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, divisor)
	if q > 1<<63-1 {
		return 0, false
	}
	if negative {
		return -int64(q), true
	}
	return int64(q), true
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}
