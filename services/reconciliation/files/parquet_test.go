package files

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// What Apache Arrow writes, in each encoding and compression, is read as it was meant.
func TestParquetOfArrowIsRead(t *testing.T) {
	names, err := filepath.Glob("testdata/arrow-*.parquet")
	if err != nil || len(names) != 6 {
		t.Fatal(names, err)
	}
	var want []string
	for i := range 60 {
		location, quantity, cost := []string{"köln", "berlin"}[i%2], i*i*i-1000, fmt.Sprintf(" at %d EUR", 100+i)
		if i%3 == 0 {
			location = ""
		}
		if i%5 == 0 {
			quantity = -1<<62 + i
		}
		if i%4 == 0 {
			cost = ""
		}
		want = append(want, fmt.Sprintf(`%d "sku-%d" %q "" %d%s`, i+1, i/2, location, quantity, cost))
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		check(t, Parquet, string(text), want...)
	}
}

// writer writes Thrift's compact protocol, as a hostile hand does.
type writer struct {
	bytes.Buffer
	last int16
}

func (w *writer) field(id int16, kind byte) {
	w.WriteByte(byte(id-w.last)<<4 | kind)
	w.last = id
}

func (w *writer) number(id int16, kind byte, v int64) {
	w.field(id, kind)
	w.Write(binary.AppendVarint(nil, v))
}

func (w *writer) text(id int16, v string) {
	w.field(id, thriftBinary)
	w.Write(binary.AppendUvarint(nil, uint64(len(v))))
	w.WriteString(v)
}

func (w *writer) list(id int16, kind byte, n uint64) {
	w.field(id, thriftList)
	w.WriteByte(0xf0 | kind)
	w.Write(binary.AppendUvarint(nil, n))
}

// inner writes a struct, in a field, or in a list when id is 0.
func (w *writer) inner(id int16, fill func(*writer)) {
	if id != 0 {
		w.field(id, thriftStruct)
	}
	x := &writer{}
	fill(x)
	x.WriteByte(0)
	w.Write(x.Bytes())
}

// made is a file that a hand made: one row group with columns of one page each, beside what a case changes of it.
type made struct {
	names   []string
	rows    int64
	kind    int64 // of pages
	codec   int64
	packed  int64 // what pages say of themselves, when not 0
	size    int64
	count   int64
	levels  int64 // bytes, of the second version
	encoded int64
	data    []byte // of each page
	start   int64  // of all chunks, when not 0
	groups  int    // copies of the row group
}

func (m made) page() []byte {
	w := &writer{}
	w.number(1, thriftI32, m.kind)
	w.number(2, thriftI32, or(m.size, int64(len(m.data))))
	w.number(3, thriftI32, or(m.packed, int64(len(m.data))))
	w.inner(map[int64]int16{dataPage: 5, dictionaryPage: 7, dataPageV2: 8}[m.kind], func(w *writer) {
		w.number(1, thriftI32, or(m.count, m.rows))
		if m.kind == dataPageV2 {
			w.number(4, thriftI32, m.encoded)
			w.number(5, thriftI32, m.levels)
			return
		}
		w.number(2, thriftI32, m.encoded)
		w.number(3, thriftI32, rle)
	})
	w.WriteByte(0)
	return append(w.Bytes(), m.data...)
}

func or(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}

// file is the bytes of the file.
func (m made) file() string {
	if m.names == nil {
		m.names = []string{"sku", "quantity"}
	}
	out := []byte(magic)
	var starts []int64
	for range m.names {
		starts = append(starts, int64(len(out)))
		out = append(out, m.page()...)
	}
	size := (int64(len(out)) - 4) / int64(len(m.names))
	w := &writer{}
	w.list(2, thriftStruct, uint64(len(m.names)+1))
	w.inner(0, func(w *writer) {
		w.text(4, "root")
		w.number(5, thriftI32, int64(len(m.names)))
	})
	kindOf := func(name string) int64 {
		if name == "quantity" || name == "unit_cost" {
			return kindInt64
		}
		return kindByteArray
	}
	for _, name := range m.names {
		w.inner(0, func(w *writer) {
			w.number(1, thriftI32, kindOf(name))
			w.number(3, thriftI32, optional)
			w.text(4, name)
		})
	}
	w.list(4, thriftStruct, uint64(max(m.groups, 1)))
	for range max(m.groups, 1) {
		w.inner(0, func(w *writer) {
			w.list(1, thriftStruct, uint64(len(m.names)))
			for i, name := range m.names {
				w.inner(0, func(w *writer) {
					w.inner(3, func(w *writer) {
						w.number(1, thriftI32, kindOf(name))
						w.number(4, thriftI32, m.codec)
						w.number(7, thriftI64, size)
						w.number(9, thriftI64, or(m.start, starts[i]))
					})
				})
			}
			w.number(3, thriftI64, m.rows)
		})
	}
	w.WriteByte(0)
	return ended(out, w.Bytes())
}

