package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const whole = `
locations:
  - {location_id: berlin, name: "Berlin: Mitte", kind: store, time_zone: Europe/Berlin}
groups:
  - group: north
    locations: [hamburg, berlin]
channels:
  - channel_id: web
    sourcing: [berlin]
    strategy: fewest_splits
    buffer_basis_points: 250
    buffer_from: 2030-01-01T00:00:00+02:00
fulfilment:
  - {method: ship, kinds: [store, dc], cut_off: "14:00"}
owners:
  - location_id: berlin
    ownerships:
      - {fact: on_hand, from: 2017-01-01T00:00:00Z, sources: [wms]}
      - {fact: on_hand, sources: [legacy]}
items:
  - {sku: 0012, name: Milk, decimals: 3}
safety:
  - {sku: 0012, location: berlin, quantity: 2}
  - {category: dairy, basis_points: 500, from: 2030-01-01T00:00:00Z, until: 2030-02-01T00:00:00Z}
buffers:
  - {sku: 0012, channel: web, quantity: 2}
selling:
  - {sku: 0012, channel: web, backorders: -1}
allocations:
  - {sku: 0012, channel: web, group: north, fence: 4, capped: true, cap: 9}
reallocation:
  - {channel: web, location: berlin, off: true}
  - {off: true}
returns:
  - {sku: 0012, condition: quarantined}
  - {category: dairy, channel: web, condition: damaged}
kits:
  - sku: breakfast
    components: [{sku: tea, quantity: 1}, {sku: 0012, quantity: 2}]
`

func mustRead(t *testing.T, text string) []Rule {
	t.Helper()
	rules, err := ReadYAML("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestAFileSaysRulesOfEveryKind(t *testing.T) {
	rules := mustRead(t, whole)
	kindsSeen := map[string]bool{}
	for i := range rules {
		kindsSeen[rules[i].Kind()] = true
	}
	if len(kindsSeen) != len(kinds) {
		t.Fatalf("the file has %v", kindsSeen)
	}
	at := func(i int) *pb.PolicyRule { return rules[i].PolicyRule }
	for i, want := range []*pb.PolicyRule{
		{Rule: &pb.PolicyRule_Location{Location: &pb.Location{LocationId: "berlin", Name: "Berlin: Mitte", Kind: "store", TimeZone: "Europe/Berlin"}}},
		{Rule: &pb.PolicyRule_Group{Group: &pb.LocationGroup{Group: "north", Locations: []string{"berlin", "hamburg"}}}},
		{Rule: &pb.PolicyRule_Channel{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}, HoldSeconds: 900, BufferBasisPoints: 250,
			Strategy: pb.SourcingStrategy_SOURCING_STRATEGY_FEWEST_SPLITS, BufferFrom: timestamppb.New(time.Date(2029, 12, 31, 22, 0, 0, 0, time.UTC))}}},
		{Rule: &pb.PolicyRule_Fulfilment{Fulfilment: &pb.FulfilmentRule{Method: "ship", Kinds: []string{"store", "dc"}, CutOff: "14:00"}}},
		{Rule: &pb.PolicyRule_Owners{Owners: &pb.Owners{LocationId: "berlin", Ownerships: []*pb.Ownership{{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{"legacy"}},
			{Fact: pb.OwnedFact_OWNED_FACT_ON_HAND, Sources: []string{"wms"}, From: timestamppb.New(time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC))}}}}},
		{Rule: &pb.PolicyRule_Item{Item: &pb.Item{Sku: "0012", Name: "Milk", Unit: "each", Decimals: 3}}},
	} {
		if !proto.Equal(at(i), want) {
			t.Errorf("rule %d is\n%v, expected\n%v", i, at(i), want)
		}
	}
	kit := &pb.PolicyRule{Rule: &pb.PolicyRule_Kit{Kit: &pb.Kit{Sku: "breakfast", Components: []*pb.KitComponent{{Sku: "0012", Quantity: 2}, {Sku: "tea", Quantity: 1}}}}}
	if got := at(len(rules) - 1); !proto.Equal(got, kit) {
		t.Errorf("the last rule is\n%v, expected\n%v", got, kit)
	}
}

