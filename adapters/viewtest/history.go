package viewtest

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/proto/codec"
)

// History is an event store that a test fills with facts of its own choice, as if they had been decided. One goroutine
// at a time may add facts.
type History struct {
	Store *pebble.Store
	Now   aggregates.Instant // when the next fact is recorded; each fact moves it on by a millisecond
	next  map[string]uint64  // length of each stream
}

// NewHistory opens an empty store in memory; it is closed when the test ends.
func NewHistory(t testing.TB) *History {
	t.Helper()
	store := must(pebble.Open("events", pebble.Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler),
		FreeBytes: func(string) (uint64, error) { return 1 << 40, nil }}))(t)
	t.Cleanup(func() { ok(t, store.Close()) })
	return &History{Store: store, Now: 1_700_000_000 * aggregates.Second, next: map[string]uint64{}}
}

// Add appends facts to a stream in one batch and returns the position of the last.
func (h *History) Add(t testing.TB, stream string, facts ...aggregates.Event) uint64 {
	t.Helper()
	events := make([]aggregates.NewEvent, len(facts))
	for i, fact := range facts {
		m := &aggregates.Metadata{OccurredAt: h.Now, RecordedAt: h.Now, CorrelationID: "c", Actor: "test"}
		events[i] = aggregates.NewEvent{Type: fact.EventType(), Data: must(codec.Encode(nil, fact, m))(t)}
		h.Now += aggregates.Second / 1000
	}
	return h.Append(t, stream, events...)
}

// Append appends encoded events to a stream and returns the position of the last.
func (h *History) Append(t testing.TB, stream string, events ...aggregates.NewEvent) uint64 {
	t.Helper()
	next := h.next[stream]
	for i := range events {
		events[i].ID = aggregates.NewEventID(stream, "test", int(next)+i, nil)
	}
	done := must(h.Store.Append(t.Context(), stream, next, events))(t)
	h.next[stream] = next + uint64(len(events))
	return done.Position
}

// SKU adds facts of a SKU.
func (h *History) SKU(t testing.TB, sku string, facts ...aggregates.Event) uint64 {
	t.Helper()
	return h.Add(t, aggregates.SKUPrefix+sku, facts...)
}

// Location defines an enabled location.
func (h *History) Location(t testing.TB, id string) uint64 {
	t.Helper()
	return h.Add(t, aggregates.LocationPrefix+id, &location.Defined{Name: id, Kind: "store", TimeZone: "UTC"})
}

// Channel defines a channel that sells from some locations.
func (h *History) Channel(t testing.TB, id string, buffer int64, sourcing ...string) uint64 {
	t.Helper()
	return h.Add(t, aggregates.ChannelPrefix+id, &channel.Defined{Name: id, Sourcing: sourcing, HoldSeconds: 900, Buffer: buffer})
}

// Replay calls each with every fact of the history, in the order of the store.
func (h *History) Replay(t testing.TB, each func(stream string, fact aggregates.Event, m aggregates.Metadata)) {
	t.Helper()
	end := must(h.Store.End(t.Context()))(t)
	sub := must(h.Store.Subscribe(t.Context(), 0))(t)
	defer sub.Close()
	for at := uint64(0); at < end; {
		b := must(sub.Next(t.Context()))(t)
		for _, r := range b.Records {
			fact, m, err := codec.Decode(r)
			ok(t, err)
			each(strings.Clone(r.Stream), fact, m)
		}
		at = b.Through
	}
}
