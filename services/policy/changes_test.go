package policy_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

var (
	places   = []string{"aachen", "berlin", "celle"}
	outlets  = []string{"market", "store", "web"}
	goods    = []string{"beer", "milk", "tea"}
	sections = []string{"dairy", "drinks"}
	sets     = []string{"basket", "crate"} // kits, of goods
)

// rules draws rules of every kind.
type rules struct{ t *rapid.T }

func (r rules) of(list []string) string { return rapid.SampledFrom(list).Draw(r.t, "of") }
func (r rules) n(most int64) int64      { return rapid.Int64Range(0, most).Draw(r.t, "n") }
func (r rules) yes() bool               { return rapid.Bool().Draw(r.t, "yes") }
func (r rules) some(list []string) (out []string) {
	for _, x := range rapid.Permutation(list).Draw(r.t, "order") {
		if r.yes() {
			out = append(out, x)
		}
	}
	return out
}

// world is the rules that others stand on: every location, channel, group and item.
func (r rules) world() (list []*pb.PolicyRule) {
	for _, l := range places {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Location{Location: &pb.Location{LocationId: l, Name: "In " + l, Kind: r.of([]string{"dc", "store"}),
			TimeZone: "Europe/Berlin", Disabled: r.n(9) == 0}}})
	}
	for _, g := range []string{"north", "south"} {
		list = append(list, &pb.PolicyRule{Rule: &pb.PolicyRule_Group{Group: &pb.LocationGroup{Group: g, Locations: append(r.some(places), r.of(places))}}})
	}
	for _, c := range outlets {
		list = append(list, r.channel(c))
	}
	for _, sku := range goods {
		list = append(list, r.item(sku))
	}
	return list
}

func (r rules) item(sku string) *pb.PolicyRule {
	return &pb.PolicyRule{Rule: &pb.PolicyRule_Item{Item: &pb.Item{Sku: sku, Name: "Some " + sku, Category: r.of(sections)}}}
}

func (r rules) channel(id string) *pb.PolicyRule {
	c := &pb.Channel{ChannelId: id, Sourcing: r.some(places), Disabled: r.n(9) == 0, Retired: r.n(9) == 0, Strategy: pb.SourcingStrategy(r.n(2)),
		MaxSplits: int32(r.n(2)), LowStock: r.n(3), SellOut: r.n(2), HoldSeconds: 60 + r.n(3)}
	if r.yes() {
		c.SourcingGroups = []string{"north"}
	}
	if c.Buffer = r.n(3); c.Buffer == 0 {
		c.BufferBasisPoints = r.n(3000)
	}
	return &pb.PolicyRule{Rule: &pb.PolicyRule_Channel{Channel: c}}
}

// any draws a rule that stands on those of the world. Allocations and kits are left to those who ask for them: one may be refused.
func (r rules) any(allocations bool) *pb.PolicyRule {
	switch most := map[bool]int64{false: 10, true: 14}[allocations]; r.n(most) {
	case 0:
		return r.channel(r.of(outlets))
	case 1:
		return r.item(r.of(goods))
	case 2:
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Fulfilment{Fulfilment: &pb.FulfilmentRule{Method: r.of([]string{"ship", "pickup"}), Kinds: r.some([]string{"dc", "store"}),
			CutOff: r.of([]string{"", "14:00"})}}}
	case 3:
		o := &pb.Owners{LocationId: r.of(places)}
		for fact := pb.OwnedFact(1); fact <= 3; fact++ {
			if r.yes() {
				o.Ownerships = append(o.Ownerships, &pb.Ownership{Fact: fact, Sources: []string{"erp", "test"}})
			}
		}
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Owners{Owners: o}}
	case 4, 5:
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Safety{Safety: r.safety()}}
	case 6, 7:
		b := &pb.BufferRule{Quantity: r.n(3)}
		if b.Sku = r.of(goods); r.yes() {
			b.Sku, b.Category = "", r.of(sections)
		}
		if r.yes() {
			b.Channel = r.of(outlets)
		}
		b.From, b.Until = r.period()
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Buffer{Buffer: b}}
	case 8:
		of := goods
		if allocations { // a set may not be known yet
			of = slices.Concat(goods, sets)
		}
		s := &pb.SellingRule{Sku: r.of(of), Unsold: r.n(4) == 0, Backorders: r.n(4) - 1, LowStock: r.n(3), SellOut: r.n(2)}
		if r.yes() {
			s.Channel = r.of(outlets)
		}
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Selling{Selling: s}}
	case 9:
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Reallocation{Reallocation: &pb.ReallocationRule{Channel: r.of(append(outlets, "")), Location: r.of(append(places, "")),
			Off: r.yes()}}}
	case 10:
		back := &pb.ReturnRule{Sku: r.of(append(goods, "")), Channel: r.of(append(outlets, "")), Condition: pb.Condition(1 + r.n(3))}
		if back.Sku == "" {
			back.Category = r.of(append(sections, ""))
		}
		return &pb.PolicyRule{Rule: &pb.PolicyRule_Returns{Returns: back}}
	case 11, 12:
		return r.kit()
	}
	a := &pb.Allocation{Sku: r.of(goods), Channel: r.of(outlets), Fence: r.n(6), Group: r.of([]string{"", "north", "south"})}
	if r.yes() {
		a.Capped, a.Cap = true, 2+r.n(9)
	}
	return &pb.PolicyRule{Rule: &pb.PolicyRule_Allocation{Allocation: a}}
}

