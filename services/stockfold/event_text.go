package main

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// maxEventText bounds what a line tells of an event, in bytes but for the last field; as JSON there is all of it.
const maxEventText = 120

// eventText tells in short what an event says: its own texts and numbers, in the order of the contract, such as "location 367, quantity 2".
// Quantities are in base units. What is nested in it is left out.
func eventText(e *pb.Event) string {
	m := e.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("payload"))
	if f == nil {
		return "" // of a version that knows more than this one
	}
	payload := m.Get(f).Message()
	fields := payload.Descriptor().Fields()
	var said []string
	for i, n := 0, 0; i < fields.Len() && n < maxEventText; i++ {
		f := fields.Get(i)
		if f.IsList() || f.IsMap() || f.Message() != nil || f.Kind() == protoreflect.BytesKind || !payload.Has(f) {
			continue
		}
		said = append(said, strings.ReplaceAll(string(f.Name()), "_", " ")+" "+scalarText(f, payload.Get(f)))
		n += len(said[len(said)-1])
	}
	return strings.Join(said, ", ")
}

func scalarText(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Enum() == nil {
		return fmt.Sprint(v.Interface())
	}
	values := f.Enum().Values()
	value := values.ByNumber(v.Enum())
	if value == nil {
		return fmt.Sprint(v.Enum())
	}
	prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
	return strings.ToLower(strings.TrimPrefix(string(value.Name()), prefix))
}
