package files

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// values are those of a page, one after the other: numbers, or texts. What is yielded of a text holds until the next. They are read when they are asked for, so however
// many a page claims to have takes no memory.
type values interface {
	next() (number int64, text []byte, err error)
}

var errTruncated = errors.New("a page has fewer values than it says")

// Encodings of values.
const (
	plain                = 0
	plainDictionary      = 2
	rle                  = 3
	deltaBinaryPacked    = 5
	deltaLengthByteArray = 6
	deltaByteArray       = 7
	rleDictionary        = 8
)

// valuesOf are the values in the data of a page, which has so many at most.
func valuesOf(encoding, kind int64, data []byte, d *dictionary, most uint64) (values, error) {
	texts := kind == kindByteArray
	switch {
	case encoding == plain && texts:
		return &plainTexts{data}, nil
	case encoding == plain:
		return &plainNumbers{data, width(kind)}, nil
	case encoding == plainDictionary || encoding == rleDictionary:
		if d == nil {
			return nil, errors.New("a page needs a dictionary, and there is none")
		}
		return newIndexes(data, d)
	case encoding == deltaBinaryPacked && !texts:
		deltas, err := newDeltas(data, most)
		return &deltaNumbers{deltas, kind}, err
	case encoding == deltaLengthByteArray && texts:
		return newDeltaTexts(data, most)
	case encoding == deltaByteArray && texts:
		return newFrontCoded(data, most)
	}
	return nil, fmt.Errorf("encoding %d is not read; plain, dictionary and delta are", encoding)
}

// width is how many bytes a number has.
func width(kind int64) int {
	if kind == kindInt32 {
		return 4
	}
	return 8
}

// plainNumbers lie one behind the other.
type plainNumbers struct {
	data  []byte
	width int
}

func (p *plainNumbers) next() (int64, []byte, error) {
	if len(p.data) < p.width {
		return 0, nil, errTruncated
	}
	var n int64
	if p.width == 4 {
		n = int64(int32(binary.LittleEndian.Uint32(p.data)))
	} else {
		n = int64(binary.LittleEndian.Uint64(p.data))
	}
	p.data = p.data[p.width:]
	return n, nil, nil
}

// plainTexts each follow their length.
type plainTexts struct{ data []byte }

func (p *plainTexts) next() (int64, []byte, error) {
	if len(p.data) < 4 {
		return 0, nil, errTruncated
	}
	n := uint64(binary.LittleEndian.Uint32(p.data))
	if p.data = p.data[4:]; n > uint64(len(p.data)) {
		return 0, nil, errTruncated
	}
	text := p.data[:n]
	p.data = p.data[n:]
	return 0, text, nil
}

// dictionary has the values that a column's pages name by their place: of texts where each begins.
type dictionary struct {
	data   []byte
	starts []uint32 // of texts, behind their lengths
	width  int      // of numbers
}

// newDictionary reads a dictionary, which is as long as its bytes are.
func newDictionary(kind int64, data []byte) (*dictionary, error) {
	if kind != kindByteArray {
		return &dictionary{data: data, width: width(kind)}, nil
	}
	d := &dictionary{data: data}
	for p := (plainTexts{data}); len(p.data) > 0; {
		at := len(data) - len(p.data) + 4
		if _, _, err := p.next(); err != nil {
			return nil, errors.New("a dictionary is damaged")
		}
		d.starts = append(d.starts, uint32(at))
	}
	return d, nil
}

func (d *dictionary) at(i uint64) (int64, []byte, error) {
	if d.width > 0 && i < uint64(len(d.data)/d.width) {
		p := plainNumbers{d.data[int(i)*d.width:], d.width}
		return p.next()
	}
	if d.width == 0 && i < uint64(len(d.starts)) {
		p := plainTexts{d.data[d.starts[i]-4:]}
		return p.next()
	}
	return 0, nil, fmt.Errorf("a page names value %d of a dictionary that does not have it", i)
}

