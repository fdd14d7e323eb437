package availability

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is said of a drift, and of the events that are looked at for it.
const (
	MaxDifferences = 50
	MaxConcerned   = 10
	maxLookedAt    = 20_000
)

// DriftKind says in what way a document is not what its stream comes to.
type DriftKind string

const (
	DriftDiffers DriftKind = "DIFFERS" // it has other contents than the events that it includes come to
	DriftLacks   DriftKind = "LACKS"   // it includes fewer events of its stream than the projection has folded
	DriftMissing DriftKind = "MISSING" // there is none, and the projection has folded events of its stream
	DriftVersion DriftKind = "VERSION" // it is of a position where its stream has no event, but later ones
	// It is of a position where its stream ended before, or has no stream; only a second read model can tell.
	DriftUnfounded DriftKind = "UNFOUNDED"
)

// Copies of a document.
const (
	CopyStored = "stored"
	CopyMemory = "memory"
)

// ErrAhead says that a document includes events that its stream does not have as far as it can be read here, so that they cannot be compared.
var ErrAhead = errors.New("the document is ahead of its stream as it can be read here")

// Drift is a document that is not what its stream comes to.
type Drift struct {
	SKU         string
	Kind        DriftKind
	Copy        string // which one
	Position    uint64 // of the document; 0 when there is none
	Should      uint64 // of the last event that it should include
	Differences []Difference
	More        int // differences beyond MaxDifferences
	// AsOf is the last event after which the stream came to what the document says in the fields that differ; nil when it never did.
	AsOf *EventRef
	// Concerned are the last events that changed those fields, after AsOf if there is such; or else the last ones that it should include.
	Concerned []EventRef

	fresh *fresh // what it should be
}

// Explanation says for people what is wrong.
func (d *Drift) Explanation() string {
	var b strings.Builder
	switch d.Kind {
	case DriftMissing:
		fmt.Fprintf(&b, "there is no document, though the stream has events up to position %d", d.Should)
	case DriftLacks:
		fmt.Fprintf(&b, "the %s document ends at position %d, and lacks events up to position %d", d.copied(), d.Position, d.Should)
	case DriftUnfounded:
		fmt.Fprintf(&b, "the %s document is of position %d, and the stream", d.copied(), d.Position)
		if b.WriteString(" has no event"); d.Should > 0 {
			fmt.Fprintf(&b, " after position %d", d.Should)
		}
	case DriftVersion:
		fmt.Fprintf(&b, "the %s document is of position %d, where the SKU has no event; its last one is at %d", d.copied(), d.Position, d.Should)
	default:
		fmt.Fprintf(&b, "the %s document of position %d is not what its events come to", d.copied(), d.Position)
	}
	if d.AsOf != nil {
		fmt.Fprintf(&b, "; it says what held after %s", d.AsOf)
	}
	return b.String()
}

func (d *Drift) copied() string {
	if d.Copy == CopyMemory {
		return "remembered"
	}
	return d.Copy
}

func (d *Drift) add(list []Difference) {
	room := max(0, MaxDifferences-len(d.Differences))
	if room < len(list) {
		d.More += len(list) - room
		list = list[:room]
	}
	d.Differences = append(d.Differences, list...)
}
