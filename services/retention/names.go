package retention

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

// names are the documents, reservations and orders of a stream, dealt out to sets: those that one event speaks of are in one set. The events of a
// set are condensed together or not at all, so that a name never changes between two events that both speak of it.
type names struct {
	of     map[string]int32
	parent []int32
	need   []bool // of a set's root: its events stay as they are
}

func (n *names) root(i int32) int32 {
	for n.parent[i] != i {
		n.parent[i] = n.parent[n.parent[i]]
		i = n.parent[i]
	}
	return i
}

func (n *names) number(id string) int32 {
	i, ok := n.of[id]
	if !ok {
		i = int32(len(n.parent))
		n.of[id] = i
		n.parent, n.need = append(n.parent, i), append(n.need, false)
	}
	return n.root(i)
}

// link puts the names of an event into one set; with need, its events stay as they are.
func (n *names) link(r *aggregates.Record, need bool) error {
	first := int32(-1)
	return codec.EachName(r, func(id string) {
		i := n.number(id)
		if first < 0 {
			first = i
		}
		n.need[i] = n.need[i] || need || n.need[first]
		n.parent[first] = i
		first = i
	})
}

// needed tells whether the events that speak of a name stay as they are.
func (n *names) needed(id string) bool { return n.need[n.number(id)] }
