package codec

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// The low bits of a tag say how its value is written; the others are the number of the field.
const (
	asVarint  = uint64(protowire.VarintType)
	asFixed64 = uint64(protowire.Fixed64Type)
	asBytes   = uint64(protowire.BytesType)
)

// scan goes through the fields of a message as canonical bytes have them: in ascending order, each once, but for one list. It allocates nothing, and what
// it hands out is part of the message. Whatever else a message may hold is odd: the generated code is to read it.
type scan struct {
	rest []byte
	list uint64 // tag of the field that may come again
	odd  bool

	tag    uint64 // of the field read last
	number uint64 // its value, when it is a varint
	value  []byte // its value, when it is bytes, a text or a message
}

// next reads a field; it is false at the end, and once anything was odd.
func (s *scan) next() bool {
	if len(s.rest) == 0 || s.odd {
		return false
	}
	tag := s.uvarint()
	s.odd = s.odd || tag < s.tag || tag == s.tag && tag != s.list
	s.tag = tag
	switch tag & 7 {
	case asVarint:
		s.number = s.uvarint()
	case asBytes:
		s.value = s.cut(s.uvarint())
	case asFixed64:
		s.cut(8)
	default:
		s.odd = true
	}
	return !s.odd
}

func (s *scan) uvarint() uint64 {
	if len(s.rest) > 0 && s.rest[0] < 0x80 { // as most are
		x := s.rest[0]
		s.rest = s.rest[1:]
		return uint64(x)
	}
	x, n := binary.Uvarint(s.rest)
	if n <= 0 {
		s.odd = true
		return 0
	}
	s.rest = s.rest[n:]
	return x
}

func (s *scan) cut(size uint64) []byte {
	if size > uint64(len(s.rest)) {
		s.odd = true
		return nil
	}
	b := s.rest[:size]
	s.rest = s.rest[size:]
	return b
}

// inner goes through the message that is the field's value; close must follow.
func (s *scan) inner() scan { return scan{rest: s.value} }

func (s *scan) close(inner *scan) { s.odd = s.odd || inner.odd }

// instant reads the field's value as a google.protobuf.Timestamp.
func (s *scan) instant() aggregates.Instant {
	var seconds int64
	var nanos int32
	t := s.inner()
	for t.next() {
		switch t.tag {
		case 1<<3 | asVarint:
			seconds = int64(t.number)
		case 2<<3 | asVarint:
			nanos = int32(t.number)
		default:
			t.odd = true
		}
	}
	s.close(&t)
	return aggregates.Instant(seconds)*aggregates.Second + aggregates.Instant(nanos/1000)
}

// absorbed reads the field's value as what covered a movement.
func (s *scan) absorbed() (a stock.AbsorbedBy) {
	t := s.inner()
	for t.next() {
		switch t.tag {
		case 1<<3 | asVarint:
			a.Revision = t.number
		case 2<<3 | asBytes:
			a.AsOf = t.instant()
		default:
			t.odd = true
		}
	}
	s.close(&t)
	return a
}

func (s *scan) condition() stock.Condition { return fromCondition(pb.Condition(int32(s.number))) }
