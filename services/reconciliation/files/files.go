// Package files reads snapshots of the stock from CSV, JSON Lines and Parquet files, of any size, row by row. A row that cannot be read is given with its line and
// the reason, and the file goes on. What rows mean is left to the service.
package files

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Formats of files.
const (
	CSV     = "csv"
	JSONL   = "jsonl"
	Parquet = "parquet"
)

// Bounds of a file. What is longer is refused and passed over.
const (
	MaxLine   = 64 << 10 // bytes of a line
	MaxField  = 200      // bytes of a text in a row
	maxReason = 300      // bytes that say why a row is refused
)

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

// Row is a row, or why a line is none: then the reason names the column, when one is to blame.
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

// byteOrderMark begins some files that are UTF-8.
const byteOrderMark = "\uFEFF"

// lines are those of a text.
type lines struct {
	r    *bufio.Reader
	line int64 // the one that next returned, from 1
}

func linesOf(f io.Reader) *lines { return &lines{r: bufio.NewReaderSize(f, MaxLine)} }

// next returns the next line, without its end; of one that is too long only that it is. The error is io.EOF behind the last.
func (l *lines) next() (text string, long bool, err error) {
	part, err := l.r.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = l.r.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(part) > 0 || long) {
		err = nil // the next call meets the end again
	}
	if err != nil {
		return "", false, err
	}
	l.line++
	if long {
		return "", true, nil
	}
	text = strings.TrimSuffix(strings.TrimSuffix(string(part), "\n"), "\r")
	if l.line == 1 {
		text = strings.TrimPrefix(text, byteOrderMark)
	}
	return text, false, nil
}

// tooLong is a line of which nothing more is known.
func tooLong(line int64) Row { return refused(line, fmt.Sprintf("has more than %d bytes", MaxLine)) }

func tooLongText(name string, bytes int) string {
	return fmt.Sprintf("%s has %d bytes, at most %d may be", name, bytes, MaxField)
}

// refused is a line that is no row.
func refused(line int64, reason string) Row {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return Row{Line: line, Refused: reason}
}

// row is a row, unless one of its texts cannot be one.
func row(line int64, m *pb.SourceRow) Row {
	for _, x := range [...]struct{ name, text string }{{"sku", m.Sku}, {"location", m.Location}, {"condition", m.Condition}, {"decimal", m.Decimal},
		{"currency", m.Currency}} {
		switch {
		case len(x.text) > MaxField:
			return refused(line, tooLongText(x.name, len(x.text)))
		case !utf8.ValidString(x.text):
			return refused(line, fmt.Sprintf("%s %.40q is not UTF-8", x.name, x.text))
		}
	}
	return Row{SourceRow: m, Line: line}
}
