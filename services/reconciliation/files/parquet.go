package files

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

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
	defer func() { // the library panics on some files that are damaged
		if bad := recover(); bad != nil {
			err = fmt.Errorf("the Parquet file is damaged: %v", bad)
		}
	}()
	file, err := parquet.OpenFile(f, size)
	if err != nil {
		return fmt.Errorf("not a Parquet file: %w", err)
	}
	has := map[string]bool{}
	for _, column := range file.Schema().Columns() {
		has[column[0]] = true
	}
	if !has["sku"] || !has["quantity"] && !has["decimal"] {
		return errors.New("a snapshot needs the columns sku, and quantity or decimal")
	}
	r := parquet.NewGenericReader[parquetRow](file)
	defer r.Close()
	var batch [parquetBatch]parquetRow
	for line := int64(0); ; {
		clear(batch[:])
		n, err := r.Read(batch[:])
		for i := range batch[:n] {
			line++
			if err := yield(batch[i].row(line)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", line+1, err)
		}
	}
}

func (r *parquetRow) row(line int64) Row {
	if r.Quantity == nil && r.Decimal == nil {
		return Row{Line: line, Refused: "says no quantity"}
	}
	m := &pb.SourceRow{Sku: r.SKU, Location: r.Location, Condition: r.Condition, UnitCost: r.UnitCost, Currency: r.Currency}
	if r.Quantity != nil {
		m.Quantity = *r.Quantity
	}
	if r.Decimal != nil {
		m.Decimal = *r.Decimal
	}
	return Row{SourceRow: m, Line: line}
}
