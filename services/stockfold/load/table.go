package load

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxLineBytes bounds one line of a file.
const maxLineBytes = 64 << 10

// File is something that can be read more than once, from the start each time.
type File struct {
	Name string // for messages
	Open func() (io.ReadCloser, error)
}

// Disk is a file on disk.
func Disk(path string) File {
	return File{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// Bytes is a file in memory.
func Bytes(name string, data []byte) File {
	return File{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// LineError says which line of a file is wrong, and how.
type LineError struct {
	File    string
	Line    int // from 1, the header included
	Problem string
}

func (e *LineError) Error() string { return fmt.Sprintf("%s, line %d: %s", e.File, e.Line, e.Problem) }

// table reads a CSV file with a header, compressed by gzip or not, one record a line.
type table struct {
	name    string
	file    io.Closer
	input   *input
	scan    *bufio.Scanner
	line    int
	places  []int // of the wanted columns
	columns int
	fields  []string
}

// openTable reads the header and finds the wanted columns, whatever their order. Other columns are ignored.
func openTable(f File, want ...string) (*table, error) {
	file, err := f.Open()
	if err != nil {
		return nil, err
	}
	t := &table{name: f.Name, file: file}
	if err := t.start(file, want); err != nil {
		file.Close()
		return nil, err
	}
	return t, nil
}

func (t *table) start(file io.Reader, want []string) error {
	r := bufio.NewReaderSize(file, 1<<18)
	var plain io.Reader = r
	if magic, _ := r.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		plain = z
	}
	t.input = &input{Reader: plain}
	t.scan = bufio.NewScanner(t.input)
	t.scan.Buffer(make([]byte, 0, 4<<10), maxLineBytes)
	header, err := t.record()
	if err == io.EOF {
		return &LineError{t.name, 1, "the file is empty, expected the columns " + strings.Join(want, ",")}
	}
	if err != nil {
		return err
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	for _, column := range want {
		at := slices.Index(header, column)
		if at < 0 {
			return t.fail("there is no column %q; expected %s", column, strings.Join(want, ","))
		}
		t.places = append(t.places, at)
	}
	t.columns, t.fields = len(header), make([]string, len(want))
	return nil
}

// next returns the wanted fields of the next line, or io.EOF. The slice is valid until the next call.
func (t *table) next() ([]string, error) {
	record, err := t.record()
	if err != nil {
		return nil, err
	}
	if len(record) != t.columns {
		return nil, t.fail("has %d fields, the header has %d", len(record), t.columns)
	}
	for i, at := range t.places {
		t.fields[i] = record[at]
	}
	return t.fields, nil
}

func (t *table) record() ([]string, error) {
	if !t.scan.Scan() || t.input.err != nil {
		return nil, t.end()
	}
	t.line++
	text := t.scan.Text()
	if !strings.Contains(text, `"`) {
		return strings.Split(text, ","), nil
	}
	record, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return nil, t.fail("the quotation marks do not match")
	}
	return record, nil
}

func (t *table) end() error {
	switch {
	case t.input.err != nil:
		return &LineError{t.name, t.line + 1, "cannot be read: " + t.input.err.Error()}
	case t.scan.Err() == bufio.ErrTooLong:
		return &LineError{t.name, t.line + 1, fmt.Sprintf("is longer than %d bytes", maxLineBytes)}
	default:
		return io.EOF
	}
}

// input keeps the error that ended it early: what a scanner gives out then may be half a line.
type input struct {
	io.Reader
	err error
}

func (r *input) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

func (t *table) fail(problem string, args ...any) error {
	return &LineError{t.name, t.line, fmt.Sprintf(problem, args...)}
}

func (t *table) Close() error { return t.file.Close() }
