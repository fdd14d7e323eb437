package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	projection "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/proto/codec"
)

// What may be wrong with an event.
const (
	Changed   = "CHANGED"    // it says something else than it said when it was recorded
	Removed   = "REMOVED"    // events are missing
	Inserted  = "INSERTED"   // it was not there
	Reordered = "RE-ORDERED" // it stood elsewhere
	Unsealed  = "UNSEALED"   // it lost its seal, or was written by a version without seals beside newer ones
	Forged    = "FORGED"     // a head that is not what it says
)

// Fault is the first event of a history that is not as it was recorded.
type Fault struct {
	Kind     string
	Stream   string // empty when it is not known which
	Revision uint64
	Position uint64
	EventID  string
	What     string // for people
}

func (f *Fault) Error() string {
	if f.Stream == "" {
		return fmt.Sprintf("%s after position %d: %s", f.Kind, f.Position, f.What)
	}
	return fmt.Sprintf("%s: event %d of stream %q, position %d, id %s: %s", f.Kind, f.Revision, f.Stream, f.Position, f.EventID, f.What)
}

// Verifier is given a whole history in the order of the store and says what is wrong with it. Make it with NewVerifier. It
// keeps about 150 bytes for each stream.
type Verifier struct {
	// Gapless says that positions follow each other by ones, and that nobody else writes the store.
	Gapless bool
	// Witness returns the leaf of an index as another place remembers it, such as the read models; ok is false when it does not. It tells which event was
	// changed when somebody computed all seals anew.
	Witness func(index int64) (h tlog.Hash, ok bool)

	// Events, Streams and Heads count what was verified, Old those events that carry no seal, being older than seals, Condensed those of
	// which only what numbers are made of is left.
	Events, Streams, Heads, Old, Condensed int64
	// Unattested says that events are being condensed, or that this was cut off: what condensed ones say is not proved until it is done.
	Unattested bool

	key     string
	heads   []wanted // by size
	tree    projection.Tree
	known   map[string]*chain
	last    uint64 // position
	named   uint64 // position up to which all recorded heads were named
	proved  uint64 // position up to which a head proved everything
	roots   map[int64]tlog.Hash
	doubted *Fault // by the witness

	whole bool                    // the recorded heads were named
	said  domain.HistoryCondensed // what was recorded last
}

type wanted struct {
	Head
	from string
}

// chain is what is known of a stream.
type chain struct {
	next    uint64
	seal    codec.Seal
	sealed  bool
	unknown bool        // the seal is: the event was condensed
	digest  domain.Hash // of the condensed events
}

// NewVerifier makes a verifier. With a verifier key, the signatures of heads are checked.
func NewVerifier(key string) *Verifier {
	return &Verifier{key: key, known: map[string]*chain{}, roots: map[int64]tlog.Hash{}}
}

// Expect names a head that the history must fit: its first events are the head's tree. Heads are named before the first event. from says
// where the head is from, for people.
func (v *Verifier) Expect(note, from string) error {
	h, err := OpenHead(note, v.key)
	if err != nil {
		return &Fault{Kind: Forged, What: fmt.Sprintf("the head of %s: %v", from, err)}
	}
	v.heads = append(v.heads, wanted{h, from})
	slices.SortStableFunc(v.heads, func(a, b wanted) int { return int(a.Size - b.Size) })
	return nil
}

// Add takes the next event. It returns *Fault, and is not used after that.
func (v *Verifier) Add(r *aggregates.Record) error {
	if r.Position <= v.last {
		return v.fault(Reordered, r, "it stands at or before position %d, which was handed out before", v.last)
	}
	if v.Gapless && r.Position != v.last+1 {
		return v.fault(Removed, r, "positions %d to %d before it are missing", v.last+1, r.Position-1)
	}
	v.last = r.Position
	if !covered(r.Stream) {
		if v.Gapless && !strings.HasPrefix(r.Stream, "stockfold-") && !strings.HasPrefix(r.Stream, "$") {
			return v.fault(Inserted, r, "no version writes such a stream")
		}
		return nil
	}
	if err := v.follow(r); err != nil {
		return err
	}
	h := v.tree.LeafHash(r)
	v.compare(r, h)
	v.tree.Add(h, r.Position, nil)
	v.Events++
	if err := v.checkHead(r); err != nil {
		return err
	}
	return v.meet()
}

