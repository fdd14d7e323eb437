package stock

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
)

// said writes what is remembered of messages about rules. It is two zeros for a SKU that never had one.
func (w *writer) said(m *said.Memory) {
	messages, numbers := m.Counts()
	w.uint(uint64(messages))
	m.Messages(func(hash [16]byte, fingerprint uint64, at aggregates.Instant) {
		w.bytes(hash[:])
		w.fixed(fingerprint)
		w.time(at)
	})
	w.uint(uint64(numbers))
	m.Numbers(func(hash [16]byte, n int64) {
		w.bytes(hash[:])
		w.int(n)
	})
}

func (r *reader) said(m *said.Memory) {
	for range r.count(25) {
		hash, fingerprint := [16]byte(r.take(16)), r.fixed()
		m.PutMessage(hash, fingerprint, r.time())
	}
	for range r.count(17) {
		hash := [16]byte(r.take(16))
		m.PutNumber(hash, r.int())
	}
}

// Said is what the SKU remembers of messages about its rules.
func (s *State) Said() *said.Memory { return &s.said }