// indexes are places in a dictionary.
type indexes struct {
	*dictionary
	runs
}

func newIndexes(data []byte, d *dictionary) (values, error) {
	if len(data) == 0 {
		return &indexes{d, runs{}}, nil // every value is missing
	}
	if data[0] > 32 {
		return nil, fmt.Errorf("places in a dictionary have %d bits, at most 32 may be", data[0])
	}
	return &indexes{d, runs{data: data[1:], bits: uint(data[0])}}, nil
}

func (x *indexes) next() (int64, []byte, error) {
	i, err := x.runs.next()
	if err != nil {
		return 0, nil, err
	}
	return x.at(i)
}

// runs are small numbers of so many bits, up to 32, either repeated or packed.
type runs struct {
	data   []byte
	bits   uint
	left   uint64 // of the run
	value  uint64 // that is repeated
	packed []byte // those of the run that are not read yet
	buffer uint64
	have   uint // bits in the buffer
}

func (r *runs) next() (uint64, error) {
	for r.left == 0 {
		if err := r.begin(); err != nil {
			return 0, err
		}
	}
	r.left--
	if r.packed == nil {
		return r.value, nil
	}
	for r.have < r.bits {
		r.buffer |= uint64(r.packed[0]) << r.have
		r.packed, r.have = r.packed[1:], r.have+8
	}
	v := r.buffer & (1<<r.bits - 1)
	r.buffer, r.have = r.buffer>>r.bits, r.have-r.bits
	return v, nil
}

// begin reads the head of the next run.
func (r *runs) begin() error {
	head, n := binary.Uvarint(r.data)
	if n <= 0 {
		return errTruncated
	}
	r.data, r.left = r.data[n:], head>>1
	r.value, r.packed, r.buffer, r.have = 0, nil, 0, 0
	bytes := uint64(r.bits+7) / 8
	if packed := head&1 == 1; packed {
		if r.left > uint64(len(r.data)) && r.bits > 0 || r.left > 1<<32 {
			return errTruncated
		}
		bytes, r.left = r.left*uint64(r.bits), r.left*8
	}
	if bytes > uint64(len(r.data)) {
		return errTruncated
	}
	if head&1 == 1 && r.bits > 0 {
		r.packed = r.data[:bytes:bytes]
	} else {
		for i := range bytes {
			r.value |= uint64(r.data[i]) << (8 * i)
		}
	}
	r.data = r.data[bytes:]
	return nil
}

// maxBlock is how many differences one block has at most.
const maxBlock = 1 << 16

// deltas are numbers of which the differences are packed, in blocks of some parts.
type deltas struct {
	data   []byte // behind what was read
	block  uint64 // differences in a block
	parts  uint64 // of it
	left   uint64 // numbers that are not read yet, the first among them
	first  bool   // it is the next
	value  int64
	least  int64  // of the block's differences
	widths []byte // in bits, of the block's parts that are not read yet
	part   bitsOf // that is read now
	inPart uint64 // differences of it that are not read yet
}

// bitsOf are numbers of up to 64 bits, packed from the lowest bit on.
type bitsOf struct {
	data []byte
	at   uint64 // bit
	bits uint
}

func (b *bitsOf) next() (v uint64) {
	for have := uint(0); have < b.bits; {
		shift := uint(b.at % 8)
		take := min(8-shift, b.bits-have)
		v |= uint64(b.data[b.at/8]>>shift) & (1<<take - 1) << have
		have, b.at = have+take, b.at+uint64(take)
	}
	return v
}

