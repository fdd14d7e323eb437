package audit

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is how many levels of the tree are between two that are stored; the others are computed from those. TileWidth is how many hashes a
// tile holds.
const (
	TileHeight = 8
	TileWidth  = 1 << TileHeight
)

// node is a hash of a stored level; position is that of the event of a leaf, 0 above the leaves.
type node struct {
	hash     tlog.Hash
	position uint64
}

// nodeBytes is what a node takes in a tile: leaves have their position after the hash.
func nodeBytes(level int) int {
	if level == 0 {
		return tlog.HashSize + 8
	}
	return tlog.HashSize
}

func appendNodes(dst []byte, level int, nodes []node) []byte {
	for i := range nodes {
		if dst = append(dst, nodes[i].hash[:]...); level == 0 {
			dst = binary.BigEndian.AppendUint64(dst, nodes[i].position)
		}
	}
	return dst
}

// parseNodes reads nodes of a tile, from one on.
func parseNodes(data []byte, level, first, count int) ([]node, error) {
	size := nodeBytes(level)
	if len(data)%size != 0 || len(data) < (first+count)*size {
		return nil, fmt.Errorf("%w: a tile of %d bytes at level %d, wanted are hashes up to %d", ErrDamaged, len(data), level, first+count)
	}
	nodes := make([]node, count)
	for i := range nodes {
		b := data[(first+i)*size:]
		if nodes[i].hash = tlog.Hash(b[:tlog.HashSize]); level == 0 {
			nodes[i].position = binary.BigEndian.Uint64(b[tlog.HashSize:size])
		}
	}
	return nodes, nil
}
