package reconciliation

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// sortedAtOnce is how many rows are sorted in memory; more are sorted in files beside each other, and merged.
const sortedAtOnce = 100_000

// maxRunFiles bounds those files; with sortedAtOnce it covers MaxChunks of MaxChunkRows.
const maxRunFiles = 1_000

// sorter brings the rows of a snapshot of any size in order of SKU, location, condition and line. Close it.
type sorter struct {
	dir   string // for files; the system's when empty
	rows  []reconciliation.Row
	files []*os.File
}

func compareRows(a, b *reconciliation.Row) int {
	return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Location, b.Location), cmp.Compare(a.Condition, b.Condition), cmp.Compare(a.Line, b.Line))
}

// add takes rows.
func (s *sorter) add(rows []reconciliation.Row) error {
	s.rows = append(s.rows, rows...)
	if len(s.rows) < sortedAtOnce {
		return nil
	}
	return s.spill()
}

func (s *sorter) sort() {
	slices.SortFunc(s.rows, func(a, b reconciliation.Row) int { return compareRows(&a, &b) })
}

// spill writes the rows in memory to a file, in order.
func (s *sorter) spill() error {
	if len(s.files) >= maxRunFiles {
		return fmt.Errorf("a snapshot has more than the %d rows that can be sorted; split it", maxRunFiles*sortedAtOnce)
	}
	f, err := os.CreateTemp(s.dir, "stockfold-snapshot-*")
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	_ = os.Remove(f.Name()) // it goes with the process, however that ends; where that is not possible, close removes it
	s.sort()
	w := bufio.NewWriter(f)
	for i := range s.rows {
		if err := writeRow(w, &s.rows[i]); err != nil {
			return err
		}
	}
	s.rows = s.rows[:0]
	return w.Flush()
}

// each yields the rows in order until yield returns an error.
func (s *sorter) each(yield func(*reconciliation.Row) error) error {
	s.sort()
	heads := heads{{rows: s.rows}}
	for _, f := range s.files {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		heads = append(heads, &head{from: bufio.NewReader(f)})
	}
	for _, h := range heads {
		if err := h.advance(); err != nil {
			return err
		}
	}
	heads = slices.DeleteFunc(heads, func(h *head) bool { return h.row == nil })
	heap.Init(&heads)
	for len(heads) > 0 {
		if err := yield(heads[0].row); err != nil {
			return err
		}
		if err := heads[0].advance(); err != nil {
			return err
		}
		if heads[0].row == nil {
			heap.Pop(&heads)
		} else {
			heap.Fix(&heads, 0)
		}
	}
	return nil
}

// heads are a heap: the first in order is the first.
type heads []*head

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return compareRows(h[i].row, h[j].row) < 0 }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)        { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// close removes the files.
func (s *sorter) close() error {
	var failed []error
	for _, f := range s.files {
		failed = append(failed, f.Close())
		if err := os.Remove(f.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	s.files = nil
	return errors.Join(failed...)
}

// head is the next row of one of the sorted parts; nil at the end.
type head struct {
	rows []reconciliation.Row
	from *bufio.Reader
	row  *reconciliation.Row
}

func (h *head) advance() (err error) {
	switch {
	case h.from != nil:
		h.row, err = readRow(h.from)
	case len(h.rows) > 0:
		h.row, h.rows = &h.rows[0], h.rows[1:]
	default:
		h.row = nil
	}
	return err
}

func writeRow(w *bufio.Writer, r *reconciliation.Row) error {
	data, err := codec.SourceRow(r).MarshalVT()
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.AppendUvarint(nil, uint64(len(data)))); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// readRow reads the next row, nil at the end.
func readRow(r *bufio.Reader) (*reconciliation.Row, error) {
	n, err := binary.ReadUvarint(r)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	var m pb.SourceRow
	if err := m.UnmarshalVT(data); err != nil {
		return nil, err
	}
	row := codec.FromSourceRow(&m)
	return &row, nil
}
