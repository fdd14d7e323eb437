package esdbserver_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
)

func TestOurEventsAppearAsJSON(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.sell("sku-tea", 0, 1)
	e := w.read("sku-tea", esdb.ReadStreamOptions{}, 10)[0]
	if e.EventType != "StockSold" || e.ContentType != "application/json" || e.StreamID != "sku-tea" || e.EventID != uuid.UUID(aggregates.NewEventID("sku-tea", "0", 0, nil)) {
		t.Errorf("got %+v", e)
	}
	if want := `{"location":"berlin","quantity":"1","channel":"web"}`; string(e.Data) != want {
		t.Errorf("data is %s", e.Data)
	}
	want := `{"$correlationId":"order-9","$causationId":"msg-1","occurredAt":"2026-01-01T12:00:00Z","recordedAt":"2026-01-01T12:00:00.123456Z","actor":"pos"}`
	if string(e.UserMetadata) != want {
		t.Errorf("metadata is %s", e.UserMetadata)
	}
	if at := time.UnixMicro(1_767_268_800_123_456); !e.CreatedDate.Equal(at) {
		t.Errorf("created at %v, want %v", e.CreatedDate, at)
	}
}

// JSON that arrives is stored as protobuf where that leads back to an equal document.
func TestJSONOfOursIsStoredAsProtobuf(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	data := []byte(`{ "channel": "web", "quantity": "3", "location": "köln" }`)
	meta := []byte(`{"recordedAt": "2026-01-01T12:00:00Z", "$correlationId": "c"}`)
	w.append("sku-tea", esdb.NoStream{}, esdb.EventData{EventID: uuid.New(), EventType: "StockSold", ContentType: esdb.ContentTypeJson, Data: data, Metadata: meta})
	var stored aggregates.Record
	if err := w.store.ReadStream(w.ctx, "sku-tea", 0, func(r aggregates.Record) bool {
		stored = r
		stored.Data = bytes.Clone(r.Data)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	fact, m, err := codec.Decode(stored)
	if err != nil || *fact.(*stock.StockSold) != (stock.StockSold{Location: "köln", Quantity: 3, Channel: "web"}) || m.CorrelationID != "c" {
		t.Errorf("stored %+v, %+v, %v", fact, m, err)
	}
	e := w.read("sku-tea", esdb.ReadStreamOptions{}, 1)[0]
	if !equalJSON(e.Data, data) || !equalJSON(e.UserMetadata, meta) {
		t.Errorf("came back as %s, %s", e.Data, e.UserMetadata)
	}
}

// What is not exactly an event of ours comes back byte for byte, whatever its type and stream.
func TestForeignEventsComeBackAsTheyCame(t *testing.T) {
	at := aggregates.Instant(1_800_000_000_000_007)
	w := newWorld(t, esdbserver.Options{Now: func() aggregates.Instant { return at }})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, e := range []esdb.EventData{
		{EventType: "NoteTaken", ContentType: esdb.ContentTypeJson, Data: []byte(`{"a":  1.50, "b": [null, "\u00e4"] }`), Metadata: []byte(`{"x": 1}`)},
		{EventType: "NoteTaken", ContentType: esdb.ContentTypeJson, Data: []byte(`not even JSON`)},
		{EventType: "NoteTaken", ContentType: esdb.ContentTypeBinary, Data: all, Metadata: all},
		{EventType: "größe/\x01", ContentType: esdb.ContentTypeBinary},
		{EventType: "StockSold", ContentType: esdb.ContentTypeJson, Data: []byte(`{"location": "berlin", "quantity": "1"}`)},                                                    // not recorded at any time
		{EventType: "StockSold", ContentType: esdb.ContentTypeJson, Data: []byte(`{"quantity": 1}`), Metadata: []byte(`{"recordedAt": "2026-01-01T12:00:00Z"}`)},                // a number, not text
		{EventType: "StockSold", ContentType: esdb.ContentTypeJson, Data: []byte(`{"quantity": "1", "colour": 3}`), Metadata: []byte(`{"recordedAt": "2026-01-01T12:00:00Z"}`)}, // a member more
		{EventType: "StockSold", ContentType: esdb.ContentTypeJson, Data: []byte(`{"quantity": "1"}`), Metadata: []byte(`{"recordedAt": "2026-01-01T12:00:00Z", "$by": "x"}`)},
		{EventType: "StockSold", ContentType: esdb.ContentTypeBinary, Data: sold(t, "s", 1).Data},
	} {
		e.EventID = uuid.New()
		for _, stream := range []string{"notes", "sku-tea"} {
			w.append(stream, esdb.Any{}, e)
			got := w.read(stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)[0]
			contentType := map[esdb.ContentType]string{esdb.ContentTypeJson: "application/json", esdb.ContentTypeBinary: "application/octet-stream"}[e.ContentType]
			if !bytes.Equal(got.Data, e.Data) || !bytes.Equal(got.UserMetadata, e.Metadata) || got.EventType != e.EventType || got.EventID != e.EventID ||
				got.ContentType != contentType || !got.CreatedDate.Equal(at.Time()) {
				t.Errorf("event %d came back as %+v", i, got)
			}
		}
	}
}

// What else lies in a store is shown as the bytes it is.
func TestBytesOfNoFormAppearAsTheyAre(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	data := []byte("\xff\x00 neither")
	if _, err := w.store.Append(w.ctx, "x", 0, []aggregates.NewEvent{{ID: aggregates.EventID{1}, Type: "StockSold", Data: data}}); err != nil {
		t.Fatal(err)
	}
	e := w.read("x", esdb.ReadStreamOptions{}, 1)[0]
	if !bytes.Equal(e.Data, data) || e.ContentType != "application/octet-stream" || len(e.UserMetadata) > 0 {
		t.Errorf("got %+v", e)
	}
}
