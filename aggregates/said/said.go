// Package said remembers which messages about rules a stream has taken in, so that each counts once, and what a source said before does not
// undo what it says now. The memory is folded from the events that say so: they stand in one append with what the message changed.
package said

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
)

// TypeTaken names the fact, a contract that never changes.
const TypeTaken = "PolicyMessageTaken"

// Bounds of what one stream remembers.
const (
	Keep        = 24 * 60 * 60 * aggregates.Second // messages are remembered at least for so long, up to MaxMessages
	MaxMessages = 10_000
	MaxNumbers  = 50_000 // subjects that a source numbers messages about; the one heard of first is forgotten
)

// Taken says that a message was taken in. The message is the source of the event's metadata.
type Taken struct {
	About      string // what the message is about
	Superseded bool   // its source had said something newer about the same: it changed nothing
}

// EventType names the fact.
func (*Taken) EventType() string { return TypeTaken }

// Verdict is what is known of a message.
type Verdict uint8

const (
	News       Verdict = iota
	Repetition         // it was taken in
	Superseded         // its source said something newer about the same
)

// ReusedError refuses a message whose id its source used before, with other contents.
type ReusedError struct{ System, ID string }

func (e *ReusedError) Error() string {
	return fmt.Sprintf("source %q used the id %q before, for a message with other contents; give the new message an id of its own", e.System, e.ID)
}

// Memory is what one stream remembers. The zero value remembers nothing. Evolve alone changes it, in place.
type Memory struct{ kept *kept }

type hash [16]byte

type kept struct {
	messages map[hash]uint64 // fingerprints
	queue    []message       // oldest first
	numbers  map[hash]int64  // the highest, of a source about a subject
	subjects []hash          // in the order in which they were heard of
}

type message struct {
	hash        hash
	fingerprint uint64
	at          aggregates.Instant
}

func hashOf(parts ...string) hash {
	b := make([]byte, 0, 256)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return hash(sum[:16])
}

func messageHash(s *aggregates.Source) hash { return hashOf(s.System, s.MessageID) }

func subjectHash(s *aggregates.Source, about string) hash { return hashOf("about", s.System, about) }

// Judge tells what is known of a message about something. Messages of one source about the same, with numbers, count in the order of their numbers;
// others in the order in which they come. It returns *ReusedError.
func (m *Memory) Judge(about string, o *aggregates.Metadata) (Verdict, error) {
	if m.kept == nil {
		return News, nil
	}
	if fingerprint, ok := m.kept.messages[messageHash(&o.Source)]; ok {
		if fingerprint != o.Fingerprint {
			return Repetition, &ReusedError{System: o.Source.System, ID: o.Source.MessageID}
		}
		return Repetition, nil
	}
	if n, ok := aggregates.SequenceNumber(o.Source.Sequence); ok {
		if last, heard := m.kept.numbers[subjectHash(&o.Source, about)]; heard && n < last {
			return Superseded, nil
		}
	}
	return News, nil
}

// Evolve folds one event; others than Taken change nothing.
func (m *Memory) Evolve(e aggregates.Event, o *aggregates.Metadata) {
	taken, ok := e.(*Taken)
	if !ok {
		return
	}
	m.begin()
	m.kept.remember(message{hash: messageHash(&o.Source), fingerprint: o.Fingerprint, at: o.RecordedAt})
	if n, ok := aggregates.SequenceNumber(o.Source.Sequence); ok {
		m.kept.count(subjectHash(&o.Source, taken.About), n)
	}
}

func (k *kept) remember(x message) {
	if _, there := k.messages[x.hash]; there {
		return
	}
	k.messages[x.hash] = x.fingerprint
	k.queue = append(k.queue, x)
	gone := 0
	for gone < len(k.queue)-1 && (len(k.queue)-gone > MaxMessages || k.queue[gone].at < x.at-Keep) {
		delete(k.messages, k.queue[gone].hash)
		gone++
	}
	k.queue = append(k.queue[:0], k.queue[gone:]...)
}

func (k *kept) count(subject hash, n int64) {
	last, heard := k.numbers[subject]
	if k.numbers[subject] = max(last, n); heard {
		return
	}
	if k.subjects = append(k.subjects, subject); len(k.subjects) > MaxNumbers {
		delete(k.numbers, k.subjects[0])
		k.subjects = append(k.subjects[:0], k.subjects[1:]...)
	}
}

// sizeOf are the bytes that one remembered message or number takes, about.
const sizeOf = 100

// Size is about how many bytes of memory it takes.
func (m *Memory) Size() int {
	if m.kept == nil {
		return 0
	}
	return sizeOf * (len(m.kept.queue) + len(m.kept.subjects))
}

// Messages yields the remembered messages, oldest first, for a snapshot.
func (m *Memory) Messages(yield func(hash [16]byte, fingerprint uint64, at aggregates.Instant)) {
	if m.kept == nil {
		return
	}
	for _, x := range m.kept.queue {
		yield(x.hash, x.fingerprint, x.at)
	}
}

// Numbers yields the highest number of each subject, in the order in which subjects were heard of.
func (m *Memory) Numbers(yield func(hash [16]byte, n int64)) {
	if m.kept == nil {
		return
	}
	for _, x := range m.kept.subjects {
		yield(x, m.kept.numbers[x])
	}
}

// Counts are how many messages and numbers are remembered.
func (m *Memory) Counts() (messages, numbers int) {
	if m.kept == nil {
		return 0, 0
	}
	return len(m.kept.queue), len(m.kept.subjects)
}

// PutMessage restores a message, in the order of Messages.
func (m *Memory) PutMessage(hash [16]byte, fingerprint uint64, at aggregates.Instant) {
	m.begin()
	m.kept.messages[hash] = fingerprint
	m.kept.queue = append(m.kept.queue, message{hash: hash, fingerprint: fingerprint, at: at})
}

// PutNumber restores a number, in the order of Numbers.
func (m *Memory) PutNumber(hash [16]byte, n int64) {
	m.begin()
	m.kept.numbers[hash] = n
	m.kept.subjects = append(m.kept.subjects, hash)
}

func (m *Memory) begin() {
	if m.kept == nil {
		m.kept = &kept{messages: map[hash]uint64{}, numbers: map[hash]int64{}}
	}
}
