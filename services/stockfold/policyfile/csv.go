package policyfile

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// A table has a row for each rule. The first column, rule, names the kind as the sections of a YAML file do; the others are named after the fields of all kinds. A
// cell is empty where a rule has no such field, or it is left out. Several values of one field stand in one cell with | between them (a | or \ within one has a \
// before it); what has fields of its own, as the ownerships of owners have, stands there as JSON.

const ruleColumn = "rule"

// columns are the columns that a table is written with: the fields of all kinds, each once, those that say what rules are about first.
func columns() (list []string) {
	list = []string{ruleColumn}
	add := func(name string) {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for i := range kinds {
		for _, name := range kinds[i].about {
			add(name)
		}
	}
	for i := range kinds {
		for _, f := range kinds[i].fields() {
			add(string(f.Name()))
		}
	}
	return list
}

// WriteCSV writes rules, which must be in order.
func WriteCSV(out io.Writer, rules []Rule) error {
	w, header := csv.NewWriter(out), columns()
	if err := w.Write(header); err != nil {
		return err
	}
	for i := range rules {
		k := &kinds[rules[i].kind]
		_, m := kindOf(rules[i].PolicyRule)
		row := make([]string, len(header))
		row[0] = k.name
		for _, f := range k.fields() {
			if !m.Has(f) {
				continue
			}
			text, err := cell(f, m.Get(f))
			if err != nil {
				return err
			}
			row[slices.Index(header, string(f.Name()))] = text
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

var escape = strings.NewReplacer(`\`, `\\`, `|`, `\|`)

func cell(f protoreflect.FieldDescriptor, v protoreflect.Value) (string, error) {
	switch {
	case !f.IsList():
		return scalarText(f, v), nil
	case !isScalar(f):
		return cellJSON(v.List())
	}
	var parts []string
	for i := range v.List().Len() {
		parts = append(parts, escape.Replace(scalarText(f, v.List().Get(i))))
	}
	return strings.Join(parts, "|"), nil
}

// cellJSON is a list of messages as JSON, the same bytes each time.
func cellJSON(list protoreflect.List) (string, error) {
	var parts []json.RawMessage
	for i := range list.Len() {
		raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(list.Get(i).Message().Interface())
		if err != nil {
			return "", err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return "", err
		}
		parts = append(parts, compact.Bytes())
	}
	whole, err := json.Marshal(parts)
	return string(whole), err
}

// ReadCSV reads a table. It returns *Error with all that is wrong with the file, which is called name.
func ReadCSV(name string, data []byte) ([]Rule, error) {
	r := &reading{}
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff")))) // spreadsheets begin files with a mark of their encoding
	in.FieldsPerRecord = -1
	header, err := in.Read()
	if err == nil || errors.Is(err, io.EOF) {
		r.header(header)
	}
	for known := len(r.problems) == 0; known && err == nil; {
		var row []string
		if row, err = in.Read(); err == nil {
			line, _ := in.FieldPos(0)
			r.row(header, row, line)
		}
	}
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken):
		r.fail(broken.Line, "not CSV: %v", broken.Err)
	case err != nil && !errors.Is(err, io.EOF):
		r.fail(1, "not CSV: %v", err)
	}
	return r.done(name)
}

func (r *reading) header(header []string) {
	known := columns()
	for i, name := range header {
		switch {
		case !slices.Contains(known, name):
			r.fail(1, "there is no column %q; there are %s", name, strings.Join(known, ", "))
		case slices.Index(header, name) != i:
			r.fail(1, "column %q is there twice", name)
		}
	}
	if !slices.Contains(header, ruleColumn) {
		r.fail(1, "there must be a column %q, which names the kind of each row", ruleColumn)
	}
}

func (r *reading) row(header, row []string, line int) {
	if len(row) != len(header) {
		r.fail(line, "the row has %d cells, the header %d", len(row), len(header))
		return
	}
	name := row[slices.Index(header, ruleColumn)]
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		r.fail(line, "there is no kind of rules %q; there are %s", name, kindNames())
		return
	}
	k, before := &kinds[i], len(r.problems)+r.more
	rule, m := k.create()
	for c, text := range row {
		if text == "" || header[c] == ruleColumn {
			continue
		}
		f := k.find(header[c])
		if f == nil {
			r.fail(line, "%s has no field %q; it has %s", k.name, header[c], k.names())
		} else if err := setCell(m, f, text); err != nil {
			r.fail(line, "%s.%s %s", k.name, header[c], err)
		}
	}
	if len(r.problems)+r.more == before {
		x, _ := newRule(rule, line)
		r.add(k, x)
	}
}

func setCell(m protoreflect.Message, f protoreflect.FieldDescriptor, text string) error {
	if f.IsList() && !isScalar(f) {
		return setJSON(m.Mutable(f).List(), f, text)
	}
	parts := []string{text}
	if f.IsList() {
		parts = splitCell(text)
	}
	for _, part := range parts {
		v, err := parseScalar(f, part)
		switch {
		case err != nil:
			return err
		case f.IsList():
			m.Mutable(f).List().Append(v)
		default:
			m.Set(f, v)
		}
	}
	return nil
}

func setJSON(list protoreflect.List, f protoreflect.FieldDescriptor, text string) error {
	var parts []json.RawMessage
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return fmt.Errorf("must be a list in JSON: %w", err)
	}
	for _, part := range parts {
		m := newMessage(f.Message())
		if err := protojson.Unmarshal(part, m.Interface()); err != nil {
			return errors.New(strings.ReplaceAll(err.Error(), "\u00a0", " ")) // the library varies its spaces on purpose
		}
		list.Append(protoreflect.ValueOfMessage(m))
	}
	return nil
}

// splitCell undoes what escape and | did.
func splitCell(text string) (parts []string) {
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			part.WriteByte(text[i])
		case c == '|':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return append(parts, part.String())
}

// newMessage makes an empty message of the contract.
func newMessage(d protoreflect.MessageDescriptor) protoreflect.Message {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		panic(err) // the contract's own messages are linked in
	}
	return t.New()
}
