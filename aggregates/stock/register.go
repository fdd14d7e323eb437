package stock

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// RegisterRequest describes the SKU and its safety stock, wholly: a location that is left out has none.
type RegisterRequest struct {
	Name        string
	Unit        string // DefaultUnit when empty
	Category    string
	Decimals    int // 0 to MaxDecimals; fixed once quantities were recorded
	SafetyStock []SafetyStock
}

// SafetyStock keeps units back at a location, in base units, 0 to MaxQuantity.
type SafetyStock struct {
	Location string
	Quantity int64
}

// Register decides the description of the SKU. What already is so yields no events. It returns *DecimalsFixedError,
// *QuantityError or ErrRepeatedLocation.
func Register(s *State, r RegisterRequest, _ aggregates.Metadata, _ aggregates.Instant) (Item, []aggregates.Event, error) {
	if r.Unit == "" {
		r.Unit = DefaultUnit
	}
	if r.Decimals < 0 || r.Decimals > MaxDecimals || s.used && r.Decimals != s.Item.Decimals {
		return Item{}, nil, &DecimalsFixedError{Decimals: s.Item.Decimals, Requested: r.Decimals}
	}
	item := Item{Registered: true, Name: r.Name, Unit: r.Unit, Category: r.Category, Decimals: r.Decimals}
	var events []aggregates.Event
	if item != s.Item {
		events = append(events, &ItemRegistered{Name: r.Name, Unit: r.Unit, Category: r.Category, Decimals: r.Decimals})
	}
	changes, err := safetyChanges(&s.Balances, r.SafetyStock)
	if err != nil {
		return Item{}, nil, err
	}
	return item, append(events, changes...), nil
}

// safetyChanges compares the wanted safety stock with what is set, in order of location.
func safetyChanges(b *Balances, wanted []SafetyStock) ([]aggregates.Event, error) {
	byLocation := func(a, b SafetyStock) int { return cmp.Compare(a.Location, b.Location) }
	wanted = slices.SortedFunc(slices.Values(wanted), byLocation)
	for i, w := range wanted {
		if w.Quantity < 0 || w.Quantity > MaxQuantity {
			return nil, fmt.Errorf("safety stock at %q: %w", w.Location, &QuantityError{Quantity: w.Quantity, Max: MaxQuantity})
		}
		if i > 0 && wanted[i-1].Location == w.Location {
			return nil, fmt.Errorf("safety stock at %q: %w", w.Location, ErrRepeatedLocation)
		}
	}
	for x := range b.Each {
		i, found := slices.BinarySearchFunc(wanted, SafetyStock{Location: x.Location}, byLocation)
		if !found && x.SafetyStock != 0 {
			wanted = slices.Insert(wanted, i, SafetyStock{Location: x.Location})
		}
	}
	var events []aggregates.Event
	for _, w := range wanted {
		set := int64(0)
		if x := b.At(w.Location); x != nil {
			set = x.SafetyStock
		}
		if set != w.Quantity {
			events = append(events, &SafetyStockSet{Location: w.Location, Quantity: w.Quantity})
		}
	}
	return events, nil
}
