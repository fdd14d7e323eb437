package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/services/commands"
)

// SaveSnapshot is commands.Store's. A stream has one snapshot: one under another schema takes its place. It is not
// synced and may be lost in a crash.
func (s *Store) SaveSnapshot(ctx context.Context, stream, schema string, x commands.Snapshot) error {
	if err := firstError(checkName("name of the stream", stream, MaxStreamBytes), checkName("schema", schema, MaxNameBytes)); err != nil {
		return err
	}
	if len(x.Data) > MaxSnapshotBytes {
		return fmt.Errorf("snapshot of stream %q has %d bytes, at most %d are possible", stream, len(x.Data), MaxSnapshotBytes)
	}
	if err := s.enterToWrite(); err != nil {
		return err
	}
	defer s.gate.leave()
	if h, ok := s.heads.get(stream); ok && h.next == x.Next {
		schema += atEnd
	}
	r := newRequest()
	r.lazy, r.size = true, len(x.Data)
	r.put = func(b *pebbledb.Batch) error {
		value := make([]byte, 0, len(schema)+len(x.Data)+24)
		value = append(binary.AppendUvarint(value, uint64(len(schema))), schema...)
		value = binary.AppendUvarint(binary.AppendUvarint(value, x.Next), x.Position)
		return b.Set(appendNamed(nil, spaceSnapshot, stream), append(value, x.Data...), nil)
	}
	_, err := s.submit(ctx, r)
	return err
}

// DropSnapshot has a stream be without a snapshot. Like saving one it is not synced; but what is written after it is not there without it.
func (s *Store) DropSnapshot(ctx context.Context, stream string) error {
	if err := s.enterToWrite(); err != nil {
		return err
	}
	defer s.gate.leave()
	r := newRequest()
	r.lazy = true
	r.put = func(b *pebbledb.Batch) error { return b.Delete(appendNamed(nil, spaceSnapshot, stream), nil) }
	_, err := s.submit(ctx, r)
	return err
}

// LoadSnapshot is commands.Store's.
func (s *Store) LoadSnapshot(ctx context.Context, stream, schema string) (x commands.Snapshot, ok bool, err error) {
	if err := s.enterToRead(ctx); err != nil {
		return x, false, err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	value, closer, err := s.db.Get(appendNamed(nil, spaceSnapshot, stream))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return x, false, nil
	}
	if err != nil {
		return x, false, err
	}
	x, saved, valid := parseSnapshot(value)
	saved, whole := strings.CutSuffix(saved, atEnd)
	ok = valid && saved == schema && x.Position <= s.tail.end.Load()
	if !ok {
		x = commands.Snapshot{}
	}
	x.Data = slices.Clone(x.Data)
	if err := closer.Close(); err != nil || !ok {
		return commands.Snapshot{}, false, err
	}
	if _, known := s.heads.get(stream); whole && !known {
		_, err = s.learnEnd(stream, x.Next)
	}
	return x, err == nil, err
}

// atEnd, behind the name of a schema, says that the stream ended where the snapshot does when it was saved: no run has that revision in
// its midst.
const atEnd = "\x00end"

// parseSnapshot reads a stored snapshot, in place. One that cannot be read counts as none: it is a cache.
func parseSnapshot(b []byte) (x commands.Snapshot, schema string, ok bool) {
	name, b, ok := cutPart(b)
	if !ok {
		return x, "", false
	}
	for _, field := range []*uint64{&x.Next, &x.Position} {
		value, n := binary.Uvarint(b)
		if n <= 0 {
			return x, "", false
		}
		*field, b = value, b[n:]
	}
	x.Data = b
	return x, string(name), true
}
