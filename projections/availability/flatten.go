package availability

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Difference is a field of a document that is not what it should be. Both values are texts; one that is not there is empty.
type Difference struct {
	Field  string // as in the stored form, such as balances[berlin].reserved
	Is     string
	Should string
}

// fields are the parts of a document by their path in the stored form. Those that follow from others, and the version, are not in it.
type fields map[string]string

// flatten lists the fields of a document, without the values of channels.
func flatten(e *Encoder, d *Document) (fields, error) {
	bare := *d
	bare.prices, bare.values = nil, nil
	stored, err := e.Append(nil, &bare)
	if err != nil {
		return nil, err
	}
	var m inventoryv1.AvailabilityDocument
	if err := m.UnmarshalVT(stored); err != nil {
		return nil, fmt.Errorf("read a document of SKU %q: %w", d.SKU, err)
	}
	m.Position, m.Policies = 0, 0
	f := fields{}
	f.add("", m.ProtoReflect())
	return f, nil
}

func (f fields) add(path string, m protoreflect.Message) {
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := path + string(d.Name())
		switch {
		case d.IsList() && d.Message() != nil:
			for i := range v.List().Len() {
				x := v.List().Get(i).Message()
				f[name+"["+nameOf(x, i)+"]"] = "present"
				f.add(name+"["+nameOf(x, i)+"].", x)
			}
		case d.IsList():
			list := make([]string, v.List().Len())
			for i := range list {
				list[i] = v.List().Get(i).String()
			}
			f[name] = strings.Join(list, " ")
		case d.Message() != nil:
			f[name] = "present"
			f.add(name+".", v.Message())
		default:
			f[name] = v.String()
		}
		return true
	})
}

// nameOf names an entry of a list: by what it is about, or by its place.
func nameOf(m protoreflect.Message, i int) string {
	for _, key := range []protoreflect.Name{"location", "kit", "sku"} {
		if d := m.Descriptor().Fields().ByName(key); d != nil && d.Kind() == protoreflect.StringKind && !d.IsList() && m.Get(d).String() != "" {
			return m.Get(d).String()
		}
	}
	return fmt.Sprint(i)
}

// differences lists what is not as it should be, in order of the field.
func differences(is, should fields) (list []Difference) {
	for name := range maps.Keys(is) {
		if is[name] != should[name] {
			list = append(list, Difference{Field: name, Is: is[name], Should: should[name]})
		}
	}
	for name := range maps.Keys(should) {
		if _, ok := is[name]; !ok {
			list = append(list, Difference{Field: name, Should: should[name]})
		}
	}
	slices.SortFunc(list, func(a, b Difference) int { return cmp.Compare(a.Field, b.Field) })
	return list
}

// valueDifferences lists the channels whose value is not what the balances and the policy come to. A value computed under another policy than the one
// in force is passed over: it will be computed anew.
func valueDifferences(live *Document, should *Document, prices *pricing) (list []Difference) {
	if live.prices == nil {
		return nil
	}
	for i, c := range live.prices.channels {
		j, ok := prices.find(c.id)
		if !ok || prices.channels[j].position != c.position || i >= len(live.values) {
			continue
		}
		want := should.Balances.Available(prices.tables.Channels()[j].Policy, should.at(&prices.channels[j]))
		if want != live.values[i] {
			list = append(list, Difference{Field: "values[" + c.id + "].ats", Is: fmt.Sprint(live.values[i]), Should: fmt.Sprint(want)})
		}
	}
	return list
}
