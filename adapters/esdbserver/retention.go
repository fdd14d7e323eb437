package esdbserver

import (
	"context"
	"encoding/json"
	"math"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
)

// metadataPrefix starts the name of the stream that holds a stream's metadata; metadataType is the type of its events.
const (
	metadataPrefix = "$$"
	metadataType   = "$metadata"
)

// retention is what a stream's metadata says about which of its events are shown.
type retention struct {
	MaxCount       *uint64 `json:"$maxCount"`
	TruncateBefore *uint64 `json:"$tb"`
}

// checkMetadata refuses stream metadata that would not be honoured.
func checkMetadata(stream string, kind string, d document) error {
	if !strings.HasPrefix(stream, metadataPrefix) {
		return nil
	}
	if kind != metadataType {
		return badRequest("stream %q takes events of type %s only, not %q", stream, metadataType, kind)
	}
	var members map[string]json.RawMessage
	var r retention
	if json.Unmarshal(d.data, &members) != nil || json.Unmarshal(d.data, &r) != nil {
		return badRequest("metadata of stream %q is not a JSON object with whole numbers for $maxCount and $tb", stream[len(metadataPrefix):])
	}
	if r.TruncateBefore != nil && *r.TruncateBefore >= math.MaxInt64 {
		return unsupported("deleting stream %q, by $tb at the end of all revisions, is not supported by this server", stream[len(metadataPrefix):])
	}
	for _, name := range []string{"$maxAge", "$acl"} {
		if _, ok := members[name]; ok {
			return unsupported("%s in the metadata of stream %q is not supported by this server", name, stream[len(metadataPrefix):])
		}
	}
	return nil
}

// head tells how many events a stream has, the hidden ones included.
func (s *service) head(ctx context.Context, stream string) (next uint64, err error) {
	err = s.store.ReadStreamBackwards(ctx, stream, math.MaxUint64, func(r aggregates.Record) bool {
		next = r.Revision + 1
		return false
	})
	return next, err
}

// shown tells which revisions of a stream are shown: first to next, next not included. exists is false when the stream
// was never written.
func (s *service) shown(ctx context.Context, stream string) (first, next uint64, exists bool, err error) {
	if next, err = s.head(ctx, stream); err != nil || next == 0 {
		return 0, 0, false, err
	}
	if strings.HasPrefix(stream, metadataPrefix) {
		return next - 1, next, true, nil
	}
	r, err := s.retention(ctx, stream)
	if err != nil {
		return 0, 0, false, err
	}
	if r.TruncateBefore != nil {
		first = min(*r.TruncateBefore, next)
	}
	if r.MaxCount != nil && *r.MaxCount < next {
		first = max(first, next-*r.MaxCount)
	}
	return first, next, true, nil
}

// retention reads the newest metadata of a stream.
func (s *service) retention(ctx context.Context, stream string) (r retention, err error) {
	err = s.store.ReadStreamBackwards(ctx, metadataPrefix+stream, math.MaxUint64, func(e aggregates.Record) bool {
		if json.Unmarshal(open(e).data, &r) != nil {
			r = retention{}
		}
		return false
	})
	return r, err
}
