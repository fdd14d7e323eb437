package ingest

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
)

// State of a dead letter.
type State uint8

const (
	Open      State = iota + 1 // waits for somebody
	Replayed                   // was applied later
	Discarded                  // will not be applied; kept for the record
)

// Header of a message.
type Header struct {
	Key   string
	Value []byte
}

// DeadLetter is a fact that could not be applied, as it came in, with why and from where.
type DeadLetter struct {
	// ID is unique and grows, bytewise, with the time at which the message entered the log it came from. The same
	// message gives the same id.
	ID          string
	State       State
	Reason      string // stable UPPER_SNAKE word
	Message     string // what was wrong, for people
	Topic       string // Kafka origin; "rpc" for a movement that came by RecordMovements
	Partition   int32
	Offset      int64
	Key         []byte
	Headers     []Header
	Value       []byte
	ReceivedAt  aggregates.Instant
	LastTriedAt aggregates.Instant
	Attempts    int    // the first included
	Note        string // who replayed or discarded it, and why
	Location    string // that was missing, for reason UNKNOWN_LOCATION

	// Applied are the lines of a sale, from 1, that were applied before another one turned out not to be applicable.
	// A replay leaves them out.
	Applied []int32

	// Version tells what was read from what others wrote since; 0 for a letter that was never kept. It means nothing but
	// to the store that gave it, for as long as that is open.
	Version uint64
}

var (
	// ErrNoDeadLetter says that no dead letter has the id.
	ErrNoDeadLetter = errors.New("no such dead letter")
	// ErrLetterChanged says that somebody else wrote the dead letter since it was read.
	ErrLetterChanged = errors.New("the dead letter was changed meanwhile")
)

// Query selects dead letters.
type Query struct {
	State  State  // 0: the open ones
	Reason string // "": any
	After  string // id to go on after; "" starts
	Limit  int    // at least 1
}

// DeadLetters keeps dead letters.
//
// Put writes a letter whose stored version is still the one that it carries, and returns its new version once it is
// durable; otherwise it returns ErrLetterChanged (wrapped) and changes nothing. Several processes may share a store: of
// many that put one version, one succeeds. A letter written anew keeps its first ReceivedAt. After any other error it
// is not known whether it was written. Get returns a letter, or ErrNoDeadLetter. List returns up to Limit letters in order of id, the oldest first, and whether
// there are more. CountOpen counts the open ones. Every method may return commands.ErrUnavailable (wrapped).
type DeadLetters interface {
	Put(ctx context.Context, letter DeadLetter) (version uint64, err error)
	Get(ctx context.Context, id string) (DeadLetter, error)
	List(ctx context.Context, q Query) (letters []DeadLetter, more bool, err error)
	CountOpen(ctx context.Context) (int64, error)
}

// Progress is how far a partition of a message log was taken in.
type Progress struct {
	Next  int64 // everything before it is durable, as events or as dead letters
	Epoch int64 // how often the log was replaced by another under its name

	LogID   string             // identity of the log, as its broker tells it; "" when it does not
	SavedAt aggregates.Instant // when this was saved

	// Messages before AppliedBelow that entered the log before AppliedBefore were applied in an earlier epoch, from a
	// log that has lost its end since; both 0 otherwise.
	AppliedBelow  int64
	AppliedBefore aggregates.Instant

	// Numbers are those that sources gave the messages up to Next, or beyond, in a form of the service's own.
	Numbers string
}

// Offsets keeps the progress of partitions; it is the truth, what a broker knows is advisory. Saving need not be
// durable at once: messages that are read again count once all the same. Every method may return
// commands.ErrUnavailable (wrapped).
type Offsets interface {
	LoadOffset(ctx context.Context, topic string, partition int32) (p Progress, ok bool, err error)
	SaveOffset(ctx context.Context, topic string, partition int32, p Progress) error
}
