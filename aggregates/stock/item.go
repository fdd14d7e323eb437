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

func (i *Item) evolve(e *ItemRegistered) {
	*i = Item{
		Registered: true, ByDefault: e.ByDefault,
		Name: e.Name, Unit: e.Unit, Category: e.Category, Decimals: e.Decimals,
	}
}