func newDeltas(data []byte, most uint64) (*deltas, error) {
	d := &deltas{data: data, first: true}
	for _, to := range []*uint64{&d.block, &d.parts, &d.left} {
		v, n := binary.Uvarint(d.data)
		if n <= 0 {
			return nil, errTruncated
		}
		*to, d.data = v, d.data[n:]
	}
	v, n := binary.Varint(d.data)
	if n <= 0 {
		return nil, errTruncated
	}
	d.value, d.data = v, d.data[n:]
	if d.block == 0 || d.block > maxBlock || d.parts == 0 || d.block%d.parts != 0 || d.block/d.parts%8 != 0 {
		return nil, fmt.Errorf("differences lie in blocks of %d in %d parts", d.block, d.parts)
	}
	if d.left > most {
		return nil, fmt.Errorf("%d differences are said to be in a page of %d values", d.left, most)
	}
	return d, nil
}

// next is the next number.
func (d *deltas) next() (int64, error) {
	if d.left == 0 {
		return 0, errTruncated
	}
	d.left--
	if d.first {
		d.first = false
		return d.value, nil
	}
	if d.inPart == 0 {
		if err := d.begin(); err != nil {
			return 0, err
		}
	}
	d.inPart--
	d.value += d.least + int64(d.part.next()) // it goes round, as the format has it
	return d.value, nil
}

// begin begins the next part, and with the first one the next block.
func (d *deltas) begin() error {
	if len(d.widths) == 0 {
		least, n := binary.Varint(d.data)
		if n <= 0 || uint64(len(d.data)-n) < d.parts {
			return errTruncated
		}
		d.least, d.widths, d.data = least, d.data[n:n+int(d.parts)], d.data[n+int(d.parts):]
	}
	bits := uint64(d.widths[0])
	d.widths, d.inPart = d.widths[1:], d.block/d.parts
	bytes := d.inPart / 8 * bits
	if bits > 64 || bytes > uint64(len(d.data)) {
		return errTruncated
	}
	d.part, d.data = bitsOf{data: d.data[:bytes], bits: uint(bits)}, d.data[bytes:]
	return nil
}

// deltaNumbers are numbers of a column.
type deltaNumbers struct {
	*deltas
	kind int64
}

func (d *deltaNumbers) next() (int64, []byte, error) {
	n, err := d.deltas.next()
	if d.kind == kindInt32 {
		n = int64(int32(n))
	}
	return n, nil, err
}

// apart are deltas, and what lies behind the last of them.
func apart(data []byte, most uint64) (*deltas, []byte, error) {
	all, err := newDeltas(data, most)
	if err != nil {
		return nil, nil, err
	}
	list := *all
	for all.left > 0 {
		if _, err := all.next(); err != nil {
			return nil, nil, err
		}
	}
	return &list, all.data, nil
}

// deltaTexts lie one behind the other, after their lengths.
type deltaTexts struct {
	lengths *deltas
	data    []byte
}

func newDeltaTexts(data []byte, most uint64) (*deltaTexts, error) {
	lengths, rest, err := apart(data, most)
	return &deltaTexts{lengths, rest}, err
}

func (d *deltaTexts) next() (int64, []byte, error) {
	n, err := d.lengths.next()
	if err == nil && (n < 0 || n > int64(len(d.data))) {
		err = errTruncated
	}
	if err != nil {
		return 0, nil, err
	}
	text := d.data[:n]
	d.data = d.data[n:]
	return 0, text, nil
}

// frontCoded are texts that each begin as the one before does.
type frontCoded struct {
	same *deltas // bytes of the one before
	rest *deltaTexts
	text []byte
}

func newFrontCoded(data []byte, most uint64) (values, error) {
	same, rest, err := apart(data, most)
	if err != nil {
		return nil, err
	}
	texts, err := newDeltaTexts(rest, most)
	return &frontCoded{same: same, rest: texts}, err
}

func (f *frontCoded) next() (int64, []byte, error) {
	n, err := f.same.next()
	if err == nil && (n < 0 || n > int64(len(f.text))) {
		err = errTruncated
	}
	if err != nil {
		return 0, nil, err
	}
	_, rest, err := f.rest.next()
	f.text = append(f.text[:n], rest...)
	return 0, f.text, err
}
