package availability

import (
	"maps"
	"sort"
)

// changeLog keeps the last value of each SKU that changed on one channel, in the order of change. A SKU that changes
// again moves to the end, so whoever reads from any place gets the last value of everything that changed since,
// once. Beyond its limit it lets the oldest changes go.
type changeLog struct {
	entries []change       // by seq; those superseded are dead
	live    map[string]int // SKU → place in entries
	first   int            // entries before it are dead
	dropped uint64         // seq of the newest entry let go
}

// change is one entry.
type change struct {
	Availability
	seq    uint64 // order of publication, over all channels
	before uint64 // the hub's token before it was published
	mended bool   // it may be of a position that was handed out before, with another value
	dead   bool
}

// compactFrom is from how many entries on the dead ones are removed, once they are a third of all.
const compactFrom = 1024

// add appends a change; limit is the most SKUs kept. It returns the highest position of the values that had to go.
func (l *changeLog) add(c change, limit int) (gone uint64) {
	if l.live == nil {
		l.live = map[string]int{}
	}
	i, known := l.live[c.SKU]
	if known {
		l.entries[i] = change{seq: l.entries[i].seq, dead: true}
	}
	for len(l.live) > limit || len(l.live) == limit && !known {
		gone = max(gone, l.drop())
	}
	if len(l.entries) >= compactFrom && 2*len(l.entries) > 3*len(l.live) {
		l.compact()
	}
	l.live[c.SKU] = len(l.entries)
	l.entries = append(l.entries, c)
	return gone
}

// drop lets the oldest change go.
func (l *changeLog) drop() uint64 {
	for l.entries[l.first].dead {
		l.first++
	}
	e := &l.entries[l.first]
	delete(l.live, e.SKU)
	l.dropped = e.seq
	gone := e.Position
	*e = change{seq: e.seq, dead: true}
	l.first++
	return gone
}

func (l *changeLog) compact() {
	kept := l.entries[:0]
	for _, e := range l.entries[l.first:] {
		if !e.dead {
			l.live[e.SKU] = len(kept)
			kept = append(kept, e)
		}
	}
	clear(l.entries[len(kept):])
	l.entries, l.first = kept, 0
}

// read appends to dst the values after a place that are newer than a position, or mended, until dst has maxChanges. It returns the place
// reached, and the first change after it, nil at the end.
func (l *changeLog) read(cursor, newer uint64, dst []Availability) (filled []Availability, reached uint64, rest *change) {
	i := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].seq > cursor })
	for ; i < len(l.entries); i++ {
		e := &l.entries[i]
		if !e.dead && (e.Position > newer || e.mended) {
			if len(dst) == maxChanges {
				return dst, cursor, e
			}
			dst = append(dst, e.Availability)
		}
		cursor = e.seq
	}
	return dst, cursor, nil
}

// waiters of one channel: the watchers to be woken by its next change.
type waiting map[*Watcher]struct{}

func (w waiting) wake() {
	for x := range maps.Keys(w) {
		x.wakeUp()
	}
	clear(w)
}
