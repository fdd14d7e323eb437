package views

import (
	"bytes"
	"encoding/binary"
	"io"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// versionBytes is the length of the version before every versioned value: two big-endian numbers.
const versionBytes = 16

// appendVersion appends a version. Versions compare like their bytes.
func appendVersion(dst []byte, first, second uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, first), second)
}

// newestWins keeps the value of the highest version of a key; of equal versions the one written last.
var newestWins = &pebbledb.Merger{
	Name: "stockfold.newest-version.v1",
	Merge: func(_, value []byte) (pebbledb.ValueMerger, error) {
		return &newest{value: bytes.Clone(value)}, nil
	},
}

type newest struct{ value []byte }

func (n *newest) MergeNewer(value []byte) error {
	if compareVersions(value, n.value) >= 0 {
		n.value = append(n.value[:0], value...)
	}
	return nil
}

func (n *newest) MergeOlder(value []byte) error {
	if compareVersions(value, n.value) > 0 {
		n.value = append(n.value[:0], value...)
	}
	return nil
}

func (n *newest) Finish(bool) ([]byte, io.Closer, error) { return n.value, nil, nil }

func compareVersions(a, b []byte) int {
	return bytes.Compare(a[:min(len(a), versionBytes)], b[:min(len(b), versionBytes)])
}
