package load

import (
	"context"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// Fuel is sold in thousandths of a gallon; everything else by the piece.
const (
	fuelDepartment = "FUEL"
	fuelType       = "GASOLINE"
	fuelUnit       = "gal"
	fuelDecimals   = 3
	pieceUnit      = "each"
)

// ReadItems reads the descriptions of the given SKUs from a file with the columns product_id, department,
// product_category, product_type and package_size, in order of the file. Those of other SKUs are passed over; of two with
// the same id the first counts.
func ReadItems(ctx context.Context, f File, skus []SKU) ([]*pb.Item, error) {
	t, err := openTable(f, "product_id", "department", "product_category", "product_type", "package_size")
	if err != nil {
		return nil, err
	}
	defer t.Close()
	wanted := make(map[string]bool, len(skus))
	for _, sku := range skus {
		wanted[sku.ID] = true
	}
	var items []*pb.Item
	for {
		fields, err := t.next()
		if err == io.EOF {
			return items, nil
		}
		if err != nil {
			return nil, err
		}
		if wanted[fields[0]] {
			delete(wanted, fields[0])
			items = append(items, item(fields))
		}
		if t.line%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// item describes a SKU in words: its type and package size, or its category or department where there is no type.
func item(fields []string) *pb.Item {
	sku, department, category, kind, size := fields[0], fields[1], fields[2], fields[3], fields[4]
	name := firstOf(kind, category, department)
	if size != "" && name != "" {
		name += ", " + size
	}
	it := &pb.Item{Sku: strings.Clone(sku), Unit: pieceUnit,
		Name:     clip(name, validation.MaxNote),
		Category: clip(firstOf(category, department), validation.MaxID)}
	if department == fuelDepartment || strings.Contains(kind, fuelType) {
		it.Unit, it.Decimals = fuelUnit, fuelDecimals
	}
	return it
}

func firstOf(texts ...string) string {
	if i := slices.IndexFunc(texts, func(s string) bool { return s != "" }); i >= 0 {
		return texts[i]
	}
	return ""
}

// clip cuts a text to a number of bytes, never inside a character.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return strings.Clone(s)
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.Clone(s[:limit])
}
