package stock

import (
	"encoding/binary"

	"github.com/stockfold/stockfold/aggregates"
)

// reader takes values off a snapshot. After the first that cannot be read all are zero.
type reader struct {
	b      []byte
	words  []string
	last   aggregates.Instant
	failed bool
	room   [2][]Split // for the lists of a reservation
}

func (r *reader) fail() {
	r.failed = true
	r.b = nil
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return make([]byte, min(n, 16))
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) fixed() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) byte() byte    { return r.take(1)[0] }
func (r *reader) bool() bool    { return r.byte() == 1 }

func (r *reader) text() string {
	v := r.take(r.uint())
	if r.failed {
		return ""
	}
	return string(v)
}

func (r *reader) time() aggregates.Instant {
	r.last += aggregates.Instant(r.int())
	return r.last
}

// count reads how many follow, each of at least so many bytes.
func (r *reader) count(least uint64) uint64 {
	n := r.uint()
	if n > uint64(len(r.b))/least {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) word() string {
	n := r.uint()
	if n == 0 {
		v := r.text()
		r.words = append(r.words, v)
		return v
	}
	if n > uint64(len(r.words)) {
		r.fail()
		return ""
	}
	return r.words[n-1]
}
