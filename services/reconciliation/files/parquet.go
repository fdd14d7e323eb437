package files

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// readParquet reads a Parquet file by its columns. What it holds of the file at once is bounded, whatever the file says and whatever its pages unpack to: the reader
// is one for flat columns of numbers and texts, and takes no other.
func readParquet(f io.ReaderAt, size int64, yield func(Row) error) (err error) {
	line, yielding := int64(0), false
	defer func() { // what is not foreseen in damaged bytes is an error of the file
		if yielding {
			return
		}
		if bad := recover(); bad != nil {
			err = fmt.Errorf("the Parquet file is damaged behind row %d: %v", line, bad)
		}
	}()
	return eachRow(f, size, func(r Row) error {
		line, yielding = r.Line, true
		err := yield(r)
		yielding = false
		return err
	})
}

func eachRow(f io.ReaderAt, size int64, yield func(Row) error) error {
	x, err := readFooter(f, size)
	if err != nil {
		return fmt.Errorf("not a Parquet file that can be read: %w", err)
	}
	if err := checkColumns(x.columns); err != nil {
		return err
	}
	if err := x.check(); err != nil {
		return fmt.Errorf("the Parquet file cannot be read: %w", err)
	}
	line, held := int64(0), &held{}
	for i := range x.groups {
		if line, err = eachOf(f, x, i, line, held, yield); err != nil {
			return err
		}
	}
	return nil
}

// eachOf yields the rows of a row group, behind so many lines.
func eachOf(f io.ReaderAt, x *footer, group int, line int64, h *held, yield func(Row) error) (int64, error) {
	g := &x.groups[group]
	columns := make([]*pages, len(g.chunks))
	for i := range g.chunks {
		columns[i] = newPages(f, &x.columns[i+1], &g.chunks[i], g.rows, h)
	}
	for range g.rows {
		line++
		r, err := rowOf(columns, line)
		if err != nil {
			return line, fmt.Errorf("the Parquet file is damaged behind row %d: %w", line-1, err)
		}
		if err := yield(r); err != nil {
			return line, err
		}
	}
	for _, c := range columns {
		if err := c.close(); err != nil {
			return line, fmt.Errorf("the Parquet file is damaged behind row %d: %w", line, err)
		}
	}
	return line, nil
}

// rowOf reads the next value of each column, and makes a row of them. A text that is too long is not copied.
func rowOf(columns []*pages, line int64) (Row, error) {
	m := &pb.SourceRow{}
	said, long := false, ""
	for _, c := range columns {
		number, text, present, err := c.next()
		if err != nil {
			return Row{}, err
		}
		if len(text) > MaxField && long == "" {
			long = tooLongText(c.name, len(text))
		}
		if !present || len(text) > MaxField {
			continue
		}
		switch c.name {
		case "sku":
			m.Sku = string(text)
		case "location":
			m.Location = string(text)
		case "condition":
			m.Condition = string(text)
		case "quantity":
			m.Quantity, said = number, true
		case "decimal":
			m.Decimal, said = string(text), said || len(text) > 0
		case "unit_cost":
			m.UnitCost = number
		case "currency":
			m.Currency = string(text)
		}
	}
	switch {
	case long != "":
		return refused(line, long), nil
	case !said:
		return refused(line, noQuantity), nil
	}
	return row(line, m), nil
}

// checkColumns says which columns are not those of a snapshot, or of another type. Numbers with decimals of their own are none of base units.
func checkColumns(all []columnOf) error {
	if len(all) == 0 {
		return errors.New("the Parquet file has no schema")
	}
	var head []string
	flat := all[0].children == int64(len(all)-1)
	for i := range all[1:] {
		c := &all[i+1]
		if !slices.Contains(Columns, c.name) && (flat || len(head) == 0) {
			return fmt.Errorf("column %.40q is not one of %s", c.name, strings.Join(Columns, ", "))
		}
		if !c.fits() {
			return fmt.Errorf("column %.40s is %s; quantity and unit_cost are INT32 or INT64, the others strings", c.name, c.describe())
		}
		if slices.Contains(head, c.name) {
			return fmt.Errorf("column %s is there twice", c.name)
		}
		head = append(head, c.name)
	}
	if !flat {
		return errors.New("the schema of the Parquet file is damaged")
	}
	return needs(head)
}

// Logical types, and their older kinds.
const (
	logicalString  = 1
	logicalInteger = 10

	convertedUTF8   = 0
	convertedEnum   = 4
	convertedUint8  = 11
	convertedUint64 = 14
	convertedInt8   = 15
	convertedInt64  = 18
)

func (c *columnOf) number() bool { return c.name == "quantity" || c.name == "unit_cost" }

// fits tells whether a column has a type that is read as it is meant.
func (c *columnOf) fits() bool {
	if c.children != 0 || c.repetition != required && c.repetition != optional {
		return false
	}
	if c.number() {
		signed := c.converted == -1 || c.converted >= convertedInt8 && c.converted <= convertedInt64
		return (c.kind == kindInt32 || c.kind == kindInt64) && signed && (c.logical == 0 || c.logical == logicalInteger && c.signed)
	}
	text := c.converted == -1 || c.converted == convertedUTF8 || c.converted == convertedEnum
	return c.kind == kindByteArray && text && (c.logical == 0 || c.logical == logicalString || c.logical == logicalEnum)
}

const logicalEnum = 4

var logicalNames = map[int16]string{logicalString: "STRING", 2: "MAP", 3: "LIST", logicalEnum: "ENUM", 5: "DECIMAL", 6: "DATE", 7: "TIME", 8: "TIMESTAMP", 12: "JSON",
	13: "BSON", 14: "UUID", 15: "FLOAT16"}

var kindNames = []string{"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}

// describe names the type of a column.
func (c *columnOf) describe() string {
	name := "of an unknown type"
	switch {
	case c.children != 0 || c.kind < 0:
		return "a group"
	case c.logical == logicalInteger && !c.signed, c.converted >= convertedUint8 && c.converted <= convertedUint64:
		name = "an unsigned integer"
	case c.logical == logicalInteger:
		name = "an integer"
	case logicalNames[c.logical] != "":
		name = logicalNames[c.logical]
	case c.converted == 5:
		name = "DECIMAL"
	case c.kind < int64(len(kindNames)):
		name = kindNames[c.kind]
	}
	if c.repetition != required && c.repetition != optional {
		return "a list of " + name
	}
	return name
}
