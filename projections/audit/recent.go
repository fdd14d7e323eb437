package audit

import (
	"slices"
	"sync"
)

// recent is what is in memory: the hashes since the last segment, and those of the incomplete tiles before them; and the places since then. One
// goroutine adds; any may read.
type recent struct {
	mu      sync.RWMutex
	levels  []edge
	places  []place
	written uint64 // the position up to which places are in segments
}

// edge are the last hashes of a stored level, from the beginning of a tile on.
type edge struct {
	first int64
	nodes []node
}

// begin drops everything, and goes on after what is written.
func (r *recent) begin(levels []edge, written uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.levels, r.places, r.written = levels, nil, written
}

// add adds the next hash of a level.
func (r *recent) add(level int, n node) {
	if level == len(r.levels) {
		r.levels = append(r.levels, edge{})
	}
	r.levels[level].nodes = append(r.levels[level].nodes, n)
}

// nodes returns hashes of a level, if all of them are here.
func (r *recent) nodes(level int, first int64, count int) ([]node, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if level >= len(r.levels) {
		return nil, false
	}
	e := &r.levels[level]
	if first < e.first || first+int64(count) > e.first+int64(len(e.nodes)) {
		return nil, false
	}
	return slices.Clone(e.nodes[first-e.first:][:count]), true
}

// find returns positions of an id after one that are not in segments, and up to where segments are to be looked at.
func (r *recent) find(id, after uint64) (list []uint64, written uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, x := range r.places {
		if x.id == id && x.position > after {
			list = append(list, x.position)
		}
	}
	return list, r.written
}

// state is how much of it there was at some moment.
type state struct {
	nodes  []int // by level
	places int
}

func (r *recent) state() (s state) {
	for i := range r.levels {
		s.nodes = append(s.nodes, len(r.levels[i].nodes))
	}
	s.places = len(r.places)
	return s
}

// segment is all that there was at a moment, to be written.
func (r *recent) segment(s state, through uint64) Segment {
	r.mu.RLock()
	levels := slices.Clone(r.levels)
	places := slices.Clone(r.places[:s.places])
	r.mu.RUnlock()
	w := Segment{Through: through, Runs: runsOf(places, through)}
	for level, count := range s.nodes {
		e := &levels[level]
		for at := 0; at < count; at += TileWidth {
			part := e.nodes[at:min(at+TileWidth, count)]
			w.Tiles = append(w.Tiles, Tile{Level: level, Index: (e.first + int64(at)) >> TileHeight,
				Data: appendNodes(make([]byte, 0, len(part)*nodeBytes(level)), level, part)})
		}
	}
	return w
}

// drop lets go what was written, but for the tiles that are not complete.
func (r *recent) drop(s state, through uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for level, count := range s.nodes {
		e := &r.levels[level]
		whole := count &^ (TileWidth - 1)
		e.first, e.nodes = e.first+int64(whole), slices.Clone(e.nodes[whole:])
	}
	r.places, r.written = slices.Clone(r.places[s.places:]), through
}
