// Package audit is the read model behind proofs and traces: the tree over all events of the store (RFC 6962), and an index from
// ids to events.
//
// It owns the hashes of the tree and the places of ids. It guarantees that the tree has a leaf for every event of the streams of
// aggregates.Prefixes, in the order of the store, and that two replicas, or a replica after a crash, come to the same tree. It leaves to others to sign
// what the tree comes to, and to read the events that an id is found in: an id of equal digest may be another.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/projections"
)

// Name of the projection, in status, logs and storage.
const Name = "audit"

// TileHeight is how many levels of the tree are between two that are stored; the others are computed from those.
const TileHeight = 8

// Node is a hash that is stored. Level counts stored levels, from that of the leaves, 0.
type Node struct {
	Level    int
	Index    int64
	Hash     tlog.Hash
	Position uint64 // of the event; 0 above the leaves
}

// Place is where an id is found.
type Place struct {
	ID       uint64 // Digest of the id
	Position uint64 // of the event
}

// ReadModel keeps the tree and the index.
//
// Write applies nodes, places and progress in one step; writing the same again changes nothing. Hashes returns count hashes of
// a stored level from an index on, and fails when there are fewer. Leaf returns the position of a leaf's event. Find returns the positions of an id after one, in order, up to
// limit. Reset removes everything. Errors are the back end's; the same call may succeed later.
type ReadModel interface {
	Progress(ctx context.Context) (projections.Progress, error)
	Hashes(ctx context.Context, level int, first int64, count int) ([]tlog.Hash, error)
	Leaf(ctx context.Context, index int64) (position uint64, err error)
	Find(ctx context.Context, id, after uint64, limit int) ([]uint64, error)
	Write(ctx context.Context, nodes []Node, places []Place, p projections.Progress) error
	Reset(ctx context.Context) error
}

// Digest of an id, by which the index finds it: 8 bytes of SHA-256, whatever the id is of.
func Digest(id []byte) uint64 {
	sum := sha256.Sum256(id)
	return binary.BigEndian.Uint64(sum[:8])
}

// reader reads any hash of the tree from the stored ones.
func reader(ctx context.Context, m ReadModel) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			t := tlog.TileForIndex(TileHeight, index)
			hashes, err := m.Hashes(ctx, t.L, t.N<<TileHeight, t.W)
			if err != nil {
				return nil, err
			}
			data := make([]byte, 0, len(hashes)*tlog.HashSize)
			for _, h := range hashes {
				data = append(data, h[:]...)
			}
			if out[i], err = tlog.HashFromTile(t, data, index); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}
