package esdbserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
)

// world is a server over a store in memory, with the official client.
type world struct {
	*testing.T
	ctx    context.Context
	store  *pebble.Store
	server *esdbserver.Server
	addr   string
	client *esdb.Client
}

func newWorld(t *testing.T, opts esdbserver.Options) *world {
	t.Helper()
	store, err := pebble.Open("events", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return serve(t, store, opts)
}

// serve starts a server over a store.
func serve(t *testing.T, store *pebble.Store, opts esdbserver.Options) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // ends a test that hangs
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, store: store}
	server, err := esdbserver.New(ctx, store, opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.server, w.addr = server, l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Kill()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	config, err := esdb.ParseConnectionString("esdb://" + w.addr + "?tls=false&keepAliveInterval=-1")
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	if w.client, err = esdb.NewClient(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.client.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// dial connects without a client in between.
func (w *world) dial() *grpc.ClientConn {
	w.Helper()
	conn, err := grpc.NewClient(w.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	return conn
}

// note is a foreign event: the n-th of its stream, in JSON.
func note(n int) esdb.EventData {
	return esdb.EventData{EventID: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)), EventType: "NoteTaken", ContentType: esdb.ContentTypeJson,
		Data: fmt.Appendf(nil, `{"n": %d}`, n)}
}

func notes(from, count int) []esdb.EventData {
	list := make([]esdb.EventData, count)
	for i := range list {
		list[i] = note(from + i)
	}
	return list
}

// append appends and must succeed.
func (w *world) append(stream string, expected esdb.ExpectedRevision, events ...esdb.EventData) *esdb.WriteResult {
	w.Helper()
	got, err := w.client.AppendToStream(w.ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, events...)
	if err != nil {
		w.Fatalf("append to %q: %v", stream, err)
	}
	return got
}

// refused appends and must fail with a code.
func (w *world) refused(code esdb.ErrorCode, stream string, expected esdb.ExpectedRevision, events ...esdb.EventData) string {
	w.Helper()
	got, err := w.client.AppendToStream(w.ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, events...)
	var e *esdb.Error
	if !errors.As(err, &e) || e.Code() != code {
		w.Fatalf("append to %q: %+v, %v, want error code %d", stream, got, err, code)
	}
	return err.Error()
}

// collect takes everything that a read gives.
func (w *world) collect(s *esdb.ReadStream, err error) []*esdb.RecordedEvent {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	defer s.Close()
	var list []*esdb.RecordedEvent
	for {
		e, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			w.Fatal(err)
		}
		list = append(list, e.Event)
	}
}

func (w *world) read(stream string, opts esdb.ReadStreamOptions, count uint64) []*esdb.RecordedEvent {
	w.Helper()
	return w.collect(w.client.ReadStream(w.ctx, stream, opts, count))
}

func (w *world) readAll(opts esdb.ReadAllOptions, count uint64) []*esdb.RecordedEvent {
	w.Helper()
	return w.collect(w.client.ReadAll(w.ctx, opts, count))
}

// has asserts the revisions of events, in order.
func (w *world) has(list []*esdb.RecordedEvent, want ...uint64) {
	w.Helper()
	got := []uint64{}
	for _, e := range list {
		got = append(got, e.EventNumber)
	}
	if !reflect.DeepEqual(got, append([]uint64{}, want...)) {
		w.Fatalf("got revisions %v, want %v", got, want)
	}
}

// sold is an event of ours as the service stores it.
func sold(t *testing.T, stream string, n int) aggregates.NewEvent {
	t.Helper()
	data, err := codec.Encode(nil, &stock.StockSold{Location: "berlin", Quantity: int64(n) + 1, Channel: "web"}, &aggregates.Metadata{
		OccurredAt: 1_767_268_800_000_000, RecordedAt: 1_767_268_800_123_456, CorrelationID: "order-9", CausationID: "msg-1", Actor: "pos"})
	if err != nil {
		t.Fatal(err)
	}
	return aggregates.NewEvent{ID: aggregates.NewEventID(stream, fmt.Sprint(n), 0, nil), Type: "StockSold", Data: data}
}

func (w *world) sell(stream string, next, count int) {
	w.Helper()
	var list []aggregates.NewEvent
	for n := range count {
		list = append(list, sold(w.T, stream, next+n))
	}
	if _, err := w.store.Append(w.ctx, stream, uint64(next), list); err != nil {
		w.Fatal(err)
	}
}

func equalJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
