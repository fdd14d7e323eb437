package availability

import (
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// encodeBundle is the stored form of what kits have to do with a SKU, nil when that is nothing.
func encodeBundle(b *stock.Bundle) *inventoryv1.KitDocument {
	if b == nil {
		return nil
	}
	m := &inventoryv1.KitDocument{Components: codec.ToComponents(b.Components), Version: b.Version}
	for _, x := range b.PartOf {
		m.PartOf = append(m.PartOf, &inventoryv1.KitMembershipSet{Kit: x.Kit, Version: x.Version})
	}
	return m
}

func decodeBundle(m *inventoryv1.KitDocument) *stock.Bundle {
	if m == nil {
		return nil
	}
	b := &stock.Bundle{Kit: stock.Kit{Components: codec.FromComponents(m.Components), Version: m.Version}}
	for _, x := range m.PartOf {
		b.PartOf = append(b.PartOf, stock.Membership{Kit: x.Kit, Version: x.Version})
	}
	return b
}
