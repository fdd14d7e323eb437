package files

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of what Parquet keeps of itself.
var (
	errShort  = errors.New("it ends too early")
	errNested = errors.New("it is nested too deeply")
)

// maxNested is how deeply what is passed over may be nested.
const maxNested = 16

// Types of Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI8     = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// thrift reads what a Parquet file says of itself, in Thrift's compact protocol. It takes no memory for what is only claimed: every element of a list has bytes of its
// own. After an error it yields zeros.
type thrift struct {
	b   []byte
	i   int
	err error
}

func (t *thrift) fail(err error) {
	if t.err == nil {
		t.err = err
	}
	t.i = len(t.b)
}

func (t *thrift) byte() byte {
	if t.i >= len(t.b) {
		t.fail(errShort)
		return 0
	}
	t.i++
	return t.b[t.i-1]
}

func (t *thrift) uvarint() uint64 {
	v, n := binary.Uvarint(t.b[t.i:])
	switch {
	case n == 0:
		t.fail(errShort)
	case n < 0:
		t.fail(errors.New("a number has more than 64 bits"))
	default:
		t.i += n
	}
	return v
}

func (t *thrift) varint() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (t *thrift) bytes() []byte {
	n := t.uvarint()
	if n > uint64(len(t.b)-t.i) {
		t.fail(errShort)
		return nil
	}
	t.i += int(n)
	return t.b[t.i-int(n) : t.i]
}

// fields calls read for each field of a struct; what read does not read is its to skip.
func (t *thrift) fields(read func(id int16, kind byte)) {
	id := int16(0)
	for t.err == nil {
		b := t.byte()
		if b == 0 {
			return
		}
		if delta := int16(b >> 4); delta != 0 {
			id += delta
		} else {
			id = int16(t.varint())
		}
		read(id, b&0xf)
	}
}

// list calls read for each element of a list of a kind.
func (t *thrift) list(kind byte, read func()) {
	n, of := t.size()
	if of != kind && n > 0 && t.err == nil {
		t.fail(fmt.Errorf("a list is of kind %d, not of %d", of, kind))
	}
	for ; n > 0 && t.err == nil; n-- {
		read()
	}
}

// size is how many elements a list has, and of which kind. Each has a byte at least.
func (t *thrift) size() (n uint64, kind byte) {
	b := t.byte()
	if n = uint64(b >> 4); n == 15 {
		n = t.uvarint()
	}
	if n > uint64(len(t.b)-t.i) {
		t.fail(errShort)
	}
	return n, b & 0xf
}

// skip passes over a value.
func (t *thrift) skip(kind byte) { t.pass(kind, 0) }

func (t *thrift) pass(kind byte, depth int) {
	if depth > maxNested {
		t.fail(errNested)
	}
	if t.err != nil {
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftI8:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		for range 8 {
			t.byte()
		}
	case thriftBinary:
		t.bytes()
	case thriftList, thriftSet:
		n, of := t.size()
		for ; n > 0 && t.err == nil; n-- {
			t.element(of, depth)
		}
	case thriftMap:
		n := t.uvarint()
		if n > uint64(len(t.b)-t.i) {
			t.fail(errShort)
		}
		if n == 0 {
			return
		}
		of := t.byte()
		for ; n > 0 && t.err == nil; n-- {
			t.element(of>>4, depth)
			t.element(of&0xf, depth)
		}
	case thriftStruct:
		t.fields(func(_ int16, kind byte) { t.pass(kind, depth+1) })
	default:
		t.fail(fmt.Errorf("there is no kind %d", kind))
	}
}

// element passes over an element of a list, where a truth has a byte of its own.
func (t *thrift) element(kind byte, depth int) {
	if kind == thriftTrue || kind == thriftFalse {
		kind = thriftI8
	}
	t.pass(kind, depth+1)
}