// ended is a file with a footer.
func ended(out, footer []byte) string {
	out = append(out, footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return string(out) + magic
}

// zeros are so many, packed.
func zeros(t *testing.T, n int64, to func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := to(&b)
	if _, err := io.CopyN(w, zero{}, n); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func gzipped(w io.Writer) io.WriteCloser  { return gzip.NewWriter(w) }
func brotlied(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 1) }
func zstandard(w io.Writer) io.WriteCloser {
	z, _ := zstd.NewWriter(w)
	return z
}

// What a hostile file claims, or unpacks to, is refused by the limit that it breaks, before memory is taken for it.
func TestAHostileParquetFileIsRefusedWithinItsBounds(t *testing.T) {
	levels := []byte{2, 0, 0, 0, 2, 1} // one value, which is there
	many := binary.AppendUvarint(nil, 1<<31-1)
	claimed := func(field int16) string {
		w := &writer{}
		w.field(field, thriftList)
		w.WriteByte(0xf0 | thriftStruct)
		w.Write(many)
		w.WriteByte(0)
		return ended([]byte(magic), w.Bytes())
	}
	crowd := func(field int16, n uint64) string { // of elements that say nothing
		w := &writer{}
		w.list(field, thriftStruct, n)
		w.Write(make([]byte, n+1))
		return ended([]byte(magic), w.Bytes())
	}
	small := made{rows: 1, data: append(levels, make([]byte, 8)...)}
	with := func(change func(*made)) string {
		m := small
		change(&m)
		return m.file()
	}
	bomb := func(codec int64, data []byte) string {
		return with(func(m *made) { m.codec, m.data, m.size = codec, data, 100 })
	}
	deltas := append(levels, append(binary.AppendUvarint([]byte{128, 1, 4}, 1<<40), 0)...)
	all := []string{"sku", "location", "condition", "quantity", "decimal", "unit_cost", "currency"}
	z, _ := zstd.NewWriter(nil)
	packed := z.EncodeAll(append(levels[:6:6], make([]byte, MaxPage-6)...), nil)
	const little, page = 4 << 20, 4 * MaxPage
	for name, x := range map[string]struct {
		file, problem string
		memory        uint64
	}{
		"a footer":             {string(binary.LittleEndian.AppendUint32([]byte(magic), 1<<31)) + magic, "at most 16777216 may be", little},
		"row groups claimed":   {claimed(4), "ends too early", little},
		"columns claimed":      {claimed(2), "ends too early", little},
		"row groups":           {crowd(4, 1<<20), "more than 32767 row groups", 16 << 20},
		"columns":              {crowd(2, 1<<20), "more than 1000 columns", 16 << 20},
		"nesting":              {ended([]byte(magic), bytes.Repeat([]byte{0x1c}, 100_000)), "nested too deeply", little},
		"rows":                 {with(func(m *made) { m.rows = MaxRows + 1 }), "more than 100000000 rows", little},
		"rows of all":          {with(func(m *made) { m.rows, m.groups = MaxRows/2+1, 2 }), "more than 100000000 rows", little},
		"a packed page":        {with(func(m *made) { m.packed = 1<<31 - 1 }), "at most 33554432 may be", little},
		"an unpacked page":     {with(func(m *made) { m.size = 1<<31 - 1 }), "at most 33554432 may be", little},
		"a dictionary":         {with(func(m *made) { m.kind, m.size = dictionaryPage, 1<<31-1 }), "at most 33554432 may be", little},
		"less than nothing":    {with(func(m *made) { m.size = -1 }), "less than nothing", little},
		"values of a page":     {with(func(m *made) { m.count = 1<<31 - 1 }), "2147483647 values, and 1 rows are left", little},
		"beyond its column":    {with(func(m *made) { m.packed = 1 << 20 }), "beyond its column", little},
		"beyond the file":      {with(func(m *made) { m.start = 1 << 40 }), "outside of the file", little},
		"before the file":      {with(func(m *made) { m.start = -5 }), "outside of the file", little},
		"bytes of many groups": {with(func(m *made) { m.groups = 30_000 }), "some belong to two", 16 << 20},
		"levels beyond a page": {with(func(m *made) { m.kind, m.levels = dataPageV2, 1<<30 }), "do not lie in it", little},
		"levels of a page":     {with(func(m *made) { m.data = []byte{255, 255, 255, 255} }), "do not lie in it", little},
		"no dictionary":        {with(func(m *made) { m.encoded = rleDictionary }), "there is none", little},
		"an encoding":          {with(func(m *made) { m.encoded = 9 }), "encoding 9 is not read", little},
		"a compression":        {with(func(m *made) { m.codec = 3 }), "compression 3 is not read", little},
		"differences":          {with(func(m *made) { m.encoded, m.data = deltaByteArray, deltas }), "in a page of 1 values", little},
		"a text":               {with(func(m *made) { m.data = append(levels, 255, 255, 255, 127) }), "fewer values than it says", little},
		"other bytes":          {bomb(packSnappy, []byte{50, 0}), "other bytes unpacked", little},
		"Snappy":               {bomb(packSnappy, binary.AppendUvarint(nil, 1<<31)), "other bytes unpacked", little},
		"GZIP":                 {bomb(packGzip, zeros(t, 2*MaxPage, gzipped)), "other bytes unpacked", little},
		"Brotli":               {bomb(packBrotli, zeros(t, 2*MaxPage, brotlied)), "other bytes unpacked", 2 * MaxPage},
		"Zstandard":            {bomb(packZstd, zeros(t, 2*MaxPage, zstandard)), "unpack a page", page},
		"LZ4":                  {bomb(packLZ4, bytes.Repeat([]byte{255}, 1<<20)), "unpack a page", little},
		"all columns": {with(func(m *made) {
			m.names, m.codec, m.data, m.size = all, packZstd, packed, MaxPage
		}), "more than 134217728 bytes at once", 2 * page},
	} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		list, err := read(t, Parquet, x.file)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), x.problem) || len(list) > 0 {
			t.Errorf("%s: %v, %v, want %s", name, list, err, x.problem)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > x.memory+2*uint64(len(x.file)) {
			t.Errorf("%s: took %d bytes for a file of %d", name, took, len(x.file))
		}
	}
}

