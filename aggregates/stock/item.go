package stock

// Item describes the SKU. The zero value is a SKU that nobody knows.
type Item struct {
	Registered bool // by somebody, or by default
	ByDefault  bool // a movement came before anybody registered it
	Name       string
	Unit       string
	Category   string
	Decimals   int
}

// Units reads a quantity in the item's unit, e.g. "5.5", as base units, 0 to MaxQuantity. It returns *NumberError, *DecimalsError and *QuantityError.
func (i *Item) Units(text string) (int64, error) { return units(0, text, i, 0) }

func (i *Item) evolve(e *ItemRegistered) {
	*i = Item{
		Registered: true, ByDefault: e.ByDefault,
		Name: e.Name, Unit: e.Unit, Category: e.Category, Decimals: e.Decimals,
	}
}
