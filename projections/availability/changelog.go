package availability

import (
	"container/heap"
	"maps"
	"slices"
	"sort"
)

// changeLog keeps the last value of each SKU that changed on one channel, in the order of change. A SKU that changes
// again moves to the end, so whoever reads from any place gets the last value of everything that changed since,
// once. Beyond its limit it lets the oldest changes go.
type changeLog struct {
	number  int        // among the logs
	skus    loggedSKUs // of all logs
	entries []change   // by seq; those superseded are dead
	live    int        // entries that are not dead
	first   int        // entries before it are dead
	dropped uint64     // seq of the newest entry let go
	waiting waiting    // for the next change
}

// change is one entry.
type change struct {
	Availability
	seq    uint64  // order of publication, over all channels
	before uint64  // the hub's token before it was published
	mended bool    // it may be of a position that was handed out before, with another value
	of     *logged // nil when it is dead
}

// loggedSKUs are those that some log has a change of: an event changes a SKU on many channels, and is looked up once for all.
type loggedSKUs map[string]*logged

// logged tells where the changes of a SKU are, in order of the logs' numbers.
type logged struct{ places []place }

// place is that of a change in the entries of a log.
type place struct{ log, entry int32 }

// get returns the record of a SKU that a change is added of right after.
func (s loggedSKUs) get(sku string) *logged {
	of := s[sku]
	if of == nil {
		of = &logged{}
		s[sku] = of
	}
	return of
}

// find returns where the place in a log is, or would be. A SKU that changes on all channels has them by number.
func (o *logged) find(log int) (i int, found bool) {
	if log < len(o.places) && o.places[log].log == int32(log) {
		return log, true
	}
	return slices.BinarySearchFunc(o.places, int32(log), func(p place, log int32) int { return int(p.log - log) })
}

// put notes the place in a log.
func (o *logged) put(log, entry int) {
	i, found := o.find(log)
	if !found {
		o.places = slices.Insert(o.places, i, place{log: int32(log)})
	}
	o.places[i].entry = int32(entry)
}

// drop forgets the place in a log.
func (o *logged) drop(log int) {
	if i, found := o.find(log); found {
		o.places = slices.Delete(o.places, i, i+1)
	}
}

// compactFrom is from how many entries on the dead ones are removed, once they are a third of all.
const compactFrom = 1024

// add appends a change; limit is the most SKUs kept. It returns the highest position of the values that had to go.
func (l *changeLog) add(c *change, limit int) (gone uint64) {
	if i, known := c.of.find(l.number); known {
		l.entries[c.of.places[i].entry].of = nil
	} else {
		l.live++
	}
	for l.live > limit {
		gone = max(gone, l.drop())
	}
	if len(l.entries) >= compactFrom && 2*len(l.entries) > 3*l.live {
		l.compact()
	}
	c.of.put(l.number, len(l.entries))
	l.entries = append(l.entries, *c)
	return gone
}

// drop lets the oldest change go.
func (l *changeLog) drop() uint64 {
	for l.entries[l.first].of == nil {
		l.first++
	}
	e := &l.entries[l.first]
	if e.of.drop(l.number); len(e.of.places) == 0 {
		delete(l.skus, e.SKU)
	}
	l.live--
	l.dropped = e.seq
	gone := e.Position
	*e = change{seq: e.seq}
	l.first++
	return gone
}

func (l *changeLog) compact() {
	kept := l.entries[:0]
	for i := range l.entries[l.first:] {
		if e := &l.entries[l.first+i]; e.of != nil {
			e.of.put(l.number, len(kept))
			kept = append(kept, *e)
		}
	}
	clear(l.entries[len(kept):])
	l.entries, l.first = kept, 0
}

// logReader is where somebody reads a log.
type logReader struct {
	*changeLog
	next int // entry
}

// logReaders are of several logs, a heap by the seq of their next entries.
type logReaders []logReader

func (r logReaders) Len() int { return len(r) }
func (r logReaders) Less(i, j int) bool {
	return r[i].entries[r[i].next].seq < r[j].entries[r[j].next].seq
}
func (r logReaders) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r *logReaders) Push(x any)   { *r = append(*r, x.(logReader)) }

func (r *logReaders) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// begin reads a log, too, from after a seq.
func (r *logReaders) begin(l *changeLog, after uint64) {
	if i := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].seq > after }); i < len(l.entries) {
		*r = append(*r, logReader{l, i})
	}
}

// read appends to dst the values that are newer than a position, or mended, in the order of change, until dst has maxChanges. It returns the seq reached, after or more,
// and the first change after it, nil at the end.
func (r *logReaders) read(after, newer uint64, dst []Availability) (filled []Availability, reached uint64, rest *change) {
	heap.Init(r)
	for len(*r) > 0 {
		l := &(*r)[0]
		e := &l.entries[l.next]
		if e.of != nil && (e.Position > newer || e.mended) {
			if len(dst) == maxChanges {
				return dst, after, e
			}
			dst = append(dst, e.Availability)
		}
		after = e.seq
		if l.next++; l.next < len(l.entries) {
			heap.Fix(r, 0)
		} else {
			heap.Pop(r)
		}
	}
	return dst, after, nil
}

// waiting are watchers to be woken by the next change, of one channel or of any.
type waiting map[*Watcher]struct{}

func (w waiting) wake() {
	if len(w) == 0 { // mostly: to find that out by going through it costs more
		return
	}
	for x := range maps.Keys(w) {
		x.wakeUp()
	}
	clear(w)
}
