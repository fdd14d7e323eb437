package retention

import (
	"github.com/stockfold/stockfold/proto/codec"
)

// names are the documents, reservations and orders of a stream, dealt out to sets: those that one event speaks of are in one set, and so are those of the events of
// one command. The events of a set are condensed together or not at all, and rewritten at once, so that at no time a name is another one between two events that both
// speak of it.
type names struct {
	of     map[string]int32
	bare   map[uint64]int32 // sets of events that speak of none, by revision
	parent []int32
	need   []bool // of a set's root: its events stay as they are
	size   []int  // bytes of its events, condensed
	round  []int  // in which they are rewritten; 0 for none yet

	command string // of the event linked last, whose set is last
	last    int32
}

func newNames() names { return names{of: map[string]int32{}, bare: map[uint64]int32{}} }

func (n *names) root(i int32) int32 {
	for n.parent[i] != i {
		n.parent[i] = n.parent[n.parent[i]]
		i = n.parent[i]
	}
	return i
}

// begin begins a set.
func (n *names) begin() int32 {
	i := int32(len(n.parent))
	n.parent, n.need = append(n.parent, i), append(n.need, false)
	return i
}

func (n *names) number(id string) int32 {
	i, ok := n.of[id]
	if !ok {
		i = n.begin()
		n.of[id] = i
	}
	return n.root(i)
}

// unite makes one set of two.
func (n *names) unite(a, b int32) int32 {
	a, b = n.root(a), n.root(b)
	n.need[b] = n.need[b] || n.need[a]
	n.parent[a] = b
	return b
}

// link puts the names of an event into one set; with need, its events stay as they are.
func (n *names) link(e *event, need bool) error {
	set := int32(-1)
	err := codec.EachName(&e.Record, func(id string) {
		if i := n.number(id); set < 0 {
			set = i
		} else {
			set = n.unite(set, i)
		}
	})
	if err != nil {
		return err
	}
	if set < 0 {
		set = n.begin()
		n.bare[e.Revision] = set
	}
	if key := e.meta.IdempotencyKey; key != "" && key == n.command {
		set = n.unite(n.last, set)
	}
	n.command, n.last = e.meta.IdempotencyKey, set
	n.need[set] = n.need[set] || need
	return nil
}

// set is that of an event which was linked.
func (n *names) set(e *event) (set int32, err error) {
	set = -1
	err = codec.EachName(&e.Record, func(id string) {
		if set < 0 {
			set = n.number(id)
		}
	})
	if set < 0 && err == nil {
		set = n.root(n.bare[e.Revision])
	}
	return set, err
}

// measure gets ready to measure sets.
func (n *names) measure() { n.size, n.round = make([]int, len(n.parent)), make([]int, len(n.parent)) }

// refuse has the events of sets stay as they are that are larger than may be rewritten at once. It tells whether there are any.
func (n *names) refuse(most int) (found bool) {
	for set, size := range n.size {
		if size > most {
			n.need[set], found = true, true
		}
	}
	return found
}
