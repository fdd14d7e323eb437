package esdbserver

import (
	"bytes"
	"encoding/json"
	"reflect"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
)

// document is an event's contents as the protocol shows them.
type document struct {
	json       bool
	data, meta []byte
	created    aggregates.Instant
}

// An envelope keeps a document as it came. It is a protobuf message with field numbers far above those of
// stockfold.inventory.v1.Event, the first one a version: no canonical event begins like it, and a reader of canonical
// events finds one without a fact in it, which is an error there.
const (
	fieldVersion = 1001 + iota
	fieldCreated // microseconds since 1970, zigzag
	fieldJSON    // 1 for application/json
	fieldData
	fieldMeta
)

const envelopeVersion = 1

var envelopeStart = protowire.AppendVarint(protowire.AppendTag(nil, fieldVersion, protowire.VarintType), envelopeVersion)

func appendEnvelope(dst []byte, d document) []byte {
	dst = append(dst, envelopeStart...)
	dst = protowire.AppendVarint(protowire.AppendTag(dst, fieldCreated, protowire.VarintType), protowire.EncodeZigZag(int64(d.created)))
	if d.json {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, fieldJSON, protowire.VarintType), 1)
	}
	dst = protowire.AppendBytes(protowire.AppendTag(dst, fieldData, protowire.BytesType), d.data)
	return protowire.AppendBytes(protowire.AppendTag(dst, fieldMeta, protowire.BytesType), d.meta)
}

// parseEnvelope reads an envelope in place; ok is false for anything else.
func parseEnvelope(b []byte) (d document, ok bool) {
	if !bytes.HasPrefix(b, envelopeStart) {
		return d, false
	}
	for b = b[len(envelopeStart):]; len(b) > 0; {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return d, false
		}
		size := protowire.ConsumeFieldValue(field, kind, b[n:])
		if size < 0 {
			return d, false
		}
		value := b[n : n+size]
		b = b[n+size:]
		switch field {
		case fieldCreated:
			x, _ := protowire.ConsumeVarint(value)
			d.created = aggregates.Instant(protowire.DecodeZigZag(x))
		case fieldJSON:
			d.json = true
		case fieldData:
			d.data, _ = protowire.ConsumeBytes(value)
		case fieldMeta:
			d.meta, _ = protowire.ConsumeBytes(value)
		}
	}
	return d, true
}

// open gives a record's contents. They are valid as long as the record's.
func open(r aggregates.Record) document {
	if d, ok := parseEnvelope(r.Data); ok {
		return d
	}
	body, meta, err := codec.JSON(r.Type, r.Data)
	if err != nil {
		return document{data: r.Data}
	}
	return document{json: true, data: body, meta: meta, created: recordedAt(r)}
}

func recordedAt(r aggregates.Record) aggregates.Instant {
	p, err := codec.Proto(r)
	if err != nil {
		return 0
	}
	return codec.Instant(p.RecordedAt)
}

// seal gives what is stored for a document.
func seal(kind string, d document) []byte {
	if d.json {
		if data, ok := native(kind, d); ok {
			return data
		}
	}
	return appendEnvelope(make([]byte, 0, len(d.data)+len(d.meta)+32), d)
}

// native gives the canonical bytes of an event of ours, when they lead back to equal documents.
func native(kind string, d document) ([]byte, bool) {
	data, err := codec.FromJSON(kind, d.data, d.meta)
	if err != nil {
		return nil, false
	}
	again := open(aggregates.Record{NewEvent: aggregates.NewEvent{Type: kind, Data: data}})
	if !again.json || again.created == 0 || !sameJSON(again.data, d.data) || !sameJSON(again.meta, d.meta) {
		return nil, false
	}
	return data, true
}

// sameJSON tells whether two documents are equal but for spaces and the order of members.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, okX := parseJSON(a)
	y, okY := parseJSON(b)
	return okX && okY && reflect.DeepEqual(x, y)
}

func parseJSON(b []byte) (value any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, false
	}
	return value, !d.More()
}
