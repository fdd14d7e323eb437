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
	seal, canonical, sealed := CutSeal(data)
	leaf, canonical, condensed := CutCondensed(canonical)
	if err := p.UnmarshalVT(canonical); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrNoJSON, err)
	}
	payload := payloadField(eventType)
	m := p.ProtoReflect()
	if payload == nil || !m.Has(payload) || hasUnknown(m) {
		return nil, nil, fmt.Errorf("%w: not a canonical %s", ErrNoJSON, eventType)
	}
	if again, err := p.MarshalVT(); err != nil || !bytes.Equal(again, canonical) || p.Seal != nil || p.Condensed || sealed && condensed {
		return nil, nil, fmt.Errorf("%w: %s is not in its canonical form", ErrNoJSON, eventType)
	}
	switch {
	case sealed:
		p.Seal = seal[:]
	case condensed:
		p.Seal, p.Condensed = leaf[:], true
	}
	if body, err = compact(m.Get(payload).Message()); err != nil {
		return nil, nil, err
	}
	meta, err = metadataJSON(&p)
	return body, meta, err
}

// metadataJSON writes everything but the fact, which it takes out. What EventStoreDB knows by its own names comes first.
func metadataJSON(p *pb.Event) ([]byte, error) {
	known := make([]byte, 0, 64)
	for _, x := range []struct{ key, value string }{{CorrelationKey, p.CorrelationId}, {CausationKey, p.CausationId}} {
		if x.value == "" {
			continue
		}
		if !utf8.ValidString(x.value) {
			return nil, fmt.Errorf("%w: %s is not text", ErrNoJSON, x.key)
		}
		known = append(append(append(known, `,"`...), x.key...), `":`...)
		known = appendText(known, x.value)
	}
	p.Payload, p.CorrelationId, p.CausationId = nil, "", ""
	rest, err := compact(p.ProtoReflect())
	if err != nil || len(known) == 0 {
		return rest, err
	}
	known[0] = '{'
	if len(rest) > len("{}") {
		known = append(known, ',')
	}
	return append(known, rest[1:]...), nil
}

// FromJSON gives the stored bytes of an event's JSON form. Members that this version does not know are passed over. It
// returns ErrNotOurs when the type is not known, a value has a name that is not, or the documents are not those of such an event. For a type that is not
// known, data still holds the metadata, as far as it can be read.
func FromJSON(eventType string, body, meta []byte) (data []byte, err error) {
	var p pb.Event
	if len(meta) > 0 {
		if meta, err = ownNames(meta); err != nil {
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
		data, err := stored(&p)
		return data, errors.Join(fmt.Errorf("%w: type %q", ErrNotOurs, eventType), err)
	}
	fact := m.NewField(payload)
	if err := jsonReader.Unmarshal(body, fact.Message().Interface()); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrNotOurs, eventType, err)
	}
	if name := droppedValue(fact.Message(), body); name != "" {
		return nil, fmt.Errorf("%w: %s of %s has a value that is not known", ErrNotOurs, name, eventType)
	}
	m.Set(payload, fact)
	return stored(&p)
}

// stored gives the bytes of an event as they are stored: the seal first, when it carries one, or the hash of its leaf, when it is condensed.
func stored(p *pb.Event) ([]byte, error) {
	seal, condensed := p.Seal, p.Condensed
	p.Seal, p.Condensed = nil, false
	canonical, err := p.MarshalVT()
	if err != nil || seal == nil {
		return canonical, err
	}
	if len(seal) != len(Seal{}) {
		return nil, fmt.Errorf("%w: a seal of %d bytes", ErrNotOurs, len(seal))
	}
	data := AppendSealRoom(make([]byte, 0, SealBytes+len(canonical)))
	if copy(data[2:], seal); condensed {
		data[0] = leafTag
	}
	return append(data, canonical...), nil
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

// droppedValue names a field of a fact that was read from JSON as missing, although it is there: passing over members that
// are not known, the reader passes over names of a newer version too, and what is missing means something else.
func droppedValue(fact protoreflect.Message, body []byte) string {
	var members map[string]json.RawMessage
	fields := fact.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Enum() == nil || fact.Has(f) {
			continue
		}
		if members == nil && json.Unmarshal(body, &members) != nil {
			return ""
		}
		for _, name := range []string{f.JSONName(), f.TextName()} {
			if value, ok := members[name]; ok && string(value) != "null" {
				return name
			}
		}
	}
	return ""
}

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

// appendText writes a text as protojson does.
func appendText(dst []byte, text string) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text that is valid is written
	return append(dst, bytes.TrimRight(out.Bytes(), "\n")...)
}

// compact writes a message without the spaces that protojson puts in at random.
func compact(m protoreflect.Message) ([]byte, error) {
	text, err := protojson.Marshal(m.Interface())
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNoJSON, err)
	}
	at, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			quoted = !quoted
		}
		if c == ' ' && !quoted {
			continue
		}
		text[at] = c
		at++
		if c == '\\' { // the next one is part of a text, whatever it is
			i++
			text[at] = text[i]
			at++
		}
	}
	return text[:at], nil
}

// ownNames gives the members that EventStoreDB knows the names of our fields. A member that has our name already has no
// meaning there. What is no JSON is left to who reads it.
func ownNames(object []byte) ([]byte, error) {
	if bytes.Contains(object, []byte("\\u0024")) { // a $ in disguise
		var err error
		if object, err = plain(object); err != nil {
			return nil, err
		}
	}
	out := make([]byte, 0, len(object))
	depth, last := 0, 0
	for i := 0; i < len(object); i++ {
		switch object[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := endOfText(object, i)
			name := string(object[i+1 : max(i+1, end-1)])
			if depth == 1 && isName(object[end:]) {
				switch name {
				case CorrelationKey, CausationKey:
					out = append(append(out, object[last:i+1]...), name[1:]...)
					last = end - 1
				case correlationField, causationField, "correlation_id", "causation_id":
					return nil, fmt.Errorf("%w: member %s has no meaning there", ErrNotOurs, name)
				}
			}
			i = end - 1
		}
	}
	return append(out, object[last:]...), nil
}

// endOfText gives the place behind the text that begins at a quotation mark.
func endOfText(b []byte, at int) int {
	for i := at + 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// isName tells whether a colon comes next: what was before it is a member's name.
func isName(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == ':'
}

// plain writes an object anew, without needless escapes.
func plain(object []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotOurs, err)
	}
	return json.Marshal(members)
}
