package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"gopkg.in/yaml.v3"
)

// yamlHead is what a written file begins with.
const yamlHead = `# All rules of Stockfold, by kind; a field that is left out is empty or 0. stockfold policy diff FILE tells what the file would change,
# and stockfold policy apply FILE changes it.
`

// WriteYAML writes rules, which must be in order.
func WriteYAML(out io.Writer, rules []Rule) error {
	if _, err := io.WriteString(out, yamlHead); err != nil {
		return err
	}
	if len(rules) == 0 {
		_, err := io.WriteString(out, "{}\n")
		return err
	}
	for len(rules) > 0 {
		k := rules[0].kind
		n := slices.IndexFunc(rules, func(r Rule) bool { return r.kind != k })
		if n < 0 {
			n = len(rules)
		}
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range rules[:n] {
			_, m := kindOf(rules[i].PolicyRule)
			list.Content = append(list.Content, mapping(kinds[k].fields(), m))
		}
		e := yaml.NewEncoder(out)
		e.SetIndent(2)
		if err := e.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text(kinds[k].name), list}}); err != nil {
			return err
		}
		if err := e.Close(); err != nil {
			return err
		}
		rules = rules[n:]
	}
	return nil
}

func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// mapping is a message as a mapping of the fields that it has.
func mapping(fields []protoreflect.FieldDescriptor, m protoreflect.Message) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields {
		if m.Has(f) {
			node.Content = append(node.Content, text(string(f.Name())), value(f, m.Get(f)))
		}
	}
	return node
}

func value(f protoreflect.FieldDescriptor, v protoreflect.Value) *yaml.Node {
	if !f.IsList() {
		return element(f, v)
	}
	node := &yaml.Node{Kind: yaml.SequenceNode}
	if isScalar(f) {
		node.Style = yaml.FlowStyle
	}
	for i := range v.List().Len() {
		node.Content = append(node.Content, element(f, v.List().Get(i)))
	}
	return node
}

func element(f protoreflect.FieldDescriptor, v protoreflect.Value) *yaml.Node {
	switch {
	case !isScalar(f):
		return mapping(all(f.Message()), v.Message())
	case f.Kind() == protoreflect.StringKind:
		return text(v.String())
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: scalarText(f, v)}
}

func all(d protoreflect.MessageDescriptor) (list []protoreflect.FieldDescriptor) {
	for i := range d.Fields().Len() {
		list = append(list, d.Fields().Get(i))
	}
	return list
}

// ReadYAML reads rules. It returns *Error with all that is wrong with the file, which is called name.
func ReadYAML(name string, data []byte) ([]Rule, error) {
	r := &reading{}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var document, more yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.broken(err)
	default:
		r.document(document.Content[0])
		if err := d.Decode(&more); !errors.Is(err, io.EOF) {
			r.fail(max(1, more.Line), "a file holds one document")
		}
	}
	return r.done(name)
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// broken is a file that is no YAML.
func (r *reading) broken(err error) {
	what, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if at := yamlLine.FindStringSubmatch(what); at != nil {
		line, _ = strconv.Atoi(at[1])
		what = strings.Replace(what, at[0], "", 1)
	}
	r.fail(line, "not YAML: %s", what)
}

// pairs yields what a mapping holds, each name once.
func (r *reading) pairs(node *yaml.Node, what string, yield func(name, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		r.fail(node.Line, "%s must be a mapping of names to values", what)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		if line, twice := seen[name.Value]; twice {
			r.fail(name.Line, "%s: %q is also in line %d", what, name.Value, line)
			continue
		}
		seen[name.Value] = name.Line
		yield(name, node.Content[i+1])
	}
}

func (r *reading) document(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return
	}
	r.pairs(node, "the file", func(name, list *yaml.Node) {
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name.Value })
		switch {
		case i < 0:
			r.fail(name.Line, "there is no kind of rules %q; there are %s", name.Value, kindNames())
		case list.Kind == yaml.ScalarNode && list.Tag == "!!null":
		case list.Kind != yaml.SequenceNode:
			r.fail(list.Line, "%s must be a list", name.Value)
		default:
			for n, entry := range list.Content {
				r.rule(&kinds[i], n, entry)
			}
		}
	})
}

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// rule reads one rule.
func (r *reading) rule(k *kind, n int, node *yaml.Node) {
	before := len(r.problems) + r.more
	rule, m := k.create()
	what := fmt.Sprintf("%s[%d]", k.name, n)
	r.fields(what, node, k.fields(), k.names(), m)
	if len(r.problems)+r.more == before {
		x, _ := newRule(rule, node.Line)
		r.add(k, x)
	}
}

// fields reads what a mapping gives of a message.
func (r *reading) fields(what string, node *yaml.Node, known []protoreflect.FieldDescriptor, names string, m protoreflect.Message) {
	r.pairs(node, what, func(name, given *yaml.Node) {
		f := find(known, name.Value)
		switch {
		case f == nil:
			r.fail(name.Line, "%s has no field %q; it has %s", what, name.Value, names)
		case given.Kind == yaml.AliasNode:
			r.fail(given.Line, "%s.%s must be written out, not be an alias", what, name.Value)
		case given.Kind == yaml.ScalarNode && given.Tag == "!!null":
		case f.IsList():
			r.list(what+"."+name.Value, given, f, m)
		default:
			if v, ok := r.element(what+"."+name.Value, given, f); ok {
				m.Set(f, v)
			}
		}
	})
}

func (r *reading) list(what string, node *yaml.Node, f protoreflect.FieldDescriptor, m protoreflect.Message) {
	if node.Kind != yaml.SequenceNode {
		r.fail(node.Line, "%s must be a list", what)
		return
	}
	into := m.Mutable(f).List()
	for i, entry := range node.Content {
		if v, ok := r.element(fmt.Sprintf("%s[%d]", what, i), entry, f); ok {
			into.Append(v)
		}
	}
}

func (r *reading) element(what string, node *yaml.Node, f protoreflect.FieldDescriptor) (protoreflect.Value, bool) {
	switch {
	case !isScalar(f):
		m := newMessage(f.Message())
		fields := all(f.Message())
		var names []string
		for _, x := range fields {
			names = append(names, string(x.Name()))
		}
		r.fields(what, node, fields, strings.Join(names, ", "), m)
		return protoreflect.ValueOfMessage(m), true
	case node.Kind != yaml.ScalarNode:
		r.fail(node.Line, "%s must be a single value", what)
		return protoreflect.Value{}, false
	}
	v, err := parseScalar(f, node.Value)
	if err != nil {
		r.fail(node.Line, "%s %s", what, err)
	}
	return v, err == nil
}
