package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Bounds of the pages of a Parquet file. They are looked at in the head of a page, before any memory is taken for it.
const (
	MaxPage       = 32 << 20  // bytes of a page or a dictionary, packed and unpacked
	MaxUnpacked   = 64 << 30  // bytes of all pages, unpacked
	MaxHeld       = 128 << 20 // bytes of the pages and dictionaries that are held at once, of all columns
	maxPageHeader = 1 << 20   // bytes of the head of a page
)

// Kinds of pages.
const (
	dataPage       = 0
	dictionaryPage = 2
	dataPageV2     = 3
)

// pageHeader is what a page says of itself.
type pageHeader struct {
	kind, unpacked, packed int64
	crc                    uint32
	checked                bool // it has a checksum
	count                  int64
	encoding               int64
	levels                 int64 // encoding of the levels, of a first version's page
	levelBytes, repeated   int64 // of the levels, which are not packed, of a second version's page
	bare                   bool  // its values are not packed
}

// readPageHeader reads a PageHeader.
func readPageHeader(t *thrift) (h pageHeader) {
	t.fields(func(id int16, kind byte) {
		number := kind == thriftI32
		switch {
		case id == 1 && number:
			h.kind = t.varint()
		case id == 2 && number:
			h.unpacked = t.varint()
		case id == 3 && number:
			h.packed = t.varint()
		case id == 4 && number:
			h.crc, h.checked = uint32(t.varint()), true
		case (id == 5 || id == 7 || id == 8) && kind == thriftStruct:
			t.fields(func(field int16, kind byte) { h.readValues(t, id, field, kind) })
		default:
			t.skip(kind)
		}
	})
	return h
}

// readValues reads a field of a DataPageHeader (5), a DictionaryPageHeader (7) or a DataPageHeaderV2 (8).
func (h *pageHeader) readValues(t *thrift, of, field int16, kind byte) {
	second, number := of == 8, kind == thriftI32
	switch {
	case field == 1 && number:
		h.count = t.varint()
	case field == 2 && number && !second, field == 4 && number && second:
		h.encoding = t.varint()
	case field == 3 && number && of == 5:
		h.levels = t.varint()
	case field == 5 && number && second:
		h.levelBytes = t.varint()
	case field == 6 && number && second:
		h.repeated = t.varint()
	case field == 7 && second:
		h.bare = kind == thriftFalse
	default:
		t.skip(kind)
	}
}

// check checks what a page says of itself against the bounds, and against what is left of its column.
func (h *pageHeader) check(left, rows int64) error {
	switch {
	case h.packed < 0 || h.unpacked < 0 || h.count < 0 || h.levelBytes < 0:
		return errors.New("a page has less than nothing")
	case h.packed > MaxPage || h.unpacked > MaxPage:
		return fmt.Errorf("a page has %d bytes, %d unpacked; at most %d may be: write smaller pages", h.packed, h.unpacked, MaxPage)
	case h.packed > left:
		return errors.New("a page goes beyond its column")
	case h.kind != dictionaryPage && h.count > rows:
		return fmt.Errorf("a page has %d values, and %d rows are left", h.count, rows)
	case h.kind == dataPage && h.levels != rle:
		return fmt.Errorf("encoding %d of levels is not read", h.levels)
	case h.kind == dataPageV2 && (h.repeated != 0 || h.levelBytes > min(h.packed, h.unpacked)):
		return errors.New("the levels of a page do not lie in it")
	}
	return nil
}

// held counts what the pages of a file take.
type held struct {
	now      int64 // bytes in memory
	unpacked int64 // bytes of all pages so far
}

// change notes that so many bytes are to be held instead of others.
func (h *held) change(from, to int64) error {
	if h.now += to - from; h.now > MaxHeld {
		return fmt.Errorf("its pages and dictionaries have more than %d bytes at once; write smaller pages", MaxHeld)
	}
	return nil
}

// pages are those of a column, of one row group: its values, one for each row.
type pages struct {
	columnOf
	chunk
	file       io.ReaderAt
	held       *held
	at, end    int64 // in the file
	rows       int64 // that no page was read of
	dictionary *dictionary

	left    int64 // values of the page that are not read
	present *runs // whether each is there; nil when all are
	values  values
	inPage  int64 // bytes that the page takes
	inDict  int64
}

func newPages(f io.ReaderAt, c *columnOf, at *chunk, rows int64, h *held) *pages {
	return &pages{columnOf: *c, chunk: *at, file: f, held: h, at: at.start, end: at.start + at.size, rows: rows}
}

