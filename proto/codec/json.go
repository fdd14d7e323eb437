package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Keys that EventStoreDB gives a meaning to, and the fields that stand for them.
const (
	CorrelationKey = "$correlationId"
	CausationKey   = "$causationId"

	correlationField = "correlationId"
	causationField   = "causationId"
)

// ErrNoJSON says that stored bytes have no JSON form that leads back to the very same bytes.
var ErrNoJSON = errors.New("no JSON form")

// ErrNotOurs says that a JSON document is not that of an event which this version knows.
var ErrNotOurs = errors.New("not an event of this version")

var jsonReader = protojson.UnmarshalOptions{DiscardUnknown: true}

// JSON gives the JSON form of stored bytes, as EventStoreDB keeps it: body is the fact's own message in the JSON mapping
// of protobuf, meta is everything else the event carries in the same mapping, with CorrelationKey and CausationKey for
// what EventStoreDB knows by these names. It returns ErrNoJSON when FromJSON could not give the same bytes back: they are
// not canonical, hold fields that this version does not know, or another fact than the type says.
func JSON(eventType string, data []byte) (body, meta []byte, err error) {
	var p pb.Event
	if err := p.UnmarshalVT(data); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrNoJSON, err)
	}
	payload := payloadField(eventType)
	m := p.ProtoReflect()
	if payload == nil || !m.Has(payload) || hasUnknown(m) {
		return nil, nil, fmt.Errorf("%w: not a canonical %s", ErrNoJSON, eventType)
	}
	if again, err := p.MarshalVT(); err != nil || !bytes.Equal(again, data) {
		return nil, nil, fmt.Errorf("%w: %s is not in its canonical form", ErrNoJSON, eventType)
	}
	if body, err = compact(m.Get(payload).Message()); err != nil {
		return nil, nil, err
	}
	m.Clear(payload)
	if meta, err = compact(m); err != nil {
		return nil, nil, err
	}
	meta, err = rename(meta, correlationField, CorrelationKey, causationField, CausationKey)
	return body, meta, err
}

// FromJSON gives the stored bytes of an event's JSON form. Members that this version does not know are passed over. It
// returns ErrNotOurs when the type is not known, or the documents are not those of such an event. For a type that is not
// known, data still holds the metadata, as far as it can be read.
func FromJSON(eventType string, body, meta []byte) (data []byte, err error) {
	var p pb.Event
	if len(meta) > 0 {
		if meta, err = rename(meta, CorrelationKey, correlationField, CausationKey, causationField); err != nil {
			return nil, err
		}
		if err := jsonReader.Unmarshal(meta, &p); err != nil {
			return nil, fmt.Errorf("%w: metadata of %s: %v", ErrNotOurs, eventType, err)
		}
	}
	m := p.ProtoReflect()
	if oneof := m.WhichOneof(payloads); oneof != nil {
		return nil, fmt.Errorf("%w: metadata of %s holds a fact", ErrNotOurs, eventType)
	}
	payload := payloadField(eventType)
	if payload == nil {
		data, err := p.MarshalVT()
		return data, errors.Join(fmt.Errorf("%w: type %q", ErrNotOurs, eventType), err)
	}
	fact := m.NewField(payload)
	if err := jsonReader.Unmarshal(body, fact.Message().Interface()); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrNotOurs, eventType, err)
	}
	m.Set(payload, fact)
	return p.MarshalVT()
}

var payloads = (&pb.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("payload")

// payloadFields finds the field of a fact by its event type.
var payloadFields = func() map[string]protoreflect.FieldDescriptor {
	all := map[string]protoreflect.FieldDescriptor{}
	for i := range payloads.Fields().Len() {
		f := payloads.Fields().Get(i)
		all[string(f.Message().Name())] = f
	}
	return all
}()

func payloadField(eventType string) protoreflect.FieldDescriptor { return payloadFields[eventType] }

// hasUnknown tells whether a message, or one within it, holds fields of a newer version.
func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	found := false
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				found = found || hasUnknown(v.List().Get(i).Message())
			}
		default:
			found = hasUnknown(v.Message())
		}
		return !found
	})
	return found
}

// compact writes a message without the spaces that protojson puts in at random.
func compact(m protoreflect.Message) ([]byte, error) {
	text, err := protojson.Marshal(m.Interface())
	if err != nil || !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: %v", ErrNoJSON, err)
	}
	var out bytes.Buffer
	out.Grow(len(text))
	err = json.Compact(&out, text)
	return out.Bytes(), err
}

// rename changes names of an object's members, given in pairs of old and new; a member of the new name must not be there.
func rename(object []byte, names ...string) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotOurs, err)
	}
	for i := 0; i < len(names); i += 2 {
		value, ok := members[names[i]]
		if _, taken := members[names[i+1]]; taken {
			return nil, fmt.Errorf("%w: member %s has no meaning there", ErrNotOurs, names[i+1])
		}
		if ok {
			delete(members, names[i])
			members[names[i+1]] = value
		}
	}
	return encodeMembers(members)
}

// encodeMembers writes an object, its members sorted, without escaping what only HTML needs escaped.
func encodeMembers(members map[string]json.RawMessage) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(members); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
