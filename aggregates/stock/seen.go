package stock

import (
	"crypto/sha256"

	"github.com/stockfold/stockfold/aggregates"
)

// seen remembers the idempotency keys of commands in the order they were folded, each with what is needed to answer a
// retry as the first time. Of a key it keeps 16 bytes of its SHA-256.
type seen struct {
	queue []seenKey // from head on
	head  int
	first uint32             // number of queue[0]; numbers go round
	index map[keyHash]uint32 // number of a key, once there are more than a few
}

type keyHash [16]byte

// seenKey is a remembered command.
type seenKey struct {
	hash        keyHash
	fingerprint uint64
	at          aggregates.Instant // recorded
	revision    uint64             // of its first event that is remembered
	effect      int64
	reservation *Reservation // the result, of a call on a reservation
	offset      int64
	origin      int32 // place in State.origins, -1 when there is none
	oversold    bool
	short       bool // for a later date
	observed    bool
	superseded  bool
}

// seenFew is up to how many keys are found by looking at each.
const seenFew = 16

func hashKey(key string) keyHash {
	var room [256]byte
	sum := sha256.Sum256(append(room[:0], key...))
	return keyHash(sum[:16])
}

func (s *seen) len() int { return len(s.queue) - s.head }

// find returns a remembered key, valid until the next change.
func (s *seen) find(hash keyHash) *seenKey {
	if s.index != nil {
		number, ok := s.index[hash]
		if !ok {
			return nil
		}
		return &s.queue[number-s.first]
	}
	for i := len(s.queue) - 1; i >= s.head; i-- {
		if s.queue[i].hash == hash {
			return &s.queue[i]
		}
	}
	return nil
}

// add remembers a key that is not yet in.
func (s *seen) add(k seenKey) *seenKey {
	s.queue = append(tight(s.queue), k)
	last := len(s.queue) - 1
	switch {
	case s.index != nil:
		s.index[k.hash] = s.first + uint32(last)
	case s.len() > seenFew:
		s.index = make(map[keyHash]uint32, 2*seenFew)
		for i := s.head; i <= last; i++ {
			s.index[s.queue[i].hash] = s.first + uint32(i)
		}
	}
	return &s.queue[last]
}

// overdue tells whether the oldest key need not be remembered any longer.
func (s *seen) overdue(now aggregates.Instant) bool {
	return s.len() > 0 && (s.len() > MaxSeen || s.queue[s.head].at < now-KeepSeen)
}

// pop forgets the oldest key.
func (s *seen) pop() seenKey {
	k := s.queue[s.head]
	s.queue[s.head] = seenKey{}
	s.head++
	if s.index != nil {
		delete(s.index, k.hash)
	}
	if s.head > len(s.queue)/2 {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue = s.queue[:n]
		s.first += uint32(s.head)
		s.head = 0
	}
	return k
}

// recall finds the first time a command was carried out. A key with other contents is *KeyReusedError.
func (s *State) recall(m *aggregates.Metadata) (*seenKey, error) {
	if m.IdempotencyKey == "" {
		return nil, nil
	}
	k := s.remembered(hashKey(m.IdempotencyKey))
	if k != nil && k.fingerprint != m.Fingerprint {
		return nil, &KeyReusedError{Key: m.IdempotencyKey}
	}
	return k, nil
}

func (s *State) remembered(hash keyHash) *seenKey {
	if k := s.facts.find(hash); k != nil {
		return k
	}
	return s.calls.find(hash)
}

// remember folds the key of an event's command, and what the event adds to its result.
func (s *State) remember(e aggregates.Event, m *aggregates.Metadata) {
	at := s.origins.apply(&m.Source)
	if m.IdempotencyKey == "" {
		return
	}
	memory := s.memoryFor(e)
	_, oversold := e.(*OversoldDetected)
	_, short := e.(*ShortfallDetected)
	if memory == nil && !oversold && !short {
		return
	}
	hash := hashKey(m.IdempotencyKey)
	k := s.remembered(hash)
	if k == nil {
		if memory == nil {
			return
		}
		k = memory.add(seenKey{
			hash: hash, fingerprint: m.Fingerprint, at: m.RecordedAt, revision: s.Version,
			offset: m.Source.Offset, origin: at,
		})
	}
	k.oversold = k.oversold || oversold
	k.short = k.short || short
	_, observed := e.(*ObservationRecorded)
	k.observed = k.observed || observed
	k.superseded = k.superseded || superseded(e)
	k.effect += effectOf(e)
	if memory == &s.calls {
		s.saveResult(k, e)
	}
}

// memoryFor tells where the key of an event's command is remembered. Facts and calls do not push each other out.
// Placing, confirming and expiring are recognised by the reservation itself.
func (s *State) memoryFor(e aggregates.Event) *seen {
	switch e.(type) {
	case *ReservationExtended, *ReservationReleased, *ReservationFulfilled, *ReservationChanged, *ReservationReallocated:
		return &s.calls
	case *StockCounted, *StockReceived, *StockSold, *StockReturned, *StockAdjusted, *StockConditionChanged,
		*TransferShipped, *TransferReceived, *SupplyExpected, *SupplyRescheduled, *SupplyCancelled, *ObservationRecorded:
		return &s.facts
	}
	return nil
}

// saveResult keeps how the reservation stood after the call.
func (s *State) saveResult(k *seenKey, e aggregates.Event) {
	if kept := s.reservations.find(reservationOf(e)); kept != nil {
		r := kept.reservation()
		view := r.view()
		k.reservation = &view
	}
}

// forget drops what need not be remembered at a recorded time.
func (s *State) forget(now aggregates.Instant) {
	for s.facts.overdue(now) {
		k := s.facts.pop()
		s.origins.forget(&k)
	}
	for s.calls.overdue(now) {
		k := s.calls.pop()
		s.origins.forget(&k)
	}
	s.forgetEnded(now)
}