// kit draws a kit of goods; some of another kit, which is refused.
func (r rules) kit() *pb.PolicyRule {
	k := &pb.Kit{Sku: r.of(sets)}
	of := slices.DeleteFunc(slices.Concat(goods, sets), func(sku string) bool { return sku == k.Sku })
	for _, sku := range rapid.Permutation(of).Draw(r.t, "components")[:1+r.n(1)] {
		k.Components = append(k.Components, &pb.KitComponent{Sku: sku, Quantity: 1 + r.n(2)})
	}
	return &pb.PolicyRule{Rule: &pb.PolicyRule_Kit{Kit: k}}
}

func (r rules) safety() *pb.SafetyRule {
	s := &pb.SafetyRule{Quantity: r.n(4)}
	if s.Quantity == 0 {
		s.BasisPoints = r.n(4000)
	}
	switch r.n(4) {
	case 0:
		s.Category = r.of(sections)
	case 1:
		s.Category, s.Location = r.of(sections), r.of(places)
	case 2:
		s.Location = r.of(places)
	case 3:
		s.Channel = r.of(outlets)
	default:
		if s.Sku = r.of(goods); r.yes() {
			s.Location = r.of(places)
		}
		if r.yes() {
			s.Channel = r.of(outlets)
		}
	}
	s.From, s.Until = r.period()
	return s
}

func (r rules) period() (from, until *timestamppb.Timestamp) {
	if r.n(3) > 0 {
		return nil, nil
	}
	begins := time.Now().Add(time.Duration(r.n(4)-2) * time.Hour).Truncate(time.Second)
	return timestamppb.New(begins), timestamppb.New(begins.Add(time.Hour + time.Duration(r.n(3))*time.Hour))
}

