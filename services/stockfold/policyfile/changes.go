package policyfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Change is one rule that differs between a service and a file.
type Change struct {
	Was, Wanted *Rule // nil where there is none
	Message     *pb.PolicyChange
}

// rule is the rule that the change is about.
func (c *Change) rule() *Rule { return cmp.Or(c.Wanted, c.Was) }

// String tells the change in a line: + for a new rule, ~ for another one, - for one that is taken away.
func (c *Change) String() string {
	r := c.rule()
	sign := map[bool]string{true: "~", false: "+"}[c.Was != nil]
	if c.Wanted == nil {
		return fmt.Sprintf("- %s %s", r.Kind(), r.About())
	}
	return strings.TrimSuffix(fmt.Sprintf("%s %s %s: %s", sign, r.Kind(), r.About(), c.what()), ": ")
}

// what lists the fields that change.
func (c *Change) what() string {
	k := &kinds[c.Wanted.kind]
	_, is := kindOf(c.Wanted.PolicyRule)
	var was protoreflect.Message
	if c.Was != nil {
		_, was = kindOf(c.Was.PolicyRule)
	}
	var list []string
	for _, f := range k.fields() {
		switch after := said(f, is); {
		case slices.Contains(k.about, string(f.Name())):
		case was == nil && after != "":
			list = append(list, fmt.Sprintf("%s %s", f.Name(), after))
		case was != nil && said(f, was) != after:
			list = append(list, fmt.Sprintf("%s %s → %s", f.Name(), cmp.Or(said(f, was), "none"), cmp.Or(after, "none")))
		}
	}
	return strings.Join(list, ", ")
}

// said is what a rule says in a field.
func said(f protoreflect.FieldDescriptor, m protoreflect.Message) string {
	if !m.Has(f) {
		return ""
	}
	text, err := cell(f, m.Get(f))
	if err != nil {
		return err.Error()
	}
	return text
}

// Changes are what makes a service with rules have those of a file, in the order in which they are safe to make: what SKUs share is put, what others stand on
// first; then kits are taken away; then for each SKU what is taken away, and what it is, is put; then kits are put, then each SKU's own rules; then what SKUs share is
// taken away, in reverse. Both lists are in order. Rules that the file leaves out are kept unless prune is set; then they are taken away, as far as they can be: a location is disabled, a channel
// retired, an item stays.
func Changes(have, want []Rule, prune bool) (list []Change) {
	for i, j := 0, 0; i < len(have) || j < len(want); {
		switch {
		case j == len(want) || i < len(have) && compare(&have[i], &want[j]) < 0:
			if prune && !ended(&have[i]) {
				list = append(list, Change{Was: &have[i], Message: &pb.PolicyChange{Rule: have[i].PolicyRule, Remove: true}})
			}
			i++
		case i == len(have) || compare(&have[i], &want[j]) > 0:
			list = append(list, Change{Wanted: &want[j], Message: &pb.PolicyChange{Rule: want[j].PolicyRule}})
			j++
		default:
			if !proto.Equal(have[i].PolicyRule, want[j].PolicyRule) {
				list = append(list, Change{Was: &have[i], Wanted: &want[j], Message: &pb.PolicyChange{Rule: want[j].PolicyRule}})
			}
			i, j = i+1, j+1
		}
	}
	slices.SortStableFunc(list, func(a, b Change) int { return inTurn(&a, &b) })
	return list
}

// ended tells whether a rule is gone as far as it can be.
func ended(r *Rule) bool {
	return r.GetItem() != nil || r.GetLocation().GetDisabled() || r.GetChannel().GetRetired()
}

// inTurn orders changes as they are safe to make.
func inTurn(a, b *Change) int {
	turn := func(c *Change) int {
		kit := c.rule().GetKit() != nil
		switch {
		case kit && c.Wanted == nil:
			return 1
		case c.rule().sku != "" && (c.Wanted == nil || c.Wanted.GetItem() != nil):
			return 2
		case kit:
			return 3
		case c.rule().sku != "":
			return 4
		case c.Wanted == nil:
			return 5
		}
		return 0
	}
	if c := cmp.Compare(turn(a), turn(b)); c != 0 {
		return c
	}
	x, y := a.rule(), b.rule()
	switch turn(a) {
	case 2, 4:
		removed := func(c *Change) int { return map[bool]int{true: 0, false: 1}[c.Wanted == nil] }
		return cmp.Or(cmp.Compare(x.sku, y.sku), cmp.Compare(removed(a), removed(b)), compare(x, y))
	case 5:
		return compare(y, x)
	}
	return compare(x, y)
}