// Millions of rows that say nothing, in a few bytes, cost what is made of them and no more.
func TestRowsThatSayNothingTakeNoMemoryOfTheirOwn(t *testing.T) {
	nothing := append([]byte{5, 0, 0, 0}, binary.AppendUvarint(nil, MaxRows<<1)...) // so many times: it is not there
	file := made{rows: MaxRows, data: append(nothing, 0)}.file()
	enough := errors.New("enough")
	rows := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := Read(strings.NewReader(file), int64(len(file)), Parquet, func(r Row) error {
		if rows++; rows == 1_000 {
			return enough
		}
		return nil
	})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, enough) || took > 4<<20 {
		t.Errorf("%v after %d rows, took %d bytes", err, rows, took)
	}
}

// A long text that thousands of rows share by a dictionary is not copied for each.
func TestALongTextOfADictionaryIsNotCopied(t *testing.T) {
	type long struct {
		SKU      string `parquet:"sku,dict"`
		Quantity int64  `parquet:"quantity"`
	}
	text := strings.Repeat("x", 100_000)
	rows := make([]long, 20_000)
	for i := range rows {
		rows[i] = long{text, 1}
	}
	file := parquetFile(t, rows)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	list, err := read(t, Parquet, file)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err != nil || len(list) != len(rows) || list[7] != "8 refused: sku has 100000 bytes, at most 200 may be" || took > 64<<20 {
		t.Errorf("%d rows, %v, took %d bytes", len(list), err, took)
	}
}

// Whatever the bytes are, reading ends in rows or an error, and nothing is caught that was not foreseen.
func FuzzParquet(f *testing.F) {
	names, _ := filepath.Glob("testdata/arrow-*.parquet")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(made{rows: 1, data: []byte{2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0}}.file()))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		enough := errors.New("enough")
		err := eachRow(bytes.NewReader(text), int64(len(text)), func(r Row) error {
			if n++; n > 10_000 {
				return enough
			}
			if r.Refused == "" && (len(r.Sku) > MaxField || len(r.Decimal) > MaxField) {
				t.Errorf("row %v", r)
			}
			return nil
		})
		if err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
