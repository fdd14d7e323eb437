package policyfile

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// kind is a kind of rules in a file.
type kind struct {
	name   string                   // of the section, and in the first column of a table
	field  protoreflect.Name        // of PolicyRule
	about  []string                 // the fields that say what a rule is about; the others are what it says
	out    []string                 // fields that are not in a file
	says   func(proto.Message) bool // whether a rule says anything; nil: always
	all    bool                     // whether a rule that names nothing of that is about everything
	shared bool                     // kept with what SKUs share, though it may name one
}

// kinds are in the order in which they are written and applied: what others stand on first. To add one is a line here.
var kinds = []kind{
	{name: "locations", field: "location", about: []string{"location_id"}},
	{name: "groups", field: "group", about: []string{"group"}, says: func(m proto.Message) bool { return len(m.(*pb.LocationGroup).Locations) > 0 }},
	{name: "channels", field: "channel", about: []string{"channel_id"}},
	{name: "fulfilment", field: "fulfilment", about: []string{"method"}},
	{name: "owners", field: "owners", about: []string{"location_id"}, says: func(m proto.Message) bool { return len(m.(*pb.Owners).Ownerships) > 0 }},
	{name: "items", field: "item", about: []string{"sku"}, out: []string{"safety_stock"}},
	{name: "safety", field: "safety", about: []string{"sku", "category", "location", "channel", "from", "until"}},
	{name: "buffers", field: "buffer", about: []string{"sku", "category", "channel", "from", "until"}},
	{name: "selling", field: "selling", about: []string{"sku", "channel"}, says: func(m proto.Message) bool {
		s := m.(*pb.SellingRule)
		return !proto.Equal(s, &pb.SellingRule{Sku: s.Sku, Channel: s.Channel})
	}},
	{name: "allocations", field: "allocation", about: []string{"sku", "channel", "group"}, out: []string{"used", "locations"}, says: func(m proto.Message) bool {
		a := m.(*pb.Allocation)
		return a.Fence != 0 || a.Capped
	}},
	{name: "reallocation", field: "reallocation", about: []string{"channel", "location"}, all: true},
	{name: "returns", field: "returns", about: []string{"sku", "category", "channel"}, all: true, shared: true},
	{name: "kits", field: "kit", about: []string{"sku"}, out: []string{"version"}, shared: true,
		says: func(m proto.Message) bool { return len(m.(*pb.Kit).Components) > 0 }},
}

var ruleFields = (&pb.PolicyRule{}).ProtoReflect().Descriptor().Fields()

func (k *kind) descriptor() protoreflect.MessageDescriptor {
	return ruleFields.ByName(k.field).Message()
}

// fields are those that a file may give, in the order of the contract.
func (k *kind) fields() (list []protoreflect.FieldDescriptor) {
	all := k.descriptor().Fields()
	for i := range all.Len() {
		if f := all.Get(i); !slices.Contains(k.out, string(f.Name())) {
			list = append(list, f)
		}
	}
	return list
}

func (k *kind) find(name string) protoreflect.FieldDescriptor { return find(k.fields(), name) }

func find(list []protoreflect.FieldDescriptor, name string) protoreflect.FieldDescriptor {
	for _, f := range list {
		if string(f.Name()) == name {
			return f
		}
	}
	return nil
}

// create makes a rule of the kind, and returns it with the message that holds its fields.
func (k *kind) create() (*pb.PolicyRule, protoreflect.Message) {
	r := &pb.PolicyRule{}
	return r, r.ProtoReflect().Mutable(ruleFields.ByName(k.field)).Message()
}

// kindOf is the place of a rule's kind, and the message that holds its fields; -1 for a kind that this version does not know.
func kindOf(r *pb.PolicyRule) (int, protoreflect.Message) {
	f := r.ProtoReflect().WhichOneof(r.ProtoReflect().Descriptor().Oneofs().Get(0))
	if f == nil {
		return -1, nil
	}
	return slices.IndexFunc(kinds, func(k kind) bool { return k.field == f.Name() }), r.ProtoReflect().Get(f).Message()
}

// Rule is one rule of a file.
type Rule struct {
	*pb.PolicyRule
	Line int // where the file says it; 0 when it does not come from one

	kind  int
	about []string
	sku   string
}

// newRule gives a rule the form in which rules are compared: as the service says it.
func newRule(r *pb.PolicyRule, line int) (Rule, bool) {
	i, m := kindOf(r)
	if i < 0 {
		return Rule{}, false
	}
	normalise(r)
	x := Rule{PolicyRule: r, Line: line, kind: i}
	for _, name := range kinds[i].about {
		f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		text := ""
		if m.Has(f) {
			text = scalarText(f, m.Get(f))
		}
		if x.about = append(x.about, text); name == "sku" && !kinds[i].shared {
			x.sku = text
		}
	}
	return x, true
}

// Kind names the section of the rule.
func (r *Rule) Kind() string { return kinds[r.kind].name }

// About says what the rule is about.
func (r *Rule) About() string {
	var parts []string
	for i, name := range kinds[r.kind].about {
		switch value := r.about[i]; {
		case value == "":
		case i == 0:
			parts = append(parts, value)
		default:
			parts = append(parts, strings.TrimSuffix(name, "_id")+" "+value)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "everything")
}

// compare orders rules by kind, then by what they are about.
func compare(a, b *Rule) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), slices.Compare(a.about, b.about))
}

// normalise fills in what the service does, and drops what a file does not have.
func normalise(r *pb.PolicyRule) {
	switch x := r.Rule.(type) {
	case *pb.PolicyRule_Location:
		x.Location.TimeZone = cmp.Or(x.Location.TimeZone, "UTC")
	case *pb.PolicyRule_Group:
		slices.Sort(x.Group.Locations)
		x.Group.Locations = slices.Compact(x.Group.Locations)
	case *pb.PolicyRule_Channel:
		x.Channel.HoldSeconds = cmp.Or(x.Channel.HoldSeconds, 900)
	case *pb.PolicyRule_Item:
		x.Item.Unit = cmp.Or(x.Item.Unit, "each")
		x.Item.SafetyStock = nil
	case *pb.PolicyRule_Owners:
		slices.SortStableFunc(x.Owners.Ownerships, func(a, b *pb.Ownership) int {
			return cmp.Or(cmp.Compare(a.Fact, b.Fact), a.From.AsTime().Compare(b.From.AsTime()))
		})
	case *pb.PolicyRule_Allocation:
		x.Allocation.Used, x.Allocation.Locations = 0, nil
	case *pb.PolicyRule_Kit:
		x.Kit.Version = 0
		slices.SortFunc(x.Kit.Components, func(a, b *pb.KitComponent) int { return cmp.Compare(a.Sku, b.Sku) })
	}
}
