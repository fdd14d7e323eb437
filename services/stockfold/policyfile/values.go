package policyfile

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const timestampName = "google.protobuf.Timestamp"

// isScalar tells whether one element of a field is a single text in a file.
func isScalar(f protoreflect.FieldDescriptor) bool {
	return f.Message() == nil || f.Message().FullName() == timestampName
}

// scalarText is the text of a value, as a file has it.
func scalarText(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return v.Message().Interface().(*timestamppb.Timestamp).AsTime().Format(time.RFC3339Nano)
	case protoreflect.EnumKind:
		return enumText(f.Enum(), v.Enum())
	case protoreflect.BoolKind:
		return strconv.FormatBool(v.Bool())
	case protoreflect.StringKind:
		return v.String()
	}
	return strconv.FormatInt(v.Int(), 10)
}

// enumText is the name of a value without what all names of its type begin with: fewest_splits for SOURCING_STRATEGY_FEWEST_SPLITS.
func enumText(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	v := e.Values().ByNumber(n)
	if v == nil {
		return strconv.Itoa(int(n))
	}
	return strings.ToLower(strings.TrimPrefix(string(v.Name()), enumPrefix(e)))
}

func enumPrefix(e protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(e.Values().Get(0).Name()), "UNSPECIFIED")
}

// parseScalar reads a text of a file.
func parseScalar(f protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch f.Kind() {
	case protoreflect.MessageKind:
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("must be a time such as 2017-01-02T15:04:05Z, is %q", text)
		}
		return protoreflect.ValueOfMessage(timestamppb.New(t.Truncate(time.Microsecond)).ProtoReflect()), nil
	case protoreflect.EnumKind:
		return parseEnum(f.Enum(), text)
	case protoreflect.BoolKind:
		switch strings.ToLower(text) {
		case "true":
			return protoreflect.ValueOfBool(true), nil
		case "false":
			return protoreflect.ValueOfBool(false), nil
		}
		return protoreflect.Value{}, fmt.Errorf("must be true or false, is %q", text)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), nil
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("must be a whole number, is %q", text)
		}
		return protoreflect.ValueOfInt32(int32(n)), nil
	case protoreflect.Int64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("must be a whole number, is %q", text)
		}
		return protoreflect.ValueOfInt64(n), nil
	}
	return protoreflect.Value{}, fmt.Errorf("is of a kind that files do not have")
}

func parseEnum(e protoreflect.EnumDescriptor, text string) (protoreflect.Value, error) {
	name := strings.ToUpper(text)
	for _, full := range []string{name, enumPrefix(e) + name} {
		if v := e.Values().ByName(protoreflect.Name(full)); v != nil {
			return protoreflect.ValueOfEnum(v.Number()), nil
		}
	}
	var known []string
	for i := range e.Values().Len() {
		known = append(known, enumText(e, e.Values().Get(i).Number()))
	}
	return protoreflect.Value{}, fmt.Errorf("must be one of %s, is %q", strings.Join(known, ", "), text)
}
