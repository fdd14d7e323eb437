package views

import (
	"bytes"
	"context"
	"sync"

	"github.com/bits-and-blooms/bloom/v3"
)

// The filter of ids grows by layers, each with room for twice as many as the one before, and is wrong about one id in a
// hundred: about 1.2 bytes for each id.
const (
	firstLayerIDs = 1 << 16
	wrongIDs      = 0.01
)

// ids knows, in memory, of nearly every id of a reservation that it has no record, which is what placing one asks. It never
// takes an id that has one for such an id. Before everything stored is learned, it knows nothing.
type ids struct {
	mu      sync.RWMutex
	layers  []*bloom.BloomFilter
	room    uint // in the last layer
	learned bool
}

func (s *ids) mayHave(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.learned {
		return true
	}
	for _, l := range s.layers {
		if l.TestString(id) {
			return true
		}
	}
	return false
}

func (s *ids) add(id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room == 0 {
		s.room = firstLayerIDs << len(s.layers)
		s.layers = append(s.layers, bloom.NewWithEstimates(s.room, wrongIDs))
	}
	s.layers[len(s.layers)-1].Add(id)
	s.room--
}

// forget says that there are no ids.
func (s *ids) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layers, s.room, s.learned = nil, 0, true
}

// learnIDs fills the filter from what is stored. When that fails, every id is looked up.
func (d *DB) learnIDs(ctx context.Context) {
	const page = 4096
	from := []byte{spaceRecords}
	for from != nil {
		var next []byte
		n := 0
		err := d.scan(ctx, from, []byte{spaceRecords + 1}, func(key, _ []byte) (bool, error) {
			if id, _, ok := cutName(key[1:]); ok {
				d.ids.add(id)
			}
			if n++; n == page {
				next = append(bytes.Clone(key), 0)
			}
			return n < page, nil
		})
		if err != nil {
			return
		}
		from = next
	}
	d.ids.mu.Lock()
	defer d.ids.mu.Unlock()
	d.ids.learned = true
}
