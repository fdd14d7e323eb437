package files

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// readCSV reads a file as of RFC 4180 whose first line names the columns. A field does not go over the end of its line: so a quote that is missing spoils one row.
func readCSV(f io.Reader, yield func(Row) error) error {
	l := linesOf(f)
	head, err := columns(l)
	if err != nil {
		return err
	}
	var fields []string
	for {
		text, long, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after line %d: %w", l.line, err)
		}
		if text == "" && !long {
			continue
		}
		row := tooLong(l.line)
		if !long {
			fields, row = record(l.line, head, text, fields[:0])
		}
		if err := yield(row); err != nil {
			return err
		}
	}
}

// columns reads the names of the columns.
func columns(l *lines) ([]string, error) {
	text, long, err := l.next()
	var head []string
	if err == nil && !long {
		head, err = split(text, nil)
	}
	if err != nil || long {
		if long {
			err = fmt.Errorf("it has more than %d bytes", MaxLine)
		}
		return nil, fmt.Errorf("line 1 must name the columns, of %s: %w", strings.Join(Columns, ", "), err)
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
		if !slices.Contains(Columns, head[i]) || slices.Contains(head[:i], head[i]) {
			return nil, fmt.Errorf("line 1: column %.40q is not one of %s, or is there twice", head[i], strings.Join(Columns, ", "))
		}
	}
	return head, needs(head)
}

// needs says which columns are missing.
func needs(head []string) error {
	if !slices.Contains(head, "sku") || !slices.Contains(head, "quantity") && !slices.Contains(head, "decimal") {
		return errors.New("a snapshot needs the columns sku, and quantity or decimal")
	}
	return nil
}

// record makes a row of a line.
func record(line int64, head []string, text string, into []string) ([]string, Row) {
	fields, err := split(text, into)
	if err != nil {
		return fields, refused(line, nameOf(head, len(fields))+err.Error())
	}
	if len(fields) != len(head) {
		return fields, refused(line, fmt.Sprintf("has %d fields, line 1 names %d columns", len(fields), len(head)))
	}
	m := &pb.SourceRow{}
	said := false
	for i, name := range head {
		value := fields[i]
		switch name {
		case "sku":
			m.Sku = value
		case "location":
			m.Location = value
		case "condition":
			m.Condition = value
		case "currency":
			m.Currency = value
		case "decimal":
			m.Decimal = value
			said = said || value != ""
		case "quantity":
			m.Quantity, err = whole(value)
			said = said || value != ""
		case "unit_cost":
			m.UnitCost, err = whole(value)
		}
		if err != nil {
			return fields, refused(line, fmt.Sprintf("%s %.40q is no whole number", name, value))
		}
	}
	if !said {
		return fields, refused(line, noQuantity)
	}
	return fields, row(line, m)
}

const noQuantity = "says no quantity"

// whole is a whole number; 0 when there is none.
func whole(value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	return strconv.ParseInt(value, 10, 64)
}

// nameOf names the column of a field that cannot be read.
func nameOf(head []string, i int) string {
	if i >= len(head) {
		return fmt.Sprintf("field %d ", i+1)
	}
	return head[i] + " "
}

// Errors of a field.
var (
	errQuoteInside = errors.New(`has a quote inside; a field with quotes is in quotes, and has each twice`)
	errQuoteOpen   = errors.New(`begins with a quote and does not end with one on this line`)
)

// split splits a line into its fields. With an error, as many are given as could be read.
func split(line string, into []string) ([]string, error) {
	for {
		field, rest, err := first(line)
		if err != nil {
			return into, err
		}
		into = append(into, field)
		if rest == "" {
			return into, nil
		}
		line = rest[1:]
	}
}

// first splits a field off a line; the rest begins with a comma, or is empty.
func first(line string) (field, rest string, err error) {
	if !strings.HasPrefix(line, `"`) {
		end := strings.IndexByte(line, ',')
		if end < 0 {
			end = len(line)
		}
		if strings.Contains(line[:end], `"`) {
			return "", "", errQuoteInside
		}
		return line[:end], line[end:], nil
	}
	line = line[1:]
	for {
		end := strings.IndexByte(line, '"')
		if end < 0 {
			return "", "", errQuoteOpen
		}
		field += line[:end]
		line = line[end+1:]
		switch {
		case line == "" || line[0] == ',':
			return field, line, nil
		case line[0] != '"':
			return "", "", errQuoteInside
		}
		field += `"`
		line = line[1:]
	}
}
