package esdbserver

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/commands"
)

// expected is what an append knows of its stream.
type expected int

const (
	expectAny expected = iota
	expectNoStream
	expectExists
	expectRevision
)

// write is one append on its way to the store.
type write struct {
	stream   string
	expected expected
	revision uint64 // with expectRevision
	events   []aggregates.NewEvent
	bytes    int
}

// written is what became of it: either a conflict, or where its last event stands.
type written struct {
	conflict bool
	next     uint64 // events of the stream; 0: there is no such stream
	position uint64 // 0 when nothing was appended
}

// newWrite checks a stream's name.
func (s *service) newWrite(stream string, e expected, revision uint64) (*write, error) {
	switch {
	case s.opts.ReadOnly:
		return nil, errReadOnly
	case stream == "":
		return nil, badRequest("the name of the stream is empty")
	case len(stream) > MaxStreamBytes:
		return nil, badRequest("the name of the stream has %d bytes, at most %d are possible", len(stream), MaxStreamBytes)
	case stream == "$all":
		return nil, &refusal{code: codes.PermissionDenied, message: "$all is not a stream that can be written", trailers: []string{"exception", "access-denied"}}
	}
	return &write{stream: stream, expected: e, revision: revision}, nil
}

// add takes a proposed event into the append.
func (s *service) add(w *write, id aggregates.EventID, properties map[string]string, data, meta []byte) error {
	kind, ok := properties["type"]
	if !ok || kind == "" {
		return missingProperty("type")
	}
	contentType, ok := properties["content-type"]
	if !ok {
		return missingProperty("content-type")
	}
	if len(kind) > MaxTypeBytes {
		return badRequest("event type %.40q… has %d bytes, at most %d are possible", kind, len(kind), MaxTypeBytes)
	}
	if kind == "$>" {
		return unsupported("link events are not supported by this server")
	}
	if w.bytes += len(kind) + len(data) + len(meta); w.bytes > s.opts.MaxAppendBytes {
		return appendTooLarge(s.opts.MaxAppendBytes)
	}
	if len(w.events) == MaxAppendEvents {
		return badRequest("the append has more than %d events", MaxAppendEvents)
	}
	d := document{json: contentType == "application/json", data: data, meta: meta, created: s.opts.Now()}
	if err := checkMetadata(w.stream, kind, d); err != nil {
		return err
	}
	stored := seal(kind, d)
	if len(stored) > MaxEventBytes {
		return eventTooLarge(id.String(), len(stored), MaxEventBytes)
	}
	w.events = append(w.events, aggregates.NewEvent{ID: id, Type: kind, Data: stored})
	return nil
}

// writer appends. Appends to one stream go one after the other, so that one without an expected revision is known again
// even while its first attempt is under way.
type writer struct {
	seed  maphash.Seed
	locks [1024]sync.Mutex

	mu     sync.Mutex
	recent *recent
}

func newWriter() *writer { return &writer{seed: maphash.MakeSeed(), recent: newRecent()} }

func (w *writer) lock(stream string) *sync.Mutex {
	return &w.locks[maphash.String(w.seed, stream)%uint64(len(w.locks))]
}

func (w *writer) find(x *write) (place, bool, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.recent.find(x.stream, x.events)
}

func (w *writer) learn(x *write, next, position uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := position + 1 - uint64(len(x.events))
	for i := range x.events {
		w.recent.add(x.events[i].ID, place{x.stream, next + uint64(i), first + uint64(i)})
	}
}

// write appends, or says what stands against it.
func (s *service) write(ctx context.Context, w *write) (written, error) {
	lock := s.writer.lock(w.stream)
	lock.Lock()
	defer lock.Unlock()
	if len(w.events) == 0 {
		return s.writeNothing(ctx, w)
	}
	switch w.expected {
	case expectNoStream:
		return s.writeAt(ctx, w, 0)
	case expectRevision:
		return s.writeAt(ctx, w, w.revision+1)
	}
	return s.writeAnywhere(ctx, w)
}

// writeNothing only compares the expectation.
func (s *service) writeNothing(ctx context.Context, w *write) (written, error) {
	next, err := s.head(ctx, w.stream)
	met := w.expected == expectAny || w.expected == expectExists && next > 0 || w.expected == expectNoStream && next == 0 ||
		w.expected == expectRevision && next == w.revision+1
	return written{conflict: !met, next: next}, err
}

func (s *service) writeAt(ctx context.Context, w *write, next uint64) (written, error) {
	got, err := s.store.Append(ctx, w.stream, next, w.events)
	var conflict *commands.ConflictError
	if errors.As(err, &conflict) {
		return written{conflict: true, next: conflict.Actual}, nil
	}
	if err != nil {
		return written{}, err
	}
	s.writer.learn(w, next, got.Position)
	return written{next: next + uint64(len(w.events)), position: got.Position}, nil
}

// writeAnywhere appends at the end, wherever that is by now.
func (s *service) writeAnywhere(ctx context.Context, w *write) (written, error) {
	last, repeated, mixed := s.writer.find(w)
	if repeated {
		return written{next: last.revision + 1, position: last.position}, nil
	}
	next, err := s.head(ctx, w.stream)
	if err != nil {
		return written{}, err
	}
	if mixed {
		return written{conflict: true, next: next}, nil
	}
	if w.expected == expectExists && next == 0 {
		described, err := s.head(ctx, metadataPrefix+strings.TrimPrefix(w.stream, metadataPrefix))
		if err != nil || described == 0 {
			return written{conflict: true}, err
		}
	}
	for range maxAttempts {
		got, err := s.writeAt(ctx, w, next)
		if err != nil || !got.conflict {
			return got, err
		}
		next = got.next
	}
	return written{}, &refusal{code: codes.Aborted, message: fmt.Sprintf("Operation timed out: others wrote stream %q %d times meanwhile", w.stream, maxAttempts)}
}
