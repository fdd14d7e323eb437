// Package files reads snapshots of the stock from CSV, JSON Lines and Parquet files, of any size, row by row. A row that cannot be read is given with its line and
// the reason, and the file goes on. What rows mean is left to the service.
package files

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Formats of files.
const (
	CSV     = "csv"
	JSONL   = "jsonl"
	Parquet = "parquet"
)

// MaxLine is the longest line of a file, in bytes; a longer one is refused and passed over.
const MaxLine = 64 << 10

// Columns are the names that a file may use: those of the contract's SourceRow.
var Columns = []string{"sku", "location", "condition", "quantity", "decimal", "unit_cost", "currency"}

// ErrFormat says that the format of a file is not known.
var ErrFormat = errors.New("the format must be csv, jsonl or parquet")

// FormatOf is the format that the name of a file ends with; "" when it is none.
func FormatOf(name string) string {
	switch ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), "."); ext {
	case CSV, JSONL, Parquet:
		return ext
	case "ndjson":
		return JSONL
	}
	return ""
}

// Source is a file that is read; *os.File is one.
type Source interface {
	io.Reader
	io.ReaderAt
}

// Row is a row, or why a line is none.
type Row struct {
	*pb.SourceRow        // nil when refused
	Line          int64  // from 1; of Parquet the place of the row
	Refused       string // why it cannot be read
}

// Read yields every row of a file of size bytes until yield returns an error. The error tells of what is wrong with the file as a whole.
func Read(f Source, size int64, format string, yield func(Row) error) error {
	switch format {
	case CSV:
		return readCSV(f, yield)
	case JSONL:
		return readLines(f, yield)
	case Parquet:
		return readParquet(f, size, yield)
	}
	return ErrFormat
}

// readCSV reads a file whose first line names the columns.
func readCSV(f io.Reader, yield func(Row) error) error {
	r := csv.NewReader(&bounded{r: bufio.NewReaderSize(f, MaxLine)})
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("the first line must name the columns, of %s: %w", strings.Join(Columns, ", "), err)
	}
	head = slices.Clone(head)
	head[0] = strings.TrimPrefix(head[0], "\uFEFF")
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
		if !slices.Contains(Columns, head[i]) || slices.Contains(head[:i], head[i]) {
			return fmt.Errorf("column %q is not one of %s, or is there twice", head[i], strings.Join(Columns, ", "))
		}
	}
	if !slices.Contains(head, "sku") || !slices.Contains(head, "quantity") && !slices.Contains(head, "decimal") {
		return errors.New("a snapshot needs the columns sku, and quantity or decimal")
	}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		row := Row{}
		var wrong *csv.ParseError
		switch {
		case errors.As(err, &wrong):
			row = Row{Line: int64(wrong.Line), Refused: wrong.Err.Error()}
		case err != nil:
			return err
		default:
			line, _ := r.FieldPos(0)
			row = record(head, fields)
			row.Line = int64(line)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
}

// record makes a row of the fields of a line.
func record(head, fields []string) Row {
	if len(fields) != len(head) {
		return Row{Refused: fmt.Sprintf("has %d fields, the first line %d", len(fields), len(head))}
	}
	m := &pb.SourceRow{}
	said := false
	for i, name := range head {
		value := strings.Clone(fields[i])
		var err error
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
			if value != "" {
				m.Quantity, err = strconv.ParseInt(value, 10, 64)
				said = true
			}
		case "unit_cost":
			if value != "" {
				m.UnitCost, err = strconv.ParseInt(value, 10, 64)
			}
		}
		if err != nil {
			return Row{Refused: fmt.Sprintf("%s %.40q is no whole number", name, value)}
		}
	}
	if !said {
		return Row{Refused: "says no quantity"}
	}
	return Row{SourceRow: m}
}

// readLines reads a file with an object a line.
func readLines(f io.Reader, yield func(Row) error) error {
	r := bufio.NewReaderSize(f, MaxLine)
	for line := int64(1); ; line++ {
		text, long, err := nextLine(r)
		if errors.Is(err, io.EOF) && len(text) == 0 && !long {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		trimmed := strings.TrimSpace(string(text))
		if trimmed == "" && !long {
			continue
		}
		row := Row{SourceRow: &pb.SourceRow{}, Line: line}
		switch {
		case long:
			row = Row{Line: line, Refused: fmt.Sprintf("has more than %d bytes", MaxLine)}
		case !strings.Contains(trimmed, `"quantity"`) && !strings.Contains(trimmed, `"decimal"`):
			row = Row{Line: line, Refused: "says no quantity"}
		default:
			if bad := protojson.Unmarshal([]byte(trimmed), row.SourceRow); bad != nil {
				row = Row{Line: line, Refused: strings.ReplaceAll(bad.Error(), "\u00a0", " ")}
			}
		}
		if err := yield(row); err != nil {
			return err
		}
	}
}

// nextLine reads a line; of one that is too long only that it is.
func nextLine(r *bufio.Reader) (text []byte, long bool, err error) {
	text, err = r.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = r.ReadSlice('\n')
	}
	return text, long, err
}

// bounded fails on a line that is too long, which a reader of CSV would otherwise keep in memory whole.
type bounded struct {
	r    *bufio.Reader
	line int
}

var errLine = fmt.Errorf("a line has more than %d bytes", MaxLine)

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	for _, c := range p[:n] {
		if b.line++; c == '\n' {
			b.line = 0
		}
		if b.line > MaxLine {
			return 0, errLine
		}
	}
	return n, err
}
