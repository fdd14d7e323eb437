package pebble

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/stockfold/stockfold/aggregates"
)

// frameVersion is the first byte of a stored event. Then come the stream's name and the type, each after its
// length, the revision, the id, and the data up to the end.
const frameVersion = 1

const idBytes = len(aggregates.EventID{})

func uvarintBytes(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }

func frameBytes(stream string, revision uint64, e *aggregates.NewEvent) int {
	return 1 + uvarintBytes(uint64(len(stream))) + len(stream) + uvarintBytes(uint64(len(e.Type))) + len(e.Type) +
		uvarintBytes(revision) + idBytes + len(e.Data)
}

func appendFrame(dst []byte, stream string, revision uint64, e *aggregates.NewEvent) []byte {
	dst = append(binary.AppendUvarint(append(dst, frameVersion), uint64(len(stream))), stream...)
	dst = append(binary.AppendUvarint(dst, uint64(len(e.Type))), e.Type...)
	dst = append(binary.AppendUvarint(dst, revision), e.ID[:]...)
	return append(dst, e.Data...)
}

// frame is a stored event, its parts in place.
type frame struct {
	stream, kind []byte
	revision     uint64
	id           aggregates.EventID
	data         []byte
}

// parse reads the event stored at a position. Replays go through it for every event.
func (f *frame) parse(position uint64, b []byte) error {
	if len(b) == 0 || b[0] != frameVersion {
		return damaged(position, b)
	}
	rest := b[1:]
	var ok bool
	if f.stream, rest, ok = cutPart(rest); !ok {
		return damaged(position, b)
	}
	if f.kind, rest, ok = cutPart(rest); !ok {
		return damaged(position, b)
	}
	revision, n := binary.Uvarint(rest)
	if n <= 0 || len(rest) < n+idBytes {
		return damaged(position, b)
	}
	f.revision = revision
	f.id = aggregates.EventID(rest[n : n+idBytes])
	f.data = rest[n+idBytes:]
	return nil
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end:end], b[end:], true
}

func damaged(position uint64, b []byte) error {
	if len(b) > 0 && b[0] != frameVersion {
		return fmt.Errorf("event at position %d has format %d, this version reads %d: run a newer version", position, b[0], frameVersion)
	}
	return fmt.Errorf("event at position %d is damaged (%d bytes)", position, len(b))
}
