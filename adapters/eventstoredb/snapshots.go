package eventstoredb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/stockfold/stockfold/services/commands"
)

// snapshotDocument says what the data of a snapshot is. The parts of a large one lie in cells of their own, which are
// written first; with others than its own it counts as none.
type snapshotDocument struct {
	Schema   string `json:"schema"` // written by escape
	Next     uint64 `json:"next,string"`
	Position uint64 `json:"position,string"`
	Bytes    int    `json:"bytes"`
	SHA256   string `json:"sha256"`
}

// SaveSnapshot is commands.Store's. A stream has one snapshot: one under another schema takes its place.
func (s *Store) SaveSnapshot(ctx context.Context, stream, schema string, x commands.Snapshot) error {
	if err := checkName("name of the stream", stream); err != nil {
		return err
	}
	if err := checkName("schema", schema); err != nil {
		return err
	}
	if len(x.Data) > MaxValueBytes {
		return fmt.Errorf("snapshot of stream %q has %d bytes, at most %d are possible", stream, len(x.Data), MaxValueBytes)
	}
	sum := sha256.Sum256(x.Data)
	meta, err := json.Marshal(snapshotDocument{Schema: escape(schema), Next: x.Next, Position: x.Position, Bytes: len(x.Data), SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("save a snapshot of stream %q", stream)
	first, rest := cut(x.Data)
	for n := 1; len(rest) > 0; n++ {
		var part []byte
		part, rest = cut(rest)
		if err := s.fill(ctx, what, partStream(n, stream), esdb.EventData{EventType: "SnapshotPartSaved", Data: part}); err != nil {
			return err
		}
	}
	return s.fill(ctx, what, snapshotPrefix+escape(stream), esdb.EventData{EventType: "SnapshotSaved", Data: first, Metadata: meta})
}

func partStream(n int, stream string) string {
	return fmt.Sprintf("%s%d-%s", partPrefix, n, escape(stream))
}

// cut gives what goes into one event, and the rest.
func cut(data []byte) (part, rest []byte) {
	n := min(len(data), partBytes)
	return data[:n], data[n:]
}

// LoadSnapshot is commands.Store's.
func (s *Store) LoadSnapshot(ctx context.Context, stream, schema string) (x commands.Snapshot, ok bool, err error) {
	what := fmt.Sprintf("load the snapshot of stream %q", stream)
	e, err := s.look(ctx, what, snapshotPrefix+escape(stream))
	if err != nil || e == nil {
		return x, false, err
	}
	var d snapshotDocument
	if json.Unmarshal(e.UserMetadata, &d) != nil || d.Schema != escape(schema) || d.Bytes > MaxValueBytes {
		return x, false, nil
	}
	data := e.Data
	for n := 1; len(data) < d.Bytes; n++ {
		part, err := s.look(ctx, what, partStream(n, stream))
		if err != nil || part == nil || len(part.Data) == 0 {
			return x, false, err
		}
		data = append(data, part.Data...)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.SHA256 {
		return x, false, nil
	}
	return commands.Snapshot{Next: d.Next, Position: d.Position, Data: data}, true, nil
}