// next is the next value; there is none when present is false.
func (p *pages) next() (number int64, text []byte, present bool, err error) {
	for p.left == 0 {
		if err := p.page(); err != nil {
			return 0, nil, false, fmt.Errorf("column %s: %w", p.name, err)
		}
	}
	p.left--
	if p.present != nil {
		level, err := p.present.next()
		if err != nil || level == 0 {
			return 0, nil, false, err
		}
	}
	number, text, err = p.values.next()
	return number, text, true, err
}

// page reads the next page; dictionaries are kept.
func (p *pages) page() error {
	h, err := p.header()
	if err != nil {
		return err
	}
	if h.kind != dictionaryPage && h.kind != dataPage && h.kind != dataPageV2 {
		p.at += h.packed // an index
		return nil
	}
	if p.held.unpacked += h.unpacked; p.held.unpacked > MaxUnpacked {
		return fmt.Errorf("its pages have more than %d bytes unpacked; split it", int64(MaxUnpacked))
	}
	// packed and unpacked at once, and where the texts of a dictionary begin
	size := h.packed + h.unpacked
	if h.kind == dictionaryPage {
		err = p.held.change(p.inDict, size+h.unpacked)
		p.inDict = size + h.unpacked
	} else {
		err = p.held.change(p.inPage, size)
		p.inPage = size
	}
	if err != nil {
		return err
	}
	if h.kind != dictionaryPage {
		p.values, p.present = nil, nil // the page before is done with
	}
	data := make([]byte, h.packed)
	if _, err := p.file.ReadAt(data, p.at); err != nil {
		return unexpected(err)
	}
	p.at += h.packed
	if h.checked && crc32.ChecksumIEEE(data) != h.crc {
		return errors.New("the checksum of a page is not that of its bytes")
	}
	return p.open(&h, data)
}

// header reads the head of the next page, behind which it goes on.
func (p *pages) header() (h pageHeader, err error) {
	for size := int64(256); ; size *= 4 {
		size = min(size, maxPageHeader, p.end-p.at)
		t := &thrift{b: make([]byte, size)}
		if _, err := p.file.ReadAt(t.b, p.at); err != nil {
			return h, unexpected(err)
		}
		h = readPageHeader(t)
		if errors.Is(t.err, errShort) && size == maxPageHeader {
			return h, fmt.Errorf("the head of a page has more than %d bytes", maxPageHeader)
		}
		if errors.Is(t.err, errShort) && size < p.end-p.at {
			continue
		}
		if t.err != nil {
			return h, fmt.Errorf("the head of a page is damaged, or a page is missing: %w", t.err)
		}
		p.at += int64(t.i)
		return h, h.check(p.end-p.at, p.rows)
	}
}

// open makes values of the bytes of a page.
func (p *pages) open(h *pageHeader, data []byte) (err error) {
	codec := p.codec
	levels := []byte(nil)
	unpacked := h.unpacked
	if h.kind == dataPageV2 {
		levels, data, unpacked = data[:h.levelBytes], data[h.levelBytes:], unpacked-h.levelBytes
		if h.bare {
			codec = uncompressed
		}
	}
	if data, err = unpack(codec, data, unpacked); err != nil {
		return err
	}
	if h.kind == dictionaryPage {
		if p.dictionary != nil {
			return errors.New("it has two dictionaries")
		}
		if h.encoding != plain && h.encoding != plainDictionary {
			return fmt.Errorf("encoding %d of a dictionary is not read", h.encoding)
		}
		p.dictionary, err = newDictionary(p.columnOf.kind, data)
		return err
	}
	if p.repetition == optional && h.kind == dataPage {
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return errors.New("the levels of a page do not lie in it")
		}
		n := binary.LittleEndian.Uint32(data)
		levels, data = data[4:4+n], data[4+n:]
	}
	if p.present = nil; p.repetition == optional {
		p.present = &runs{data: levels, bits: 1}
	}
	p.left, p.rows = h.count, p.rows-h.count
	p.values, err = valuesOf(h.encoding, p.columnOf.kind, data, p.dictionary, uint64(h.count))
	return err
}

// close lets go of what the column held, and says whether it has more than its rows.
func (p *pages) close() error {
	if p.left > 0 || p.rows != 0 {
		return fmt.Errorf("column %s has other values than rows", p.name)
	}
	return p.held.change(p.inPage+p.inDict, 0)
}
