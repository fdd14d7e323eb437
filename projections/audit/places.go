package audit

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// place is where an id is found.
type place struct {
	id       uint64 // Digest of the id
	position uint64 // of the event
}

// runLength is how many places a run has.
const runLength = 512

// runsOf sorts places, and parts them into runs. through is the position of the segment's last event.
func runsOf(places []place, through uint64) []Run {
	slices.SortFunc(places, func(a, b place) int {
		if a.id != b.id {
			return cmp.Compare(a.id, b.id)
		}
		return cmp.Compare(a.position, b.position)
	})
	runs := make([]Run, 0, (len(places)+runLength-1)/runLength)
	for part := range slices.Chunk(places, runLength) {
		runs = append(runs, Run{ID: part[0].id, Position: part[0].position, Data: appendRun(nil, part, through)})
	}
	return runs
}

// appendRun writes sorted places: each id less the one before, and how far its position is before the segment's end.
func appendRun(dst []byte, places []place, through uint64) []byte {
	before := uint64(0)
	for _, x := range places {
		dst = binary.AppendUvarint(dst, x.id-before)
		dst = binary.AppendUvarint(dst, through-x.position)
		before = x.id
	}
	return dst
}

// eachInRun calls each with the positions of an id in a run.
func eachInRun(data []byte, through, id uint64, each func(position uint64)) error {
	for at := uint64(0); len(data) > 0; {
		step, n := binary.Uvarint(data)
		if n <= 0 {
			return fmt.Errorf("%w: a run that ends with %x", ErrDamaged, data)
		}
		back, m := binary.Uvarint(data[n:])
		if m <= 0 || back > through {
			return fmt.Errorf("%w: a run that ends with %x", ErrDamaged, data)
		}
		data = data[n+m:]
		if at += step; at > id {
			return nil
		}
		if at == id {
			each(through - back)
		}
	}
	return nil
}