func apply(t interface{ Fatal(...any) }, w *servicetest.World, changes ...*pb.PolicyChange) *pb.ApplyPoliciesResponse {
	answer, err := w.PolicyClient().ApplyPolicies(context.Background(), &pb.ApplyPoliciesRequest{Changes: changes, Actor: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func puts(list []*pb.PolicyRule) (changes []*pb.PolicyChange) {
	for _, r := range list {
		changes = append(changes, &pb.PolicyChange{Rule: r})
	}
	return changes
}

func exported(t interface{ Fatal(...any) }, w *servicetest.World) (list []*pb.PolicyRule) {
	stream, err := w.PolicyClient().ExportPolicies(context.Background(), &pb.ExportPoliciesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		part, err := stream.Recv()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, part.Rules...)
	}
}

func sameRules(a, b []*pb.PolicyRule) bool {
	return len(a) == len(b) && func() bool {
		for i := range a {
			if !proto.Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	}()
}

// all reads the ATS of every SKU on every channel, from the streams.
func all(t interface{ Fatal(...any) }, w *servicetest.World) map[[2]string]int64 {
	list := map[[2]string]int64{}
	for _, sku := range slices.Concat(goods, sets) {
		for _, c := range outlets {
			a, err := w.AvailabilityClient().GetAvailability(context.Background(), &pb.GetAvailabilityRequest{Sku: sku, Channel: c, Consistency: pb.Consistency_CONSISTENCY_STRONG})
			if err != nil {
				t.Fatal(err)
			}
			list[[2]string{sku, c}] = a.Availability.Ats
		}
	}
	return list
}

func previewed(t interface{ Fatal(...any) }, w *servicetest.World, r *pb.PreviewPoliciesRequest) (values []*pb.PreviewedValue, refused map[int32]string) {
	stream, err := w.PolicyClient().PreviewPolicies(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	refused = map[int32]string{}
	done := false
	for {
		part, err := stream.Recv()
		if err == io.EOF && done {
			return values, refused
		}
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, part.Values...)
		for _, x := range part.Refused {
			refused[x.Index] = x.Reason
		}
		if done = part.Done; done && part.ValuesChanged != int64(len(values)) {
			t.Fatal("totals", part.ValuesChanged, len(values))
		}
	}
}

// round is one round of a test: what it starts ends with it.
type round struct {
	testing.TB
	ends []func()
}

// Cleanup keeps what is to be done at the end of the round.
func (r *round) Cleanup(f func()) { r.ends = append(r.ends, f) }

// startRound starts a world for a round, and returns how to end it.
func startRound(t *testing.T) (*servicetest.World, func()) {
	r := &round{TB: t}
	return servicetest.Start(r, servicetest.Options{}), func() {
		for i := len(r.ends) - 1; i >= 0; i-- {
			r.ends[i]()
		}
	}
}

// stocked is a service with what a drawn world has, and stock.
func stocked(t *testing.T, rt *rapid.T, r rules) (*servicetest.World, func()) {
	w, end := startRound(t)
	apply(rt, w, puts(r.world())...)
	for _, sku := range goods {
		for _, l := range places {
			w.Move(&pb.Movement{Sku: sku, Location: l, Quantity: r.n(12), Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
		}
	}
	for i := range r.n(4) {
		_, _ = w.ReservationClient().Reserve(context.Background(), &pb.ReserveRequest{ReservationId: fmt.Sprint("r", i), Sku: r.of(goods), Channel: r.of(outlets), Quantity: 1 + r.n(3)})
	}
	return w, end
}

// What a preview says of changes is what they come to: which are refused, and every ATS before and after. It changes nothing.
func TestAPreviewIsWhatApplyingComesTo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rules{rt}
		w, end := stocked(t, rt, r)
		defer end()
		for range r.n(6) {
			apply(rt, w, &pb.PolicyChange{Rule: r.any(true)})
		}
		var changes []*pb.PolicyChange
		for range 1 + r.n(12) {
			changes = append(changes, &pb.PolicyChange{Rule: r.any(true)})
		}
		for _, was := range exported(rt, w) {
			if was.GetItem() == nil && r.n(5) == 0 {
				changes = append(changes, &pb.PolicyChange{Rule: was, Remove: true})
			}
		}
		before, rulesBefore := all(rt, w), exported(rt, w)
		values, refused := previewed(rt, w, &pb.PreviewPoliciesRequest{Changes: changes})
		var halves []*pb.PreviewedValue
		for _, half := range []*pb.PreviewPoliciesRequest{{Changes: changes, ThroughSku: "milk"}, {Changes: changes, AfterSku: "milk"}} {
			part, _ := previewed(rt, w, half)
			halves = append(halves, part...)
		}
		if !sameRules(exported(rt, w), rulesBefore) || fmt.Sprint(all(rt, w)) != fmt.Sprint(before) {
			rt.Fatal("a preview changed something")
		}
		answer := apply(rt, w, changes...)
		for i, result := range answer.Results {
			if got, is := refused[int32(i)]; is != (result.Status == pb.PolicyResult_STATUS_REFUSED) || got != result.Reason {
				rt.Fatalf("%s: previewed %q, applied %v", prototext.Format(changes[i]), got, result)
			}
		}
		after := all(rt, w)
		for _, list := range [][]*pb.PreviewedValue{values, halves} {
			expected := map[[2]string]int64{}
			for k, v := range before {
				expected[k] = v
			}
			for _, v := range list {
				key := [2]string{v.Sku, v.Channel}
				if v.Before != before[key] || v.Before == v.After || len(v.Steps) == 0 {
					rt.Fatalf("%v, was %d", v, before[key])
				}
				var sum int64
				for _, s := range v.Steps {
					sum += s.After - s.Before
				}
				if sum != v.After-v.Before {
					rt.Fatalf("steps do not add up: %v", v)
				}
				expected[key] = v.After
			}
			if fmt.Sprint(expected) != fmt.Sprint(after) {
				rt.Fatalf("previewed %v, came to %v", expected, after)
			}
		}
	})
}

// What is exported and applied to an empty service sells the same, and is exported the same.
func TestAnExportMakesTheSameService(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rules{rt}
		var list []*pb.PolicyRule
		for range r.n(15) {
			list = append(list, r.any(true))
		}
		list = append(r.world(), list...)
		first, end := startRound(t)
		defer end()
		for range 2 { // so that allocations, which take the locations of their channel as they find them, find them as they are
			apply(rt, first, puts(list)...)
		}
		export := exported(rt, first)
		if !sameRules(export, exported(rt, first)) {
			rt.Fatal("an export is not stable")
		}
		for _, x := range apply(rt, first, puts(export)...).Results {
			if x.Status != pb.PolicyResult_STATUS_UNCHANGED {
				rt.Fatalf("%v of %s", x, prototext.Format(export[x.Index]))
			}
		}
		second, endSecond := startRound(t)
		defer endSecond()
		for _, x := range apply(rt, second, puts(export)...).Results {
			if x.Status != pb.PolicyResult_STATUS_APPLIED {
				rt.Fatalf("%v of %s", x, prototext.Format(export[x.Index]))
			}
		}
		if again := exported(rt, second); !sameRules(export, again) {
			rt.Fatalf("%v\n%v", export, again)
		}
		for _, sku := range goods {
			for _, l := range places {
				n := r.n(12)
				for _, w := range []*servicetest.World{first, second} {
					w.Move(&pb.Movement{Sku: sku, Location: l, Quantity: n, Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
				}
			}
		}
		if a, b := all(rt, first), all(rt, second); fmt.Sprint(a) != fmt.Sprint(b) {
			rt.Fatalf("%v\n%v", a, b)
		}
	})
}
