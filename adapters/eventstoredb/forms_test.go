package eventstoredb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
)

// raw is the official client on the same server, as any other program would use it.
func (s *scene) raw() *esdb.Client {
	s.Helper()
	config, err := esdb.ParseConnectionString(s.node.url())
	if err != nil {
		s.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	c, err := esdb.NewClient(config)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close() })
	return c
}

// newest reads the newest event of a stream as another program sees it.
func (s *scene) newest(stream string) *esdb.RecordedEvent {
	s.Helper()
	r, err := s.raw().ReadStream(s.ctx, stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	if err != nil {
		s.Fatal(err)
	}
	defer r.Close()
	e, err := r.Recv()
	if err != nil {
		s.Fatalf("stream %s: %v", stream, err)
	}
	return e.Event
}

func sold(t *testing.T, quantity int64) aggregates.NewEvent {
	t.Helper()
	data, err := codec.Encode(nil, &stock.StockSold{Location: "berlin", Quantity: quantity}, &aggregates.Metadata{
		RecordedAt: 1_767_268_800_000_000, CorrelationID: "order-9", CausationID: "msg-1", IdempotencyKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	return aggregates.NewEvent{ID: aggregates.NewEventID("sku-tea", fmt.Sprint(quantity), 0, nil), Type: "StockSold", Data: data}
}

// Others see our events as JSON, and we get our bytes back.
func TestEventsAreJSONForOthers(t *testing.T) {
	s := newScene(t)
	want := sold(t, 3)
	if _, err := s.store.Append(s.ctx, "sku-tea", 0, []aggregates.NewEvent{want}); err != nil {
		t.Fatal(err)
	}
	e := s.newest("sku-tea")
	if e.ContentType != "application/json" || string(e.Data) != `{"location":"berlin","quantity":"3"}` ||
		string(e.UserMetadata) != `{"$correlationId":"order-9","$causationId":"msg-1","recordedAt":"2026-01-01T12:00:00Z","idempotencyKey":"k"}` {
		t.Errorf("others see %s, %s, %s", e.ContentType, e.Data, e.UserMetadata)
	}
	if err := s.store.ReadStream(s.ctx, "sku-tea", 0, func(r aggregates.Record) bool {
		if r.ID != want.ID || r.Type != want.Type || !bytes.Equal(r.Data, want.Data) {
			t.Errorf("got %+v, want %+v", r, want)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
}

// What others write into a stream of ours is an event of a type that is not known, never damage.
func TestEventsOfOthers(t *testing.T) {
	s := newScene(t)
	_, err := s.raw().AppendToStream(s.ctx, "sku-tea", esdb.AppendToStreamOptions{}, esdb.EventData{EventID: uuid.New(), EventType: "PriceChanged",
		ContentType: esdb.ContentTypeJson, Data: []byte(`{"price": 1.5}`), Metadata: []byte(`[1]`)})
	if err != nil {
		t.Fatal(err)
	}
	err = s.store.ReadStream(s.ctx, "sku-tea", 0, func(r aggregates.Record) bool {
		var unknown *codec.UnknownTypeError
		if _, _, err := codec.Decode(r); !errors.As(err, &unknown) || unknown.Type != "PriceChanged" {
			t.Errorf("got %+v, %v", r, err)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStreamsBesideEventsKeepOnlyTheNewest(t *testing.T) {
	s := newScene(t)
	for n := range uint64(3) {
		if err := errors.Join(s.store.SaveCheckpoint(s.ctx, "p%", n), s.store.SaveOffset(s.ctx, "t", 7, ingest.Progress{Next: 1}),
			s.store.SaveSnapshot(s.ctx, "sku-tea", "stock/1", commands.Snapshot{Next: n, Data: make([]byte, 1_200_000)})); err != nil {
			t.Fatal(err)
		}
	}
	c := s.raw()
	for _, stream := range []string{"stockfold-checkpoint-p%25", "stockfold-progress-7-t", "stockfold-snapshot-sku-tea", "stockfold-part-1-sku-tea", "stockfold-part-2-sku-tea"} {
		m, err := c.GetStreamMetadata(s.ctx, stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}})
		if err != nil || m.MaxCount() == nil || *m.MaxCount() != 1 {
			t.Errorf("metadata of %s: %+v, %v", stream, m, err)
		}
		if e := s.newest(stream); e.EventNumber != 2 {
			t.Errorf("the newest event of %s is %d", stream, e.EventNumber)
		}
	}
}

// A snapshot with a part of another one is none.
func TestASnapshotOfMixedPartsIsNone(t *testing.T) {
	s := newScene(t)
	x := commands.Snapshot{Next: 1, Data: bytes.Repeat([]byte("x"), 600<<10)}
	if err := s.store.SaveSnapshot(s.ctx, "sku-tea", "v", x); err != nil {
		t.Fatal(err)
	}
	if _, err := s.raw().AppendToStream(s.ctx, "stockfold-part-1-sku-tea", esdb.AppendToStreamOptions{}, esdb.EventData{EventType: "SnapshotPartSaved", Data: []byte("y")}); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.store.LoadSnapshot(s.ctx, "sku-tea", "v"); ok || err != nil {
		t.Errorf("got %d bytes, %v, %v", len(got.Data), ok, err)
	}
	if err := s.store.SaveSnapshot(s.ctx, "sku-tea", "v", x); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.store.LoadSnapshot(s.ctx, "sku-tea", "v"); !ok || err != nil || !bytes.Equal(got.Data, x.Data) {
		t.Errorf("got %d bytes, %v, %v", len(got.Data), ok, err)
	}
}

// The parts of a letter that was never finished are passed over; a change that the list missed is made up for.
func TestALetterThatWasNotFinished(t *testing.T) {
	s := newScene(t)
	letters, c := s.store.DeadLetters(), s.raw()
	x := ingest.DeadLetter{ID: "0001/ä\xff", State: ingest.Open, Reason: "MALFORMED", Value: bytes.Repeat([]byte("v"), 1<<20), ReceivedAt: 5}
	var err error
	if x.Version, err = letters.Put(s.ctx, x); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.AppendToStream(s.ctx, "stockfold-letter-0001/ä%FF", esdb.AppendToStreamOptions{}, esdb.EventData{EventType: "DeadLetterPart", Data: []byte("half")}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := letters.Get(s.ctx, x.ID); err != nil || !bytes.Equal(got.Value, x.Value) {
		t.Errorf("got %d bytes, %v", len(got.Value), err)
	}
	x.State, x.ReceivedAt = ingest.Discarded, 9
	if _, err := letters.Put(s.ctx, x); err != nil {
		t.Fatal(err)
	}
	// The list hears of the older state as if it were newer than all.
	if _, err := c.AppendToStream(s.ctx, "stockfold-letters", esdb.AppendToStreamOptions{}, esdb.EventData{EventType: "DeadLetterListed", ContentType: esdb.ContentTypeJson,
		Data: []byte(`{"id": "0001/ä%FF", "state": 1, "reason": "MALFORMED", "version": "8"}`)}); err != nil {
		t.Fatal(err)
	}
	if list, more, err := letters.List(s.ctx, ingest.Query{Limit: 5}); len(list) != 0 || more || err != nil {
		t.Errorf("open letters: %d, %v, %v", len(list), more, err)
	}
	if got, err := letters.Get(s.ctx, x.ID); err != nil || got.State != ingest.Discarded || got.ReceivedAt != 5 {
		t.Errorf("got state %d received at %d, %v", got.State, got.ReceivedAt, err)
	}
}

// A subscription gets to the store's end also when the server has no reason to say how far it is.
// A letter whose keeper was cut off before it was listed is listed when the same message comes again.
func TestALetterThatWasNotListed(t *testing.T) {
	s := newScene(t)
	letters := s.store.DeadLetters()
	if _, err := s.raw().AppendToStream(s.ctx, "stockfold-letter-0002", esdb.AppendToStreamOptions{}, esdb.EventData{EventType: "DeadLetterKept",
		ContentType: esdb.ContentTypeJson, Data: []byte(`{"deadLetterId": "0002", "state": 1, "reason": "MALFORMED"}`), Metadata: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := letters.Put(s.ctx, ingest.DeadLetter{ID: "0002", State: ingest.Open, Reason: "MALFORMED"}); !errors.Is(err, ingest.ErrLetterChanged) {
			t.Fatalf("got %v", err)
		}
	}
	if list, _, err := letters.List(s.ctx, ingest.Query{Limit: 5}); err != nil || len(list) != 1 || list[0].ID != "0002" {
		t.Errorf("listed %+v, %v", list, err)
	}
	if n, err := letters.CountOpen(s.ctx); err != nil || n != 1 {
		t.Errorf("%d are open, %v", n, err)
	}
	if got := streamEnd(s, "stockfold-letters"); got != 1 {
		t.Errorf("it was listed %d times", got)
	}
}

func streamEnd(s *scene, stream string) uint64 {
	s.Helper()
	r, err := s.raw().ReadStream(s.ctx, stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	if err != nil {
		s.Fatal(err)
	}
	defer r.Close()
	e, err := r.Recv()
	if err != nil {
		s.Fatal(err)
	}
	return e.Event.EventNumber + 1
}

func TestASubscriptionGetsToTheEndOfWhatIsNotForIt(t *testing.T) {
	s := newScene(t)
	sub := s.subscribe("channel-")
	large := make([]byte, 600<<10)
	for n := range 5 + 20 {
		e := esdb.EventData{EventType: "X", Data: []byte("x")}
		if n >= 5 {
			e.Data = large
		}
		if _, err := s.raw().AppendToStream(s.ctx, "elsewhere", esdb.AppendToStreamOptions{}, e); err != nil {
			t.Fatal(err)
		}
	}
	end, err := s.store.End(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, err := sub.Next(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records) > 0 || b.Through > end {
			t.Fatalf("got %+v, the store ends at %d", b, end)
		}
		if b.Through == end {
			return
		}
	}
}

// Without prefixes a subscription hands out events, not what is kept beside them.
func TestASubscriptionToAllEvents(t *testing.T) {
	s := newScene(t)
	sub, seen := s.subscribe(), map[string]int{}
	s.append("sku-a", 0)
	if err := s.store.SaveCheckpoint(s.ctx, "p", 1); err != nil {
		t.Fatal(err)
	}
	s.append("channel-x", 0)
	s.receives(sub, seen, 2)
	if len(seen) != 2 || seen["sku-a"] != 1 || seen["channel-x"] != 1 {
		t.Errorf("got %v", seen)
	}
}

func TestAnAppendThatTheServerFindsTooLarge(t *testing.T) {
	s := newScene(t)
	s.append("sku-a", 0)
	list := make([]aggregates.NewEvent, 3)
	for i := range list {
		list[i] = event("sku-a", i+1)
		list[i].Data = make([]byte, 500<<10)
	}
	_, err := s.store.Append(s.ctx, "sku-a", 1, list)
	if err == nil || errors.Is(err, commands.ErrUnavailable) || !strings.Contains(err.Error(), "MaxAppendSize") {
		t.Errorf("got %v, want an error that names the server's limit", err)
	}
	if n := s.length("sku-a"); n != 1 {
		t.Errorf("%d events", n)
	}
	s.append("sku-a", 1)
}

func TestAServerThatOnlyReadsSaysSo(t *testing.T) {
	s := newScene(t)
	s.append("sku-a", 0)
	readOnly := newNode(t, s.node.data, esdbserver.Options{ReadOnly: true})
	r := &scene{T: t, ctx: s.ctx, node: readOnly, store: open(t, readOnly.url(), options())}
	if n := r.length("sku-a"); n != 1 {
		t.Errorf("%d events", n)
	}
	_, err := r.store.Append(s.ctx, "sku-a", 1, []aggregates.NewEvent{event("sku-a", 1)})
	if !errors.Is(err, commands.ErrUnavailable) || errors.Is(err, commands.ErrUnknownOutcome) || !strings.Contains(err.Error(), "only reads") {
		t.Errorf("got %v", err)
	}
	if r.store.ID() != s.store.ID() {
		t.Errorf("one store has the identities %s and %s", r.store.ID(), s.store.ID())
	}
}

func TestBoundsOfNamesAndValues(t *testing.T) {
	s := newScene(t)
	long := strings.Repeat("n", 1025)
	large := make([]byte, 16<<20+1)
	for what, err := range map[string]error{
		"append":                second(s.store.Append(s.ctx, long, 0, []aggregates.NewEvent{event("x", 0)})),
		"append without a name": second(s.store.Append(s.ctx, "", 0, []aggregates.NewEvent{event("x", 0)})),
		"checkpoint":            s.store.SaveCheckpoint(s.ctx, long, 1),
		"offset":                s.store.SaveOffset(s.ctx, "", 1, ingest.Progress{}),
		"schema":                s.store.SaveSnapshot(s.ctx, "sku-a", long, commands.Snapshot{}),
		"snapshot":              s.store.SaveSnapshot(s.ctx, "sku-a", "v", commands.Snapshot{Data: large}),
		"letter's id":           second(s.store.DeadLetters().Put(s.ctx, ingest.DeadLetter{ID: long, State: ingest.Open})),
		"letter's state":        second(s.store.DeadLetters().Put(s.ctx, ingest.DeadLetter{ID: "x"})),
		"letter":                second(s.store.DeadLetters().Put(s.ctx, ingest.DeadLetter{ID: "x", State: ingest.Open, Value: large})),
	} {
		if err == nil || errors.Is(err, commands.ErrUnavailable) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if err := s.store.ReadStream(s.ctx, "sku-a", math.MaxUint64, func(aggregates.Record) bool { return true }); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// Calls without a deadline end too.
func TestCallsWithoutADeadlineEnd(t *testing.T) {
	n := newNode(t, newData(t), esdbserver.Options{})
	opts := options()
	opts.Timeout = 50 * time.Millisecond
	s := open(t, n.url(), opts)
	n.kill()
	if _, err := s.End(context.Background()); !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