func covered(stream string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(stream, p) })
}

var prefixes = aggregates.Prefixes()

// follow checks revision and seal.
func (v *Verifier) follow(r *aggregates.Record) error {
	c := v.known[r.Stream]
	if c == nil {
		c = &chain{}
		v.known[r.Stream] = c
		v.Streams++
	}
	switch {
	case r.Revision > c.next:
		return v.fault(Removed, r, "events %d to %d of the stream are missing before it", c.next, r.Revision-1)
	case r.Revision < c.next:
		return v.fault(Inserted, r, "the stream has an event %d already; this one was inserted, or stood elsewhere", r.Revision)
	}
	if _, _, condensed := codec.CutCondensed(r.Data); condensed {
		return v.condensed(c, r)
	}
	want := codec.NextSeal(c.seal, r.Stream, r.Revision, &r.NewEvent)
	got, _, sealed := codec.CutSeal(r.Data)
	if c.unknown { // the tree alone proves that it follows from the event before
		if want = got; !sealed {
			want = codec.Seal{}
		}
	}
	switch {
	case sealed && got != want && !c.sealed && r.Revision > 0:
		return v.fault(Changed, r, "its seal does not fit: this event, or one of the %d before it that are older than seals, is not what was recorded", r.Revision)
	case sealed && got != want:
		return v.fault(Changed, r, "its seal does not fit what it says and the event before it")
	case !sealed && c.sealed:
		return v.fault(Unsealed, r, "it carries no seal, although the event before it does")
	case !sealed && !codec.Canonical(r.Data):
		return v.fault(Changed, r, "it carries no seal, and is not in the form that events had before there were seals")
	}
	if !sealed {
		if _, _, err := codec.Decode(*r); err != nil {
			return v.fault(Changed, r, "it carries no seal, as only older versions write it, and is none of their events: %v", err)
		}
		v.Old++
	}
	c.next, c.seal, c.sealed, c.unknown = r.Revision+1, want, sealed, c.unknown && !sealed
	return nil
}

// condensed checks an event of which only what numbers are made of is left. That it is in the tree is checked as for any other; what it says, at the end.
func (v *Verifier) condensed(c *chain, r *aggregates.Record) error {
	if !codec.Canonical(r.Data) {
		return v.fault(Changed, r, "it is condensed, and what is left of it is not in the form that this version writes")
	}
	c.next, c.unknown, c.digest = r.Revision+1, true, NextDigest(c.digest, r)
	v.Condensed++
	return nil
}

// NextDigest is the digest of condensed events of a stream, after one more.
func NextDigest(before domain.Hash, r *aggregates.Record) domain.Hash {
	var room [1024]byte
	return sha256.Sum256(codec.AppendLeaf(append(room[:0], before[:]...), r))
}

// Digests are those of streams that have condensed events.
type Digests map[string]domain.Hash

// Sum is the digest of all of them.
func (d Digests) Sum() domain.Hash {
	h := sha256.New()
	for _, stream := range slices.Sorted(maps.Keys(d)) {
		digest := d[stream]
		h.Write(append(binary.AppendUvarint(nil, uint64(len(stream))), stream...))
		h.Write(digest[:])
	}
	return domain.Hash(h.Sum(nil))
}

// endCondensed compares what condensed events say with what was recorded of them.
func (v *Verifier) endCondensed() error {
	switch {
	case !v.whole, v.Condensed == 0 && v.said == domain.HistoryCondensed{}:
		return nil
	case v.said == domain.HistoryCondensed{}:
		return &Fault{Kind: Changed, Position: v.last, What: fmt.Sprintf("%d events are condensed, and nothing was recorded of that", v.Condensed)}
	case !v.said.Done:
		v.Unattested = true
	case v.Unattested:
		return nil
	}
	digests := Digests{}
	for stream, c := range v.known {
		if c.digest != (domain.Hash{}) {
			digests[stream] = c.digest
		}
	}
	if !v.Unattested && (v.Condensed != v.said.Events || digests.Sum() != v.said.Digest) {
		return &Fault{Kind: Changed, Position: v.last, What: fmt.Sprintf(
			"the %d condensed events do not say what the %d said that were recorded as condensed: one was changed since", v.Condensed, v.said.Events)}
	}
	return nil
}

