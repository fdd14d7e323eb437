package eventstoredb

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
)

// Types of a letter's events. A version of a letter is its parts, which say nothing by themselves, and then the event
// that makes them one.
const (
	letterKept = "DeadLetterKept"
	letterPart = "DeadLetterPart"
)

// letterDocument is the metadata of a version: the lines that were applied, and where its parts begin.
type letterDocument struct {
	Applied   []int32 `json:"applied,omitempty"`
	Parts     int     `json:"parts,omitempty"`
	FirstPart uint64  `json:"firstPart,omitempty,string"`
}

// encodeLetter writes a letter as JSON, or as protobuf when text in it is not Unicode.
func encodeLetter(x *ingest.DeadLetter) (esdb.EventData, error) {
	p := &pb.DeadLetter{
		DeadLetterId: x.ID, State: pb.DeadLetterState(x.State), Reason: x.Reason, Message: x.Message,
		Topic: x.Topic, Partition: x.Partition, Offset: x.Offset, Key: x.Key, Value: x.Value,
		ReceivedAt: codec.Timestamp(x.ReceivedAt), LastTriedAt: codec.Timestamp(x.LastTriedAt),
		Attempts: int32(min(x.Attempts, math.MaxInt32)), Note: x.Note, Location: x.Location,
	}
	for _, h := range x.Headers {
		p.Headers = append(p.Headers, &pb.Header{Key: h.Key, Value: h.Value})
	}
	if size := p.SizeVT(); size > MaxValueBytes {
		return esdb.EventData{}, fmt.Errorf("dead letter %.100q has %d bytes, at most %d are possible", x.ID, size, MaxValueBytes)
	}
	e := esdb.EventData{EventType: letterKept, ContentType: esdb.ContentTypeJson}
	var err error
	if e.Data, err = protojson.Marshal(p); err != nil {
		e.ContentType = esdb.ContentTypeBinary
		e.Data, err = p.MarshalVT()
	}
	return e, err
}

// decodeLetter reads a version whose parts have been put together.
func decodeLetter(id, contentType string, data []byte, d letterDocument) (ingest.DeadLetter, error) {
	var p pb.DeadLetter
	var err error
	if contentType == contentJSON {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, &p)
	} else {
		err = p.UnmarshalVT(data)
	}
	if err != nil {
		return ingest.DeadLetter{}, fmt.Errorf("dead letter %.100q is damaged: %w", id, err)
	}
	x := ingest.DeadLetter{
		ID: id, State: ingest.State(p.State), Reason: p.Reason, Message: p.Message,
		Topic: p.Topic, Partition: p.Partition, Offset: p.Offset, Key: p.Key, Value: p.Value,
		ReceivedAt: codec.Instant(p.ReceivedAt), LastTriedAt: codec.Instant(p.LastTriedAt),
		Attempts: int(p.Attempts), Note: p.Note, Location: p.Location, Applied: d.Applied,
	}
	for _, h := range p.Headers {
		x.Headers = append(x.Headers, ingest.Header{Key: h.Key, Value: h.Value})
	}
	return x, nil
}

// indexDocument says of a letter what lists need. Of several the one with the highest version counts.
type indexDocument struct {
	ID      string       `json:"id"` // written by escape
	State   ingest.State `json:"state"`
	Reason  string       `json:"reason"` // written by escape
	Version uint64       `json:"version,string"`
}

func (d indexDocument) event() (esdb.EventData, error) {
	data, err := json.Marshal(d)
	return esdb.EventData{EventType: "DeadLetterListed", ContentType: esdb.ContentTypeJson, Data: data}, err
}