// What is written is read as it was, and written the same, in either form.
func TestFilesRoundTrip(t *testing.T) {
	forms := []struct {
		name  string
		write func(*bytes.Buffer, []Rule) error
		read  func(string, []byte) ([]Rule, error)
	}{
		{"yaml", func(b *bytes.Buffer, r []Rule) error { return WriteYAML(b, r) }, ReadYAML},
		{"csv", func(b *bytes.Buffer, r []Rule) error { return WriteCSV(b, r) }, ReadCSV},
	}
	words := []string{"a", "0012", "no", "true", "1e3", "2017-01-02", "~", "x|y", `\`, `a\|b`, "ü/%", `"q"`, " led", "null", "- a", "k: v", "#c", "'", "[", "{}"}
	rapid.Check(t, func(rt *rapid.T) {
		word := func() string { return rapid.SampledFrom(words).Draw(rt, "word") }
		some := func() []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(words), 1, 4, rapid.ID).Draw(rt, "some")
		}
		at := func() *timestamppb.Timestamp {
			if rapid.Bool().Draw(rt, "bound") {
				return nil
			}
			return timestamppb.New(time.UnixMicro(rapid.Int64Range(1, 4e15).Draw(rt, "at")))
		}
		n := func() int64 { return rapid.Int64Range(0, 1e15).Draw(rt, "n") }
		for _, list := range [][]*pb.PolicyRule{{}, {
			{Rule: &pb.PolicyRule_Location{Location: &pb.Location{LocationId: word(), Name: word(), Kind: word(), TimeZone: word(), Disabled: rapid.Bool().Draw(rt, "b")}}},
			{Rule: &pb.PolicyRule_Group{Group: &pb.LocationGroup{Group: word(), Locations: some()}}},
			{Rule: &pb.PolicyRule_Channel{Channel: &pb.Channel{ChannelId: word(), Sourcing: some(), SourcingGroups: some(), Buffer: n(), BufferFrom: at(), MaxSplits: 3,
				Strategy: pb.SourcingStrategy(rapid.IntRange(0, 3).Draw(rt, "strategy")), Retired: rapid.Bool().Draw(rt, "b")}}},
			{Rule: &pb.PolicyRule_Fulfilment{Fulfilment: &pb.FulfilmentRule{Method: word(), Kinds: some(), CutOff: word()}}},
			{Rule: &pb.PolicyRule_Owners{Owners: &pb.Owners{LocationId: word(), Ownerships: []*pb.Ownership{{Fact: 1, From: at(), Sources: some()}, {Fact: 2}}}}},
			{Rule: &pb.PolicyRule_Item{Item: &pb.Item{Sku: word(), Name: word(), Unit: word(), Decimals: 2, Category: word()}}},
			{Rule: &pb.PolicyRule_Safety{Safety: &pb.SafetyRule{Sku: word(), Location: word(), Quantity: n(), From: at(), Until: at()}}},
			{Rule: &pb.PolicyRule_Buffer{Buffer: &pb.BufferRule{Category: word(), BasisPoints: 3, Until: at()}}},
			{Rule: &pb.PolicyRule_Selling{Selling: &pb.SellingRule{Sku: word(), Backorders: -1, ReleaseAt: at()}}},
			{Rule: &pb.PolicyRule_Allocation{Allocation: &pb.Allocation{Sku: word(), Channel: word(), Fence: 1 + n(), Capped: true}}},
			{Rule: &pb.PolicyRule_Reallocation{Reallocation: &pb.ReallocationRule{Channel: word(), Location: word(), Off: rapid.Bool().Draw(rt, "b")}}},
			{Rule: &pb.PolicyRule_Returns{Returns: &pb.ReturnRule{Sku: word(), Channel: word(), Condition: pb.Condition(rapid.IntRange(1, 4).Draw(rt, "condition"))}}},
			{Rule: &pb.PolicyRule_Kit{Kit: &pb.Kit{Sku: word(), Components: []*pb.KitComponent{{Sku: word(), Quantity: 1 + n()}, {Sku: "~ ~", Quantity: 1}}}}},
		}} {
			var rules []Rule
			for _, r := range list {
				rule, _ := newRule(r, 0)
				rules = append(rules, rule)
			}
			for _, form := range forms {
				var first, second bytes.Buffer
				if err := form.write(&first, rules); err != nil {
					rt.Fatal(err)
				}
				read, err := form.read("f", first.Bytes())
				if err != nil || len(read) != len(rules) {
					rt.Fatalf("%s: %v\n%s", form.name, err, first.String())
				}
				for i := range read {
					if !proto.Equal(read[i].PolicyRule, rules[i].PolicyRule) {
						rt.Fatalf("%s: wrote\n%v, read\n%v\n%s", form.name, rules[i], read[i], first.String())
					}
				}
				if err := form.write(&second, read); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
					rt.Fatalf("%s: %v\n%s\n%s", form.name, err, first.String(), second.String())
				}
				if changes := Changes(rules, read, true); len(changes) != 0 {
					rt.Fatalf("%s: %v", form.name, changes)
				}
			}
		}
	})
}

// Every error of a file is told at once, with its line.
func TestErrorsOfAFile(t *testing.T) {
	_, err := ReadYAML("rules.yaml", []byte(`locations:
  - location_id: berlin
    nmae: Berlin
  - {location_id: berlin, disabled: maybe}
  - {name: nowhere}
kitchens: []
channels:
  - channel_id: web
    sourcing: berlin
    buffer: 2.5
    strategy: randomly
    buffer_from: tomorrow
  - {channel_id: store}
  - {channel_id: store, name: again}
items:
  - {sku: milk, safety_stock: [{location: berlin, quantity: 2}]}
owners:
  - {location_id: berlin, ownerships: [{fact: on_hand, sauces: [wms]}]}
groups:
  - {group: north}
allocations:
  - {sku: milk, channel: web}
  - just text
safety: {sku: milk}
`))
	var all *Error
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	for i, want := range []struct {
		line int
		text string
	}{
		{3, `locations[0] has no field "nmae"`}, {4, `locations[1].disabled must be true or false, is "maybe"`}, {5, "says nothing of what it is about"},
		{6, `no kind of rules "kitchens"`}, {9, "channels[0].sourcing must be a list"}, {10, `channels[0].buffer must be a whole number, is "2.5"`},
		{11, `must be one of unspecified, most_stock_first, fewest_splits, fixed_location, is "randomly"`}, {12, "must be a time such as"},
		{14, "channels: the rule about store is also in line 13"}, {16, `items[0] has no field "safety_stock"`},
		{18, `owners[0].ownerships[0] has no field "sauces"; it has fact, from, sources`}, {20, "groups: the rule about north says nothing"},
		{22, "allocations: the rule about milk, channel web says nothing"}, {23, "must be a mapping"}, {24, "safety must be a list"},
	} {
		if i >= len(all.Problems) || all.Problems[i].Line != want.line || !strings.Contains(all.Problems[i].Text, want.text) {
			t.Fatalf("problem %d is not %d: %s\n%v", i, want.line, want.text, err)
		}
	}
	if !strings.Contains(err.Error(), "rules.yaml:3: locations[0] has no field") {
		t.Error(err)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"a: [":                                  "not YAML",
		"- a":                                   "rules.yaml:1: the file must be a mapping",
		"locations: []\n---\nlocations: []":     "one document",
		"items: []\nitems: []":                  `rules.yaml:2: the file: "items" is also in line 1`,
		"items:\n- &a {sku: &b x}\n- {sku: *b}": "must be written out",
	} {
		if _, err := ReadYAML("rules.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if rules, err := ReadYAML("rules.yaml", nil); err != nil || rules != nil {
		t.Errorf("an empty file: %v, %v", rules, err)
	}
	for text, want := range map[string]string{
		"":                                 "there must be a column",
		"rule,colour\n":                    `there is no column "colour"`,
		"rule,rule\n":                      "is there twice",
		"rule,sku\nsafety\n":               "rules.csv:2: the row has 1 cells, the header 2",
		"rule,sku\nkitchens,x\n":           "no kind of rules",
		"rule,sku,fence\nsafety,milk,3\n":  `rules.csv:2: safety has no field "fence"`,
		"rule,sku,quantity\nsafety,milk,x": "rules.csv:2: safety.quantity must be a whole number",
		"rule,location_id,ownerships\nowners,b,{}\n": "must be a list in JSON",
		"rule,sku\n\"safety,milk\n":                  "not CSV",
	} {
		if _, err := ReadCSV("rules.csv", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	rules, err := ReadCSV("rules.csv", []byte("\ufeffquantity,rule,sku\n3,safety,milk\n"))
	if err != nil || len(rules) != 1 || rules[0].GetSafety().GetQuantity() != 3 || rules[0].Line != 2 {
		t.Errorf("columns in any order: %v, %v", rules, err)
	}
}

func TestManyErrorsAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("items:\n")
	for range maxProblems + 7 {
		text.WriteString("- {}\n")
	}
	_, err := ReadYAML("f", []byte(text.String()))
	var all *Error
	if !errors.As(err, &all) || len(all.Problems) != maxProblems || all.More != 7 {
		t.Fatalf("%d problems, %d more", len(all.Problems), all.More)
	}
}

func TestWhatChangesAndInWhichTurn(t *testing.T) {
	have := mustRead(t, whole)
	want := mustRead(t, `
locations: [{location_id: bonn}]
channels: [{channel_id: web, sourcing: [bonn], buffer: 2}]
safety: [{sku: 0012, location: berlin, quantity: 3}]
allocations: [{sku: 0012, channel: web, fence: 4}]
`)
	lines := func(prune bool) (list []string) {
		for _, c := range Changes(have, want, prune) {
			list = append(list, c.String())
		}
		return list
	}
	kept := []string{`+ locations bonn: time_zone UTC`,
		`~ channels web: sourcing berlin → bonn, buffer none → 2, strategy fewest_splits → none, buffer_basis_points 250 → none, buffer_from 2029-12-31T22:00:00Z → none`,
		`~ safety 0012, location berlin: quantity 2 → 3`, `+ allocations 0012, channel web: fence 4`}
	if got := lines(false); fmt.Sprint(got) != fmt.Sprint(kept) {
		t.Errorf("%q", got)
	}
	pruned := []string{kept[0], kept[1], `- kits breakfast`, `- buffers 0012, channel web`, `- selling 0012, channel web`, `- allocations 0012, channel web, group north`, kept[2], kept[3],
		`- returns 0012`, `- returns category dairy, channel web`, `- reallocation web, location berlin`, `- reallocation everything`,
		`- safety category dairy, from 2030-01-01T00:00:00Z, until 2030-02-01T00:00:00Z`, `- owners berlin`, `- fulfilment ship`, `- groups north`, `- locations berlin`}
	if got := lines(true); strings.Join(got, "\n") != strings.Join(pruned, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// Requests of a preview have every change of a SKU, once, in a range of their own, and what SKUs share each.
func TestPreviewsAreCutBetweenSKUs(t *testing.T) {
	changes := []Change{}
	add := func(r *pb.PolicyRule) {
		rule, _ := newRule(r, 0)
		changes = append(changes, Change{Wanted: &rule, Message: &pb.PolicyChange{Rule: r}})
	}
	add(&pb.PolicyRule{Rule: &pb.PolicyRule_Safety{Safety: &pb.SafetyRule{Location: "berlin", Quantity: 1}}})
	for i := range 3 * previewAtOnce / 2 {
		sku := fmt.Sprintf("sku-%06d", i/2)
		add(&pb.PolicyRule{Rule: &pb.PolicyRule_Buffer{Buffer: &pb.BufferRule{Sku: sku, Channel: fmt.Sprint(i % 2), Quantity: 1}}})
	}
	shared, requests, err := previews(changes, nil)
	if err != nil || len(shared) != 1 || len(requests) < 2 {
		t.Fatalf("%d shared, %d requests, %v", len(shared), len(requests), err)
	}
	own, after := 0, ""
	for i, r := range requests {
		if r.message.AfterSku != after || (i == len(requests)-1) != (r.message.ThroughSku == "") || len(r.message.Changes) != 1+len(r.own) {
			t.Fatalf("request %d goes from %q to %q", i, r.message.AfterSku, r.message.ThroughSku)
		}
		for _, c := range r.own {
			if sku := c.rule().sku; sku <= after || r.message.ThroughSku != "" && sku > r.message.ThroughSku {
				t.Fatalf("%q is not between %q and %q", sku, after, r.message.ThroughSku)
			}
		}
		own, after = own+len(r.own), r.message.ThroughSku
	}
	_, withParts, err := previews(changes, map[string]bool{"sku-000003": true})
	if err != nil || len(withParts) != len(requests) {
		t.Fatalf("%d requests, %v", len(withParts), err)
	}
	for i, r := range withParts { // a kit of it may be anywhere
		n := 0
		for _, c := range r.message.Changes {
			n += map[bool]int{true: 1}[c.Rule.GetBuffer().GetSku() == "sku-000003"]
		}
		if n != 2 {
			t.Errorf("request %d has %d of the 2 changes of a component", i, n)
		}
	}
	if own != len(changes)-1 {
		t.Fatalf("%d of %d changes", own, len(changes)-1)
	}
	for i := range sharedAtOnce {
		add(&pb.PolicyRule{Rule: &pb.PolicyRule_Safety{Safety: &pb.SafetyRule{Location: fmt.Sprint(i), Quantity: 1}}})
	}
	var many *TooManySharedError
	if _, _, err := previews(changes, nil); !errors.As(err, &many) {
		t.Error(err)
	}
}
