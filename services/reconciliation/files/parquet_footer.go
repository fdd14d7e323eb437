package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of what a Parquet file says of itself.
const (
	MaxFooter    = 16 << 20    // bytes of the footer, which lists columns and row groups
	MaxRowGroups = 32_767      // as of the format
	MaxRows      = 100_000_000 // of all row groups: as many as one snapshot may have
	maxColumns   = 1_000       // of the schema: those that a snapshot does not have are named
	maxChunks    = 250_000     // columns of all row groups
)

// magic begins and ends a Parquet file.
const magic = "PAR1"

// Physical types, and how often a value may be there.
const (
	kindInt32     = 1
	kindInt64     = 2
	kindByteArray = 6

	required = 0
	optional = 1
)

// footer is what a file says of itself.
type footer struct {
	columns []columnOf // the root, and those that lie in it
	groups  []rowGroup
	chunks  int   // of all groups
	end     int64 // of the data
}

// columnOf is a column of the schema.
type columnOf struct {
	name       string
	kind       int64 // physical type; -1 of a group
	repetition int64
	children   int64
	converted  int64 // older kind of logical type; -1 for none
	logical    int16 // field of the union that says the logical type; 0 for none
	signed     bool  // of integers
}

// rowGroup is a run of rows, column by column.
type rowGroup struct {
	rows   int64
	chunks []chunk
}

// chunk is where the pages of a column lie, of one row group.
type chunk struct {
	kind, codec int64
	start, size int64
	elsewhere   bool // in another file, or encrypted
}

