package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Seal ties an event to all events before it in its stream: the SHA-256 of
//
//	the seal of the event before, 32 bytes, zeros before the first event
//	the event's id, 16 bytes
//	its revision, 8 bytes, big-endian
//	the name of its stream, and its type, each after its length as a varint
//	its canonical bytes
//
// Canonical bytes are the protobuf encoding of stockfold.inventory.v1.Event without the fields that the record holds (id, type,
// stream, revision, position, event_id) and without the seal: in every message the fields that are set, in ascending order of their numbers,
// numbers in the shortest form. They are what is stored, in either store: JSON refuses events that its form does not lead back to
// the very same bytes. The position is not part of it, since the store assigns it later; the tree over the whole store holds the order across streams.
//
// A sealed event is stored as field 15 of the message (sealBytes) before its canonical bytes: an event that was written before there were
// seals never begins so, because canonical bytes never hold that field. Such an event has a seal too, for the events
// after it, but does not carry it: the first event that does carry one vouches for all of the stream before.
type Seal [sha256.Size]byte

// SealBytes is how many bytes of a stored event its seal takes.
const SealBytes = 2 + len(Seal{})

const (
	sealTag    = 15<<3 | 2 // field 15, bytes
	sealLength = byte(len(Seal{}))
)

// AppendSealRoom appends room for the seal of an event whose canonical bytes come next.
func AppendSealRoom(dst []byte) []byte {
	var room [SealBytes]byte
	room[0], room[1] = sealTag, sealLength
	return append(dst, room[:]...)
}

// PutSeal computes the seal of an event after the one before, puts it into the room at the beginning of its data, and returns it.
func PutSeal(before Seal, stream string, revision uint64, e *aggregates.NewEvent) Seal {
	seal := NextSeal(before, stream, revision, e)
	copy(e.Data[2:], seal[:])
	return seal
}

// CutSeal parts the data of a stored event into its seal and its canonical bytes. sealed is false for an event that does not carry one.
func CutSeal(data []byte) (seal Seal, canonical []byte, sealed bool) {
	if len(data) < SealBytes || data[0] != sealTag || data[1] != sealLength {
		return seal, data, false
	}
	return Seal(data[2:SealBytes]), data[SealBytes:], true
}

// NextSeal computes the seal that an event has after the one before, whatever seal it carries.
func NextSeal(before Seal, stream string, revision uint64, e *aggregates.NewEvent) Seal {
	_, canonical, _ := CutSeal(e.Data)
	var room [1024]byte
	b := appendIdentity(append(room[:0], before[:]...), stream, revision, e)
	return sha256.Sum256(append(b, canonical...))
}

// FollowSeal returns the seal of a stored event for the event after it: the one it carries, or what it has to be.
func FollowSeal(before Seal, r *aggregates.Record) Seal {
	if seal, _, sealed := CutSeal(r.Data); sealed {
		return seal
	}
	return NextSeal(before, r.Stream, r.Revision, &r.NewEvent)
}

// AppendLeaf appends what the tree over the whole store holds of an event: all that its seal is made of but the seal before, then the data as it is
// stored, with the seal that it carries.
func AppendLeaf(dst []byte, r *aggregates.Record) []byte {
	return append(appendIdentity(dst, r.Stream, r.Revision, &r.NewEvent), r.Data...)
}

func appendIdentity(dst []byte, stream string, revision uint64, e *aggregates.NewEvent) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, e.ID[:]...), revision)
	dst = append(binary.AppendUvarint(dst, uint64(len(stream))), stream...)
	return append(binary.AppendUvarint(dst, uint64(len(e.Type))), e.Type...)
}

// ParseLeaf reads what AppendLeaf wrote; the position is not in it. The record shares the leaf's memory.
func ParseLeaf(leaf []byte) (r aggregates.Record, err error) {
	b := leaf
	if len(b) < len(r.ID)+8 {
		return r, fmt.Errorf("a leaf of %d bytes is cut short", len(leaf))
	}
	r.ID, b = aggregates.EventID(b[:len(r.ID)]), b[len(r.ID):]
	r.Revision, b = binary.BigEndian.Uint64(b), b[8:]
	for _, text := range []*string{&r.Stream, &r.Type} {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return r, fmt.Errorf("a leaf of %d bytes is damaged", len(leaf))
		}
		*text, b = string(b[n:n+int(size)]), b[n+int(size):]
	}
	r.Data = b
	if again := AppendLeaf(nil, &r); !bytes.Equal(again, leaf) {
		return r, fmt.Errorf("a leaf of %d bytes is not in its shortest form", len(leaf))
	}
	return r, nil
}

// Canonical tells whether the data of a stored event, its seal left out, is what this version writes for what it says. Events without a seal
// always are: versions that know more than this one write seals.
func Canonical(data []byte) bool {
	var p inventoryv1.Event
	canonical := cut(data)
	if p.UnmarshalVT(canonical) != nil || p.Seal != nil || hasUnknown(p.ProtoReflect()) {
		return false
	}
	again, err := p.MarshalVT()
	return err == nil && bytes.Equal(again, canonical)
}
