package api

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// parameterPrefix starts the complaint about a query parameter; its name and a colon follow.
const parameterPrefix = "query parameter "

// The gateway keeps its parser of queries in a variable of its package, for all its users in the process; the option that
// sets it does so when it is applied, to whichever mux.
func init() { runtime.SetQueryParameterParser(strictQuery{})(nil) }

// strictQuery refuses what the gateway's own parser passes over: parameters that the call does not have, and those that
// the path already gave.
type strictQuery struct{ runtime.DefaultQueryParser }

// Parse sets the fields that the query names.
func (q strictQuery) Parse(m proto.Message, values url.Values, path *utilities.DoubleArray) error {
	fields := m.ProtoReflect().Descriptor().Fields()
	given := make(map[protoreflect.FieldNumber]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f := fields.ByName(protoreflect.Name(name))
		if f == nil {
			f = fields.ByJSONName(name)
		}
		if f == nil {
			return complaint(name, "is not one of this call; there are %s", names(fields))
		}
		if path.HasCommonPrefix([]string{string(f.Name())}) || f.Message() != nil && f.Message().FullName() != timestamp {
			return complaint(name, "is given by the path or the body, not by the query")
		}
		if first, twice := given[f.Number()]; twice {
			return complaint(name, "must not be repeated, is also given as %s", first)
		}
		given[f.Number()] = name
		if err := q.DefaultQueryParser.Parse(m, url.Values{name: values[name]}, path); err != nil {
			return complaint(name, "%v", err)
		}
	}
	return nil
}

const timestamp protoreflect.FullName = "google.protobuf.Timestamp"

func complaint(name, rule string, args ...any) error {
	return fmt.Errorf(parameterPrefix+"%s: "+rule, append([]any{utf8(name)}, args...)...)
}

// names lists the fields that a query can set.
func names(fields protoreflect.FieldDescriptors) string {
	var list []string
	for i := range fields.Len() {
		if f := fields.Get(i); f.Message() == nil || f.Message().FullName() == timestamp {
			list = append(list, f.JSONName())
		}
	}
	return strings.Join(list, ", ")
}