// readFooter reads the end of a file of size bytes, within the bounds.
func readFooter(f io.ReaderAt, size int64) (*footer, error) {
	var ends [12]byte
	if size < int64(len(ends)) {
		return nil, fmt.Errorf("it has %d bytes", size)
	}
	if _, err := f.ReadAt(ends[:4], 0); err != nil {
		return nil, fmt.Errorf("read its beginning: %w", unexpected(err))
	}
	if _, err := f.ReadAt(ends[4:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read its end: %w", err)
	}
	if string(ends[:4]) != magic || string(ends[8:]) != magic {
		return nil, fmt.Errorf("it does not begin and end with %s", magic)
	}
	length := int64(binary.LittleEndian.Uint32(ends[4:8]))
	x := &footer{end: size - 8 - length}
	switch {
	case length > MaxFooter:
		return nil, fmt.Errorf("its footer has %d bytes, at most %d may be", length, MaxFooter)
	case x.end < 4:
		return nil, fmt.Errorf("its footer has %d bytes, the file %d", length, size)
	}
	text := make([]byte, length)
	if _, err := f.ReadAt(text, x.end); err != nil {
		return nil, fmt.Errorf("read its footer: %w", unexpected(err))
	}
	t := &thrift{b: text}
	if err := x.read(t); err != nil || t.err != nil {
		return nil, fmt.Errorf("its footer is damaged: %w", errors.Join(t.err, err))
	}
	return x, nil
}

// unexpected makes of an end that is met too early an error of its own: io.EOF would say that all was read.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read reads a FileMetaData.
func (x *footer) read(t *thrift) (bad error) {
	t.fields(func(id int16, kind byte) {
		switch {
		case id == 2 && kind == thriftList:
			t.list(thriftStruct, func() {
				if x.columns = append(x.columns, readColumn(t)); len(x.columns) > maxColumns {
					t.fail(fmt.Errorf("there are more than %d columns", maxColumns))
				}
			})
		case id == 4 && kind == thriftList:
			t.list(thriftStruct, func() {
				if x.groups = append(x.groups, x.readGroup(t)); len(x.groups) > MaxRowGroups {
					t.fail(fmt.Errorf("there are more than %d row groups", MaxRowGroups))
				}
			})
		case id == 8:
			bad = errors.New("it is encrypted")
			t.skip(kind)
		default:
			t.skip(kind)
		}
	})
	return bad
}

// readColumn reads a SchemaElement.
func readColumn(t *thrift) columnOf {
	c := columnOf{kind: -1, converted: -1}
	t.fields(func(id int16, kind byte) {
		switch {
		case id == 1 && kind == thriftI32:
			c.kind = t.varint()
		case id == 3 && kind == thriftI32:
			c.repetition = t.varint()
		case id == 4 && kind == thriftBinary:
			c.name = string(t.bytes())
		case id == 5 && kind == thriftI32:
			c.children = t.varint()
		case id == 6 && kind == thriftI32:
			c.converted = t.varint()
		case id == 10 && kind == thriftStruct:
			t.fields(func(id int16, kind byte) {
				if c.logical = id; id != logicalInteger || kind != thriftStruct {
					t.skip(kind)
					return
				}
				t.fields(func(id int16, kind byte) {
					if id == 2 {
						c.signed = kind == thriftTrue
					}
					t.skip(kind)
				})
			})
		default:
			t.skip(kind)
		}
	})
	return c
}

// readGroup reads a RowGroup.
func (x *footer) readGroup(t *thrift) (g rowGroup) {
	t.fields(func(id int16, kind byte) {
		switch {
		case id == 1 && kind == thriftList:
			t.list(thriftStruct, func() {
				g.chunks = append(g.chunks, readChunk(t))
				if x.chunks++; x.chunks > maxChunks {
					t.fail(fmt.Errorf("there are more than %d columns of row groups", maxChunks))
				}
			})
		case id == 3 && kind == thriftI64:
			g.rows = t.varint()
		default:
			t.skip(kind)
		}
	})
	return g
}

// readChunk reads a ColumnChunk. The dictionary lies before the data, where there is one.
func readChunk(t *thrift) (c chunk) {
	var dictionary int64
	t.fields(func(id int16, kind byte) {
		if c.elsewhere = c.elsewhere || id == 1 || id == 8 || id == 9; id != 3 || kind != thriftStruct {
			t.skip(kind)
			return
		}
		t.fields(func(id int16, kind byte) {
			switch {
			case id == 1 && kind == thriftI32:
				c.kind = t.varint()
			case id == 4 && kind == thriftI32:
				c.codec = t.varint()
			case id == 7 && kind == thriftI64:
				c.size = t.varint()
			case id == 9 && kind == thriftI64:
				c.start = t.varint()
			case id == 11 && kind == thriftI64:
				dictionary = t.varint()
			default:
				t.skip(kind)
			}
		})
	})
	if dictionary > 0 && dictionary < c.start {
		c.start = dictionary
	}
	return c
}

// check checks that rows and chunks are within the bounds and the file, and that no byte belongs to two of them.
func (x *footer) check() error {
	var rows, bytes int64
	for i := range x.groups {
		g := &x.groups[i]
		if g.rows < 0 || g.rows > MaxRows-rows {
			return fmt.Errorf("it has more than %d rows; split it", MaxRows)
		}
		rows += g.rows
		if len(g.chunks) != len(x.columns)-1 {
			return fmt.Errorf("row group %d has %d columns, the schema %d", i+1, len(g.chunks), len(x.columns)-1)
		}
		for j := range g.chunks {
			c := &g.chunks[j]
			switch name := x.columns[j+1].name; {
			case c.elsewhere:
				return fmt.Errorf("column %.40q of row group %d is encrypted, or in another file", name, i+1)
			case c.size < 0 || c.start < int64(len(magic)) || c.start > x.end || c.size > x.end-c.start:
				return fmt.Errorf("column %.40q of row group %d lies outside of the file", name, i+1)
			case c.kind != x.columns[j+1].kind:
				return fmt.Errorf("column %.40q of row group %d is of another type than the schema says", name, i+1)
			}
			if bytes += c.size; bytes > x.end {
				return errors.New("its columns have more bytes than the file: some belong to two of them")
			}
		}
	}
	return nil
}
