package files

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// parquetRow has the columns of a file; those that it does not have stay empty.
type parquetRow struct {
	SKU       string  `parquet:"sku,optional"`
	Location  string  `parquet:"location,optional"`
	Condition string  `parquet:"condition,optional"`
	Quantity  *int64  `parquet:"quantity,optional"`
	Decimal   *string `parquet:"decimal,optional"`
	UnitCost  int64   `parquet:"unit_cost,optional"`
	Currency  string  `parquet:"currency,optional"`
}

// parquetBatch is how many rows are read at once.
const parquetBatch = 512

// readParquet reads a Parquet file by its columns.
func readParquet(f io.ReaderAt, size int64, yield func(Row) error) (err error) {
	line, yielding := int64(0), false
	defer func() { // the library panics on some files that are damaged
		if yielding {
			return
		}
		if bad := recover(); bad != nil {
			err = fmt.Errorf("the Parquet file is damaged behind row %d: %v", line, bad)
		}
	}()
	file, err := parquet.OpenFile(f, size)
	if err != nil {
		return fmt.Errorf("not a Parquet file: %w", err)
	}
	if err := checkColumns(file.Schema()); err != nil {
		return err
	}
	r := parquet.NewGenericReader[parquetRow](file)
	defer r.Close()
	var batch [parquetBatch]parquetRow
	for {
		clear(batch[:])
		n, err := r.Read(batch[:])
		yielding = true
		for i := range batch[:n] {
			line++
			if err := yield(batch[i].row(line)); err != nil {
				return err
			}
		}
		yielding = false
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the Parquet file is damaged behind row %d: %w", line, err)
		}
	}
}

// checkColumns says which columns are not those of a snapshot, or of another type. Numbers with decimals of their own are none of base units.
func checkColumns(s *parquet.Schema) error {
	var head []string
	for _, f := range s.Fields() {
		name := f.Name()
		if !slices.Contains(Columns, name) {
			return fmt.Errorf("column %.40q is not one of %s", name, strings.Join(Columns, ", "))
		}
		if !f.Leaf() || f.Repeated() || !fits(name, f.Type()) {
			return fmt.Errorf("column %s is %s; quantity and unit_cost are INT32 or INT64, the others strings", name, f.Type())
		}
		head = append(head, name)
	}
	return needs(head)
}

// fits tells whether a column has a type that is read as it is meant.
func fits(name string, t parquet.Type) bool {
	logical := t.LogicalType()
	if logical == nil {
		logical = &format.LogicalType{}
	}
	switch name {
	case "quantity", "unit_cost":
		i, integer := logical.Value.(*format.IntType)
		if old := t.ConvertedType(); old != nil && (*old < deprecated.Int8 || *old > deprecated.Int64) {
			return false
		}
		return (t.Kind() == parquet.Int64 || t.Kind() == parquet.Int32) && (logical.Value == nil || integer && i.IsSigned)
	}
	_, text := logical.Value.(*format.StringType)
	return t.Kind() == parquet.ByteArray && (logical.Value == nil || text)
}

func (r *parquetRow) row(line int64) Row {
	if r.Quantity == nil && r.Decimal == nil {
		return refused(line, noQuantity)
	}
	m := &pb.SourceRow{Sku: r.SKU, Location: r.Location, Condition: r.Condition, UnitCost: r.UnitCost, Currency: r.Currency}
	if r.Quantity != nil {
		m.Quantity = *r.Quantity
	}
	if r.Decimal != nil {
		m.Decimal = *r.Decimal
	}
	return row(line, m)
}
