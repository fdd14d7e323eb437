package codec

import (
	"crypto/sha256"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// A condensed event is one of which only what numbers are made of is left: when, where, how many, at what cost, from which system and by which topic and
// offset. Its documents, reservations, orders and its command have other names, which tell nothing but which events are about the same; who
// did it, why, and in whose words is gone. In place of its seal it carries the hash of the leaf that it was in the tree, so that the tree, and every proof
// of every other event, stay what they were: field 14 of the message (33 bytes with the tag and 1 of length), before the canonical bytes of what is left.
// No other event begins so, because canonical bytes never hold that field.

// leafTag begins a condensed event.
const leafTag = 14<<3 | 2

// CutCondensed parts the data of a condensed event into the hash of its leaf and the canonical bytes of what is left of it.
func CutCondensed(data []byte) (leaf [sha256.Size]byte, canonical []byte, condensed bool) {
	if len(data) < SealBytes || data[0] != leafTag || data[1] != sealLength {
		return leaf, data, false
	}
	return [sha256.Size]byte(data[2:SealBytes]), data[SealBytes:], true
}

// cut returns the canonical bytes of any stored event.
func cut(data []byte) []byte {
	if _, canonical, condensed := CutCondensed(data); condensed {
		return canonical
	}
	_, canonical, _ := CutSeal(data)
	return canonical
}

// LeafHash is the hash of the leaf that an event is in the tree over the whole store (RFC 6962). room is used if it is large enough, and returned.
func LeafHash(room []byte, r *aggregates.Record) (hash [sha256.Size]byte, used []byte) {
	if leaf, _, condensed := CutCondensed(r.Data); condensed {
		return leaf, room
	}
	room = AppendLeaf(append(room[:0], 0), r)
	return sha256.Sum256(room), room
}

// renamed are the fields of facts that get other names, dropped those that are emptied.
var (
	renamed = map[protoreflect.Name]bool{
		"reservation_id": true, "order_id": true, "transfer_id": true, "document": true, "order_document": true, "return_id": true, "shipment": true,
	}
	dropped = map[protoreflect.Name]bool{"reason": true, "note": true}
)

// Condense appends the data of an event of which only what numbers are made of is left. rename gives documents, reservations and orders
// their other names, command is that of its idempotency key. A condensed event stays what it is.
func Condense(dst []byte, r *aggregates.Record, command string, rename func(id string) string) ([]byte, error) {
	if _, _, condensed := CutCondensed(r.Data); condensed {
		return append(dst, r.Data...), nil
	}
	var p pb.Event
	if err := p.UnmarshalVT(cut(r.Data)); err != nil {
		return dst, fmt.Errorf("event %d of stream %q (%s) is damaged: %w", r.Revision, r.Stream, r.Type, err)
	}
	p.CorrelationId, p.CausationId, p.Actor, p.Fingerprint = "", "", "", 0
	if p.IdempotencyKey != "" {
		p.IdempotencyKey = command
	}
	if s := p.Source; s != nil {
		s.MessageId = ""
		if s.Document != "" {
			s.Document = rename(s.Document)
		}
	}
	eachName(p.ProtoReflect(), func(m protoreflect.Message, f protoreflect.FieldDescriptor) {
		switch id := m.Get(f).String(); {
		case dropped[f.Name()]:
			m.Clear(f)
		case id != "":
			m.Set(f, protoreflect.ValueOfString(rename(id)))
		}
	})
	hash, _ := LeafHash(nil, r)
	dst = append(append(dst, leafTag, sealLength), hash[:]...)
	canonical, err := p.MarshalVT()
	return append(dst, canonical...), err
}

// EachName calls each with the documents, reservations and orders that an event speaks of, those which Condense renames.
func EachName(r *aggregates.Record, each func(id string)) error {
	var p pb.Event
	if err := p.UnmarshalVT(cut(r.Data)); err != nil {
		return fmt.Errorf("event %d of stream %q (%s) is damaged: %w", r.Revision, r.Stream, r.Type, err)
	}
	if d := p.Source.GetDocument(); d != "" {
		each(d)
	}
	eachName(p.ProtoReflect(), func(m protoreflect.Message, f protoreflect.FieldDescriptor) {
		if id := m.Get(f).String(); renamed[f.Name()] && id != "" {
			each(id)
		}
	})
	return nil
}

// eachName visits the texts of a fact, nested ones too, that are renamed or dropped.
func eachName(event protoreflect.Message, visit func(protoreflect.Message, protoreflect.FieldDescriptor)) {
	if fact := event.WhichOneof(payloads); fact != nil {
		walk(event.Mutable(fact).Message(), visit)
	}
}

func walk(m protoreflect.Message, visit func(protoreflect.Message, protoreflect.FieldDescriptor)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case !m.Has(f):
		case f.Kind() == protoreflect.StringKind && !f.IsList():
			if renamed[f.Name()] || dropped[f.Name()] {
				visit(m, f)
			}
		case f.Kind() == protoreflect.MessageKind && f.IsList():
			for list, j := m.Get(f).List(), 0; j < list.Len(); j++ {
				walk(list.Get(j).Message(), visit)
			}
		case f.Kind() == protoreflect.MessageKind && !f.IsMap():
			walk(m.Get(f).Message(), visit)
		}
	}
}
