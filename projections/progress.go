package projections

import (
	"encoding/binary"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
)

// Progress is how far a projection has come, stored with its documents.
type Progress struct {
	Position uint64 // everything up to here is in the documents
	Own      uint64 // a number of the projection's own
	Mark     Mark
}

// Mark remembers one event of the history that was folded, to find out that the store now holds another
// history (it was restored from a backup, or replaced). The zero value remembers nothing.
type Mark struct {
	After    uint64 // a position that a subscription may start after, before the event
	Position uint64 // of the event
	ID       aggregates.EventID
}

// progressVersion is the first byte of the stored form. A reader skips what a newer writer of the same
// version appended.
const progressVersion = 1

// ErrProgress says that stored progress cannot be read.
var ErrProgress = errors.New("stored progress of a projection is damaged or of a newer version")

// AppendBinary appends the stored form.
func (p Progress) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, progressVersion)
	dst = binary.AppendUvarint(dst, p.Position)
	dst = binary.AppendUvarint(dst, p.Own)
	dst = binary.AppendUvarint(dst, p.Mark.After)
	dst = binary.AppendUvarint(dst, p.Mark.Position)
	return append(dst, p.Mark.ID[:]...), nil
}

// UnmarshalBinary reads the stored form.
func (p *Progress) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != progressVersion {
		return ErrProgress
	}
	b = b[1:]
	for _, v := range []*uint64{&p.Position, &p.Own, &p.Mark.After, &p.Mark.Position} {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return ErrProgress
		}
		*v, b = x, b[n:]
	}
	if len(b) < len(p.Mark.ID) {
		return ErrProgress
	}
	copy(p.Mark.ID[:], b)
	return nil
}
