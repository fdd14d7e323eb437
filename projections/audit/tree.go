package audit

import (
	"crypto/sha256"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

// Tree grows by leaves and knows its root. It keeps a hash for each complete subtree on its right edge, at most 63. The zero value
// is the empty tree.
type Tree struct {
	Size     int64
	Position uint64      // of the last event
	edge     []tlog.Hash // the largest subtree first
	room     []byte
}

// LeafHash is the hash of an event's leaf.
func (t *Tree) LeafHash(r *aggregates.Record) (h tlog.Hash) {
	h, t.room = codec.LeafHash(t.room[:0], r)
	return h
}

// Add appends a leaf. each is given the hashes that become complete, from the leaf's own up, with their level and index; it may be nil.
func (t *Tree) Add(h tlog.Hash, position uint64, each func(level int, index int64, h tlog.Hash)) {
	index := t.Size
	for level := 0; ; level++ {
		if each != nil {
			each(level, index, h)
		}
		if index&1 == 0 {
			break
		}
		last := len(t.edge) - 1
		h = tlog.NodeHash(t.edge[last], h)
		t.edge, index = t.edge[:last], index>>1
	}
	t.edge = append(t.edge, h)
	t.Size, t.Position = t.Size+1, position
}

// Root is the hash of the whole tree.
func (t *Tree) Root() tlog.Hash {
	if t.Size == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// Edge are the hashes that a tree of some size is continued from.
func (t *Tree) Edge() []tlog.Hash { return t.edge }

// resume makes a tree of some size go on, from the hashes of a tree that begins with it.
func resume(size int64, position uint64, hashes tlog.HashReader) (*Tree, error) {
	var indexes []int64
	for left := size; left > 0; {
		level := bits.Len64(uint64(left)) - 1
		left -= 1 << level
		indexes = append(indexes, tlog.StoredHashIndex(level, (size-left)>>level-1))
	}
	edge, err := hashes.ReadHashes(indexes)
	return &Tree{Size: size, Position: position, edge: edge}, err
}
