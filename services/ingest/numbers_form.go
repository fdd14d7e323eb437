package ingest

import (
	"encoding/binary"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
)

// numbersVersion is the first byte of the saved form: varints, the numberings in order of silence.
const numbersVersion = 1

// errNumbers says that saved numbers cannot be read.
var errNumbers = errors.New("saved numbers of sources are damaged or of a newer version")

// save returns the saved form; "" when nothing was ever numbered.
func (x *sequences) save() string {
	if len(x.tracks) == 0 {
		return ""
	}
	b := binary.AppendUvarint([]byte{numbersVersion}, uint64(len(x.tracks)))
	for e := x.silent.Front(); e != nil; e = e.Next() {
		t := e.Value.(*track)
		b = appendText(appendText(b, t.system), t.key)
		b = binary.AppendVarint(b, t.last)
		b = binary.AppendUvarint(b, uint64(len(t.gaps)))
		for _, g := range t.gaps {
			b = g.append(b)
		}
	}
	return string(b)
}

func (g *gap) append(b []byte) []byte {
	told := int64(0)
	if g.told {
		told = 1
	}
	for _, v := range []int64{g.first, g.last, int64(g.since), g.offset, g.version, told, int64(len(g.missing))} {
		b = binary.AppendVarint(b, v)
	}
	for _, s := range g.missing {
		b = binary.AppendVarint(binary.AppendVarint(b, s.first), s.last)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// loadSequences reads the saved form.
func loadSequences(saved string) (*sequences, error) {
	x := newSequences()
	if saved == "" {
		return x, nil
	}
	r := numbersReader{b: []byte(saved)}
	if r.take(1)[0] != numbersVersion {
		return nil, errNumbers
	}
	for range r.count(r.uint()) {
		t := &track{numbering: numbering{r.text(), r.text()}, last: r.int()}
		for range r.count(r.uint()) {
			t.gaps = append(t.gaps, r.gap())
		}
		if x.tracks[t.numbering] != nil {
			r.failed = true
			break
		}
		x.tracks[t.numbering], t.element = t, x.silent.PushBack(t)
	}
	if r.failed || len(r.b) > 0 {
		return nil, errNumbers
	}
	return x, nil
}

// numbersReader takes values off the saved form. After the first that cannot be read all are zero.
type numbersReader struct {
	b      []byte
	failed bool
}

func (r *numbersReader) gap() *gap {
	g := &gap{span: span{r.int(), r.int()}, since: aggregates.Instant(r.int()), offset: r.int(), version: r.int(), told: r.int() == 1}
	for range r.count(uint64(r.int())) {
		g.missing = append(g.missing, span{r.int(), r.int()})
	}
	return g
}

func (r *numbersReader) fail() { r.b, r.failed = nil, true }

func (r *numbersReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return make([]byte, 1)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *numbersReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *numbersReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *numbersReader) text() string {
	v := r.take(r.uint())
	if r.failed {
		return ""
	}
	return string(v)
}

// count bounds how many follow by how many could.
func (r *numbersReader) count(n uint64) uint64 {
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return n
}
