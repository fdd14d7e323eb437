package codec

import (
	"fmt"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Formats. An event says in which format it was written; 0, which is not stored, is the first of its type. Adding a field whose absence means what
// events without it meant is no new format. Whatever else changes what an event's bytes mean is: the type gets a line here, and a function that
// makes a message of the new format of one of the old. Bytes of earlier formats stay in testdata, with what they mean.

// upcast makes a message of the next format of one of the format before.
type upcast func(*pb.Event)

// upcasts of each type, from format 0 on: as many as the type has formats beside the newest.
var upcasts = map[string][]upcast{}

// FormatError says that an event was written in a format that this version does not know.
type FormatError struct {
	Type          string
	Format, Known uint32
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("a %s of format %d; this version reads formats up to %d: run a newer version", e.Type, e.Format, e.Known)
}

// modern brings a message to the newest format of its type.
func modern(kind string, p *pb.Event) error {
	if p.Format == 0 && len(upcasts) == 0 {
		return nil
	}
	known := upcasts[kind]
	if int(p.Format) > len(known) {
		return &FormatError{Type: kind, Format: p.Format, Known: uint32(len(known))}
	}
	for _, next := range known[p.Format:] {
		next(p)
		p.Format++
	}
	return nil
}
