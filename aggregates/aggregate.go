// Package aggregates holds the few words that all aggregates share: instants, events, where a fact came
// from, and a record as the stores keep it. It does no I/O and reads no clock; it knows no other package.
package aggregates

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Instant is a point in time: microseconds since 1970-01-01 UTC. The zero value means "not set".
type Instant int64

// Second is the number of Instants in a second.
const Second Instant = 1_000_000

// At returns the instant of t, cut to microseconds; the zero time gives 0.
func At(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMicro())
}

// Time returns the instant as UTC time; 0 gives the zero time.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(i)).UTC()
}

// Add returns the instant d later, cut to microseconds.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d/time.Microsecond) }

// CeilSecond rounds up to a whole second.
func (i Instant) CeilSecond() Instant {
	r := i % Second
	if r > 0 {
		r -= Second
	}
	return i - r
}

// Event is a fact of one stream, a struct of one of the aggregates' closed sets.
type Event interface {
	// EventType is the stable name of the fact, e.g. "StockSold".
	EventType() string
}

// Source says which system a fact came from and by which message.
type Source struct {
	System    string // e.g. "pos-berlin"; the CloudEvents source
	Document  string // receipt, order, ASN or count
	Line      string // line within the document
	Sequence  string // the source's own number of the message, verbatim
	MessageID string // the source's own id of the message
	Topic     string // Kafka origin; empty when it came by another way
	Partition int32
	Offset    int64

	// PartitionKey tells, with System, whose numbers Sequence is one of; empty without a sequence.
	PartitionKey string
}

// Metadata goes with every event.
type Metadata struct {
	OccurredAt     Instant // when it happened in the world
	RecordedAt     Instant // when it was decided and appended
	Source         Source
	CorrelationID  string
	CausationID    string
	Actor          string
	IdempotencyKey string // under which a retry of the same command is recognised
	Fingerprint    uint64 // of the command's contents, to tell a retry from a re-used key
}

// EventID is a UUID; version 5 for every event of the service, so that a repeated append is the same append.
type EventID [16]byte

// eventNamespace is the name space of all event ids, a constant of the format.
var eventNamespace = [16]byte{0x9d, 0x1f, 0x0f, 0x9b, 0x56, 0x2c, 0x4c, 0x1d, 0x8f, 0x4e, 0x53, 0x54, 0x4f, 0x43, 0x4b, 0x46}

// NewEventID derives the id of the index-th event that the command with this key causes in a stream, from what it says as
// well: a store knows a repeated append by its ids alone, and of two replicas that decided the same command, at another
// time or with other contents, one must not take the other's events for its own. (UUID version 5, RFC 9562 section 5.5.)
func NewEventID(stream, key string, index int, contents []byte) EventID {
	var room [256]byte
	name := append(room[:0], eventNamespace[:]...)
	name = append(name, stream...)
	name = append(name, 0)
	name = append(name, key...)
	name = append(name, 0)
	name = binary.AppendUvarint(name, uint64(index))
	if len(contents) > 0 {
		digest := sha1.Sum(contents)
		name = append(name, digest[:]...)
	}
	sum := sha1.Sum(name)
	var id EventID
	copy(id[:], sum[:16])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// String is the canonical text form, 36 characters.
func (id EventID) String() string {
	var room [36]byte
	return string(id.Append(room[:0]))
}

// Append appends what String returns.
func (id EventID) Append(dst []byte) []byte {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return append(dst, b[:]...)
}

// Fingerprint condenses the contents of a command to 8 bytes of SHA-256. Parts are length-prefixed, so that
// no two different lists of parts look alike.
func Fingerprint(parts ...string) uint64 {
	var room [512]byte
	b := room[:0]
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// NewEvent is an event to be appended. Data is the canonical encoding (package codec) without the fields
// that the record itself holds.
type NewEvent struct {
	ID   EventID
	Type string
	Data []byte
}

// Record is an event as a store gives it back.
type Record struct {
	NewEvent
	Stream   string
	Revision uint64 // place in the stream, from 0
	Position uint64 // place in the whole store, from 1, growing
}

// Stream names. The SKU or id follows the prefix verbatim, whatever it contains.
const (
	SKUPrefix      = "sku-"
	ChannelPrefix  = "channel-"
	LocationPrefix = "location-"
	OrderPrefix    = "order-"
	PolicyPrefix   = "policy-"
	AuditPrefix    = "audit-"

	ReconciliationPrefix     = "reconciliation-"
	ReconciliationListPrefix = "reconciliations-"
)

// Prefixes are those of all streams of events. The tree over the whole store holds the events of these streams; a further
// kind of stream has to be named here before its first event is written.
func Prefixes() []string {
	return []string{SKUPrefix, ChannelPrefix, LocationPrefix, OrderPrefix, PolicyPrefix, AuditPrefix, ReconciliationPrefix,
		ReconciliationListPrefix}
}

// TreeHeads is the id of the one stream "audit-…": signed heads of the tree over the whole store.
const TreeHeads = "heads"

// SharedRules is the id of the one stream "policy-…": rules that are about more than one SKU, location or channel. They are in one
// stream so that they have one order among themselves, and the store's against everything else.
const SharedRules = "rules"
