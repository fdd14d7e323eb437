package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/services/ingest"
)

// The first byte of the stored progress of a partition: with numbers of sources, or without. What has none is written as
// earlier versions can read it.
const (
	progressVersion  = 1
	progressNumbered = 2
)

func offsetKey(topic string, partition int32) []byte {
	return binary.BigEndian.AppendUint32(appendNamed(nil, spaceOffset, topic), uint32(partition))
}

// SaveOffset is ingest.Offsets'. It is not synced by itself: a crash may lose the newest.
func (s *Store) SaveOffset(ctx context.Context, topic string, partition int32, p ingest.Progress) error {
	if err := checkName("topic", topic, MaxNameBytes); err != nil {
		return err
	}
	return s.setLazily(ctx, offsetKey(topic, partition), encodeProgress(p))
}

func encodeProgress(p ingest.Progress) []byte {
	b := []byte{progressVersion}
	if p.Numbers != "" {
		b[0] = progressNumbered
	}
	for _, x := range []int64{p.Next, p.Epoch, int64(p.SavedAt), p.AppliedBelow, int64(p.AppliedBefore)} {
		b = binary.AppendVarint(b, x)
	}
	if p.Numbers != "" {
		b = binary.AppendUvarint(b, uint64(len(p.Numbers)))
		b = append(b, p.Numbers...)
	}
	return append(b, p.LogID...)
}

// LoadOffset is ingest.Offsets'.
func (s *Store) LoadOffset(ctx context.Context, topic string, partition int32) (p ingest.Progress, ok bool, err error) {
	value, ok, err := s.get(ctx, offsetKey(topic, partition))
	if err != nil || !ok {
		return p, false, err
	}
	if p, ok = parseProgress(value); !ok {
		return p, false, fmt.Errorf("stored progress of %s/%d is damaged or of a newer version (%d bytes)", topic, partition, len(value))
	}
	return p, true, nil
}

func parseProgress(b []byte) (p ingest.Progress, ok bool) {
	if len(b) == 0 || b[0] != progressVersion && b[0] != progressNumbered {
		return p, false
	}
	numbered := b[0] == progressNumbered
	b = b[1:]
	for _, field := range []*int64{&p.Next, &p.Epoch, (*int64)(&p.SavedAt), &p.AppliedBelow, (*int64)(&p.AppliedBefore)} {
		x, n := binary.Varint(b)
		if n <= 0 {
			return p, false
		}
		*field, b = x, b[n:]
	}
	if numbered {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return p, false
		}
		p.Numbers, b = string(b[n:n+int(size)]), b[n+int(size):]
	}
	p.LogID = string(b)
	return p, true
}

// SaveCheckpoint is projections.Checkpoints'. It is not synced by itself: a crash may lose the newest.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, position uint64) error {
	if err := checkName("name of the checkpoint", name, MaxNameBytes); err != nil {
		return err
	}
	return s.setLazily(ctx, appendNamed(nil, spaceCheckpoint, name), binary.AppendUvarint(nil, position))
}

// LoadCheckpoint is projections.Checkpoints'.
func (s *Store) LoadCheckpoint(ctx context.Context, name string) (position uint64, ok bool, err error) {
	value, ok, err := s.get(ctx, appendNamed(nil, spaceCheckpoint, name))
	if err != nil || !ok {
		return 0, false, err
	}
	position, n := binary.Uvarint(value)
	if n <= 0 {
		return 0, false, fmt.Errorf("stored checkpoint %q is damaged (%d bytes)", name, len(value))
	}
	return position, true, nil
}

func (s *Store) setLazily(ctx context.Context, key, value []byte) error {
	if err := s.enterToWrite(); err != nil {
		return err
	}
	defer s.gate.leave()
	r := newRequest()
	r.lazy, r.size = true, len(key)+len(value)
	r.put = func(b *pebbledb.Batch) error { return b.Set(key, value, nil) }
	_, err := s.submit(ctx, r)
	return err
}

// get returns a copy of a value.
func (s *Store) get(ctx context.Context, key []byte) (value []byte, ok bool, err error) {
	if err := s.enterToRead(ctx); err != nil {
		return nil, false, err
	}
	defer s.gate.leave()
	defer s.failure.rescue(&err)
	found, closer, err := s.db.Get(key)
	if errors.Is(err, pebbledb.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value = append([]byte{}, found...)
	return value, true, closer.Close()
}
