// Package audit is the read model behind proofs and traces: the tree over all events of the store (RFC 6962), and an index from
// ids to events.
//
// It owns the hashes of the tree and the places of ids. It guarantees that the tree has a leaf for every event of the streams of
// aggregates.Prefixes, in the order of the store, and that two replicas, or a replica after a crash, come to the same tree. It leaves to others to sign
// what the tree comes to, and to read the events that an id is found in: an id of equal digest may be another.
//
// What was added last is in memory, Interval events at most and a few, and is then written as one segment: hashes in tiles, places
// in runs that are sorted by id. So nothing that is written is written anew, but for the tiles at the edge; an id is looked for in each
// segment. What is in memory is read from the events again after a restart.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/projections"
)

// Name of the projection, in status, logs and storage.
const Name = "audit"

// Interval is how many events are in memory before they are written.
const Interval = 1 << 16

// ErrDamaged says that what is stored of the tree or the index cannot be read.
var ErrDamaged = errors.New("what is stored of the tree is damaged or of a newer version")

// Digest of an id, by which the index finds it: 8 bytes of SHA-256, whatever the id is of.
func Digest(id []byte) uint64 {
	sum := sha256.Sum256(id)
	return binary.BigEndian.Uint64(sum[:8])
}

// Segment is what is written at once. Through is the position of its last event; segments are told apart by it.
type Segment struct {
	Through uint64
	Tiles   []Tile
	Runs    []Run
}

// Tile holds up to TileWidth hashes of one stored level, in the form that appendNodes gives. One that grew replaces the one that was written
// before.
type Tile struct {
	Level int
	Index int64
	Data  []byte
}

// Run holds places in order of id and position, in the form that appendRun gives. ID and Position are those of the first.
type Run struct {
	ID, Position uint64
	Data         []byte
}

// ReadModel keeps the tree and the index.
//
// Write applies a segment and the progress in one step; writing the same again changes nothing. Keep stores tiles beyond the progress, for Witness. Tile returns a tile, nil when there is none. Runs
// visits, segment by segment, in order, those that end after a position, and in each the runs that may hold an id, in order, until visit returns
// false; data is valid until visit returns. Reset removes everything. Errors are the back end's; the same call may succeed later.
type ReadModel interface {
	Progress(ctx context.Context) (projections.Progress, error)
	Tile(ctx context.Context, level int, index int64) ([]byte, error)
	Runs(ctx context.Context, id, after uint64, visit func(segment uint64, data []byte) (bool, error)) error
	Write(ctx context.Context, s Segment, p projections.Progress) error
	Keep(ctx context.Context, tiles []Tile) error
	Reset(ctx context.Context) error
}

// reader reads any hash of the tree from the stored levels.
func reader(ctx context.Context, hashes func(ctx context.Context, level int, first int64, count int) ([]node, error)) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			t := tlog.TileForIndex(TileHeight, index)
			nodes, err := hashes(ctx, t.L, t.N<<TileHeight, t.W)
			if err != nil {
				return nil, err
			}
			data := make([]byte, 0, len(nodes)*tlog.HashSize)
			for i := range nodes {
				data = append(data, nodes[i].hash[:]...)
			}
			if out[i], err = tlog.HashFromTile(t, data, index); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}
