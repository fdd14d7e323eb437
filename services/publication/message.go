package publication

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Topic and type of the messages, a contract.
const (
	Topic = "stockfold.availability.v1"
	Type  = "stockfold.availability.v1"
)

// What every message says, shared by all of them.
var (
	specVersion = []byte("1.0")
	eventType   = []byte(Type)
	contentType = []byte("application/json")
)

// message is the CloudEvent of a value.
func message(source []byte, a *projection.Availability) Message {
	sku, at := []byte(a.SKU), a.RecordedAt.Time().AppendFormat(nil, time.RFC3339Nano)
	return Message{
		Topic: Topic,
		Key:   sku,
		Value: appendChanged(make([]byte, 0, 240+len(a.SKU)+len(a.Channel)), a, at),
		Headers: []Header{
			{"ce_specversion", specVersion},
			{"ce_id", eventID(a)},
			{"ce_source", source},
			{"ce_type", eventType},
			{"ce_subject", sku},
			{"ce_time", at},
			{"content-type", contentType},
		},
	}
}

// eventID follows from the value, so that readers recognise one that is published again. The position alone does not
// tell: a change of policy changes many values.
func eventID(a *projection.Availability) []byte {
	parts := [7]string{a.SKU, a.Channel, strconv.FormatInt(a.ATS, 10), strconv.FormatBool(a.Known)}
	said := 4
	if a.Standing > stock.OutOfStock || a.Standing == stock.LowStock || a.Beyond != 0 || a.NextAt != 0 { // under rules
		parts[4], parts[5], parts[6] = a.Standing.String(), strconv.FormatInt(a.Beyond, 10), strconv.FormatInt(int64(a.NextAt), 10)
		said = 7
	}
	f := aggregates.Fingerprint(parts[:said]...)
	id := append(strconv.AppendUint(make([]byte, 0, 32), a.Position, 10), '-')
	return strconv.AppendUint(id, f, 16)
}

// appendChanged appends the JSON mapping of an AvailabilityChanged. It is written by hand: the library takes ten times as
// long and reflects on every field.
func appendChanged(b []byte, a *projection.Availability, at []byte) []byte {
	b = append(b, `{"availability":{"sku":`...)
	b = appendText(b, a.SKU)
	b = append(b, `,"channel":`...)
	b = appendText(b, a.Channel)
	b = append(b, `,"ats":"`...)
	b = strconv.AppendInt(b, a.ATS, 10)
	b = append(b, `","decimals":`...)
	b = strconv.AppendInt(b, int64(a.Decimals), 10)
	b = append(b, `,"known":`...)
	b = strconv.AppendBool(b, a.Known)
	b = append(b, `,"position":"`...)
	b = strconv.AppendUint(b, a.Position, 10)
	b = append(b, `","asOf":"`...)
	b = append(b, at...)
	b = append(b, '"')
	if a.Standing != 0 {
		b = append(b, `,"status":"`...)
		b = append(b, pb.AvailabilityStatus(a.Standing).String()...) // the names are in the same order
		b = append(b, '"')
	}
	if a.Beyond != 0 {
		b = append(b, `,"beyond":"`...)
		b = append(strconv.AppendInt(b, a.Beyond, 10), '"')
	}
	if a.NextAt != 0 {
		b = append(b, `,"nextAvailableAt":"`...)
		b = append(a.NextAt.Time().AppendFormat(b, time.RFC3339Nano), '"')
	}
	return append(b, `}}`...)
}

// appendText appends a JSON string.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil { // never: a string always has a JSON form
				quoted = []byte(`""`)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
