package pebble

import (
	"encoding/binary"
	"fmt"
)

// The first byte of a key says what lies under it.
const (
	spaceCheckpoint  = 'c' // name → position
	spaceLetter      = 'd' // id → dead letter
	spaceEvent       = 'e' // position → frame
	spaceLetterState = 'l' // state, id → reason
	spaceMeta        = 'm' // name → value
	spaceSnapshot    = 'n' // stream → snapshot
	spaceOffset      = 'o' // topic, partition → progress
	spaceStream      = 's' // stream, revision → run
)

const eventKeyBytes = 1 + 8

func appendEventKey(dst []byte, position uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, spaceEvent), position)
}

func eventPosition(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

// appendNamed starts a key with a name of any bytes. The length before it keeps one name's keys apart from those
// of a name that begins alike.
func appendNamed(dst []byte, space byte, name string) []byte {
	dst = binary.AppendUvarint(append(dst, space), uint64(len(name)))
	return append(dst, name...)
}

// streamBounds are the bounds of a stream's runs; the upper one is not included.
func streamBounds(stream string) (lower, upper []byte) {
	lower = appendNamed(make([]byte, 0, len(stream)+16), spaceStream, stream)
	upper = append(append(make([]byte, 0, len(stream)+24), lower...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	return lower, upper
}

// keyUpper is the smallest key above all keys of a space.
func keyUpper(space byte) []byte { return []byte{space + 1} }

// run says that count revisions from revision on lie at count positions from position on. Every append is one run.
type run struct {
	revision, position, count uint64
}

func (r run) lastPosition() uint64 { return r.position + r.count - 1 }
func (r run) next() uint64         { return r.revision + r.count }

func appendRunKey(dst, prefix []byte, revision uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefix...), revision)
}

func appendRunValue(dst []byte, position, count uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, position), count)
}

func parseRun(key, value []byte) (run, error) {
	position, n := binary.Uvarint(value)
	if n > 0 {
		count, m := binary.Uvarint(value[n:])
		if m > 0 && count > 0 && len(key) >= 8 {
			return run{revision: binary.BigEndian.Uint64(key[len(key)-8:]), position: position, count: count}, nil
		}
	}
	return run{}, fmt.Errorf("stream index entry %q is damaged (%d bytes)", key, len(value))
}

func checkName(what, name string, limit int) error {
	if name == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if len(name) > limit {
		return fmt.Errorf("%s %.40q… has %d bytes, at most %d are possible", what, name, len(name), limit)
	}
	return nil
}
