package codec

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stockfold/stockfold/aggregates"
)

// IDKind says what an id that an event carries is the id of.
type IDKind uint8

// Kinds of ids.
const (
	IDEvent       IDKind = iota // the event's own
	IDCorrelation               // what the business action is called
	IDCause                     // what directly caused it
	IDMessage                   // of the source's message
	IDDocument                  // receipt, order, ASN, count, transfer
	IDReservation
	IDOrder
)

// String is the kind in words.
func (k IDKind) String() string {
	return [...]string{"event", "correlation", "cause", "message", "document", "reservation", "order"}[k]
}

// Fields of stockfold.inventory.v1.Event and its Source that are looked at.
const (
	fieldRecordedAt, fieldSource, fieldCorrelation, fieldCausation = 7, 8, 9, 10
	firstPayload                                                   = 20

	sourceDocument, sourceMessage = 2, 5
)

// idNames are the fields of facts that hold ids.
var idNames = map[protoreflect.Name]IDKind{
	"reservation_id": IDReservation, "order_id": IDOrder, "document": IDDocument, "transfer_id": IDDocument,
}

// factIDs are those fields by number, of each fact by its number in the event.
var factIDs = func() map[protowire.Number]map[protowire.Number]IDKind {
	all := map[protowire.Number]map[protowire.Number]IDKind{}
	for i := range payloads.Fields().Len() {
		fact := payloads.Fields().Get(i)
		ids := map[protowire.Number]IDKind{}
		for name, kind := range idNames {
			if f := fact.Message().Fields().ByName(name); f != nil && f.Kind() == protoreflect.StringKind {
				ids[f.Number()] = kind
			}
		}
		if len(ids) > 0 {
			all[fact.Number()] = ids
		}
	}
	return all
}()

// EachID calls each with the ids that a stored event carries, but for its own and that of its stream's order, and returns when the event was recorded. It decodes nothing
// else, so that an index costs little. What is handed out is valid as long as the record's data.
func EachID(r *aggregates.Record, each func(kind IDKind, id []byte)) (recorded aggregates.Instant, err error) {
	err = eachField(cut(r.Data), func(field protowire.Number, value []byte) {
		switch {
		case field == fieldCorrelation:
			each(IDCorrelation, value)
		case field == fieldCausation:
			each(IDCause, value)
		case field == fieldRecordedAt:
			recorded = instantOf(value)
		case field == fieldSource:
			_ = eachField(value, func(field protowire.Number, value []byte) {
				switch field {
				case sourceDocument:
					each(IDDocument, value)
				case sourceMessage:
					each(IDMessage, value)
				}
			})
		case field >= firstPayload && factIDs[field] != nil:
			ids := factIDs[field]
			_ = eachField(value, func(field protowire.Number, value []byte) {
				if kind, ok := ids[field]; ok && len(value) > 0 {
					each(kind, value)
				}
			})
		}
	})
	if err != nil {
		return 0, fmt.Errorf("event %d of stream %q (%s) is damaged: %w", r.Revision, r.Stream, r.Type, err)
	}
	return recorded, nil
}

// eachField calls each with the fields of a message that are bytes, texts or messages.
func eachField(b []byte, each func(field protowire.Number, value []byte)) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		each(field, value)
	}
	return nil
}

// instantOf reads a google.protobuf.Timestamp; what cannot be read is 0.
func instantOf(b []byte) aggregates.Instant {
	var parts [3]uint64
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 || kind != protowire.VarintType || field > 2 {
			return 0
		}
		value, m := protowire.ConsumeVarint(b[n:])
		if m < 0 {
			return 0
		}
		parts[field], b = value, b[n+m:]
	}
	return aggregates.Instant(int64(parts[1]))*aggregates.Second + aggregates.Instant(int64(parts[2])/1000)
}