// compare notes the first leaf that is another than the witness remembers.
func (v *Verifier) compare(r *aggregates.Record, h tlog.Hash) {
	if v.Witness == nil || v.doubted != nil {
		return
	}
	if was, ok := v.Witness(v.tree.Size); ok && was != h {
		v.doubted = v.fault(Changed, r, "it is not the event that stood here: all seals after it were computed anew, or it was moved here from another place")
	}
}

// checkHead checks what a recorded head says of the history before it.
func (v *Verifier) checkHead(r *aggregates.Record) error {
	if r.Type == domain.TypeHistoryCondensed && r.Position > v.named {
		v.Unattested = true // events were condensed while this one reads them
	}
	if r.Type != domain.TypeTreeHeadRecorded {
		return nil
	}
	e, _, err := codec.Decode(*r)
	if err != nil {
		return v.fault(Changed, r, "%v", err)
	}
	said := e.(*domain.TreeHeadRecorded)
	h, err := OpenHead(said.Note, v.key)
	if err != nil {
		return v.fault(Forged, r, "%v", err)
	}
	root, known := v.roots[h.Size]
	switch {
	case h.Size != said.Size || h.Position != said.Position || domain.Hash(h.Root) != said.Root:
		return v.fault(Forged, r, "the signed head is another than the event says")
	case h.Size >= v.tree.Size:
		return v.fault(Removed, r, "the head covers %d events, and only %d stand before it", h.Size, v.tree.Size-1)
	case known && root != h.Root:
		return v.fault(Forged, r, "its root is not that of the first %d events", h.Size)
	case !known && r.Position > v.named:
		return nil // it was recorded after the heads were read
	case !known:
		return v.fault(Inserted, r, "the head was not among those that the stream has")
	}
	v.Heads++
	return nil
}

// meet compares the tree with the heads of its size.
func (v *Verifier) meet() error {
	for len(v.heads) > 0 && v.heads[0].Size == v.tree.Size {
		h := v.heads[0]
		v.heads = v.heads[1:]
		root := v.tree.Root()
		if root != h.Root || v.tree.Position != h.Position {
			return v.unlike(h)
		}
		v.roots[h.Size], v.proved, v.doubted = root, v.tree.Position, nil // the witness was wrong, if anything was
	}
	return nil
}

// unlike is the fault of a tree that is not that of a head.
func (v *Verifier) unlike(h wanted) error {
	if v.doubted != nil {
		return v.doubted
	}
	return &Fault{Kind: Changed, Position: v.proved, What: fmt.Sprintf(
		"events up to position %d are not those of the head of %s, which covers %d: one was changed, removed, inserted or moved, and all seals fit; before, everything is proved",
		v.tree.Position, h.from, h.Size)}
}

// End says that there are no more events.
func (v *Verifier) End() error {
	if v.doubted != nil {
		return v.doubted
	}
	if len(v.heads) > 0 {
		h := v.heads[0]
		return &Fault{Kind: Removed, Position: v.last, What: fmt.Sprintf("the head of %s covers %d events, up to position %d; there are only %d", h.from, h.Size, h.Position, v.tree.Size)}
	}
	return v.endCondensed()
}

// Size and Root are those of the tree over everything so far; Proved is the position up to which a head stands for it.
func (v *Verifier) Size() int64 { return v.tree.Size }

// Root is the root of the tree over everything so far.
func (v *Verifier) Root() tlog.Hash { return v.tree.Root() }

// Proved is the position up to which a head stands for the history; what comes after is only sealed.
func (v *Verifier) Proved() uint64 { return v.proved }

func (v *Verifier) fault(kind string, r *aggregates.Record, what string, args ...any) *Fault {
	return &Fault{Kind: kind, Stream: r.Stream, Revision: r.Revision, Position: r.Position, EventID: r.ID.String(), What: fmt.Sprintf(what, args...)}
}
