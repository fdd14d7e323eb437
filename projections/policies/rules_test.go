package policies_test

import (
	"slices"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
)

const rulesStream = aggregates.PolicyPrefix + aggregates.SharedRules

func (s *scenario) rule(e aggregates.Event) uint64 { return s.Add(s.T, rulesStream, e) }

func (s *scenario) wantSafety(id string, rules ...stock.SafetyRule) {
	s.Helper()
	if c, _ := s.dir.Channel(id); !slices.Equal(c.Policy.Safety, rules) {
		s.Fatalf("channel %q keeps %+v, want %+v", id, c.Policy.Safety, rules)
	}
}

func TestSharedRulesReachTheChannelsTheyAreAbout(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Location(t, "hamburg")
	web := s.Channel(t, "web", 0, "berlin")
	store := s.Channel(t, "store", 0, "hamburg")
	atBerlin := stock.SafetyRule{Category: "dairy", Location: "berlin", Portion: stock.Portion{Units: 2}}
	ofStore := stock.SafetyRule{Channel: "store", Portion: stock.Portion{BasisPoints: 5}}
	first := s.rule(&rules.SafetySet{Rule: atBerlin})
	s.seen()
	s.wantSafety("web", atBerlin)
	s.wantPosition("web", first)
	s.wantPosition("store", store)
	second := s.rule(&rules.SafetySet{Rule: ofStore})
	s.seen()
	s.wantSafety("store", ofStore)
	s.wantPosition("web", first)
	s.wantPosition("store", second)
	s.restart()
	s.seen()
	s.wantSafety("web", atBerlin)
	s.wantSafety("store", ofStore)
	last := s.rule(&rules.SafetySet{Rule: atBerlin, Ended: true})
	s.seen()
	s.wantSafety("web")
	s.wantPosition("web", last)
	if s.dir.Rules().Position != last || web >= first {
		t.Fatalf("%+v", s.dir.Rules())
	}
}

func TestAGroupIsPartOfWhatAChannelSellsFrom(t *testing.T) {
	s := start(t)
	for _, l := range []string{"berlin", "hamburg", "munich"} {
		s.Location(t, l)
	}
	s.Add(t, "channel-web", &channel.Defined{Name: "web", Sourcing: []string{"munich"}, Terms: channel.Terms{SourcingGroups: []string{"north"}}})
	s.seen()
	s.wantSites("web", "munich")
	at := s.rule(&rules.GroupDefined{Group: "north", Locations: []string{"berlin", "hamburg", "munich"}})
	s.seen()
	s.wantSites("web", "munich", "berlin", "hamburg")
	s.wantPosition("web", at)
	at = s.Add(t, "location-hamburg", &location.Disabled{})
	s.seen()
	s.wantSites("web", "munich", "berlin")
	s.wantPosition("web", at)
	s.Add(t, "channel-web", &channel.Retired{})
	s.seen()
	if c, _ := s.dir.Channel("web"); !c.Policy.Closed {
		t.Fatal("a retired channel sells")
	}
}

// A rule for methods changes where units are taken, not how many there are: no SKU's availability is computed again.
func TestMethodsChangeNoAvailability(t *testing.T) {
	s := start(t)
	s.Add(t, "location-berlin", &location.Defined{Name: "Berlin", Kind: "store", TimeZone: "Europe/Berlin"})
	at := s.Channel(t, "web", 0, "berlin")
	s.rule(&rules.FulfilmentSet{Method: "ship", Rule: stock.Method{Kinds: []string{"dc"}, CutOff: 60}})
	s.seen()
	s.wantPosition("web", at)
	c, _ := s.dir.Channel("web")
	if site := c.Policy.SiteAt(0); site.Kind != "store" || site.Zone.String() != "Europe/Berlin" || c.Policy.Methods["ship"].CutOff != 60 {
		t.Fatalf("%+v", c.Policy)
	}
	s.Add(t, "location-berlin", &location.Defined{Name: "Berlin", Kind: "dc", TimeZone: "Nowhere/Atall"})
	s.seen()
	s.wantPosition("web", at)
	if c, _ = s.dir.Channel("web"); c.Policy.SiteAt(0).Kind != "dc" {
		t.Fatalf("%+v", c.Policy)
	}
}

func TestWhatPassesIsFoundAndRecorded(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	other := s.Channel(t, "store", 0)
	from, until := s.Now+100*aggregates.Second, s.Now+200*aggregates.Second
	s.rule(&rules.SafetySet{Rule: stock.SafetyRule{Location: "berlin", Portion: stock.Portion{Units: 1}, Period: stock.Period{From: from, Until: until}}})
	s.seen()
	if passed, next := s.dir.Tables().Passed(from - 1); passed != 0 || next != from {
		t.Fatalf("%d has passed, %d is next", passed, next)
	}
	if passed, _ := s.dir.Tables().Passed(until + 5); passed != from {
		t.Fatalf("%d has passed", passed)
	}
	s.Now = from + 1
	at := s.rule(&rules.PeriodPassed{At: from})
	s.seen()
	s.wantPosition("web", at)
	s.wantPosition("store", other)
	if passed, next := s.dir.Tables().Passed(from + 5); passed != 0 || next != until {
		t.Fatalf("%d has passed, %d is next", passed, next)
	}
}

func TestRulesOfMovesAndReturnsAreKept(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	web := s.Channel(t, "web", 0, "berlin")
	s.rule(&rules.MoveSet{Rule: stock.MoveRule{Channel: "web", Location: "berlin", Off: true}})
	s.rule(&rules.MoveSet{Rule: stock.MoveRule{Channel: "store", Off: true}})
	last := s.rule(&rules.ReturnSet{Rule: rules.ReturnRule{Category: "fresh", Channel: "web", Condition: stock.Damaged}})
	check := func() {
		t.Helper()
		s.seen()
		c, _ := s.dir.Channel("web")
		if !slices.Equal(c.Policy.Moves, stock.Moves{{Channel: "web", Location: "berlin", Off: true}}) || !c.Policy.Moves.Stay("web", "berlin") {
			t.Fatalf("moves of web: %+v", c.Policy.Moves)
		}
		if got := s.dir.Rules().State.Returns; len(got) != 1 || got[0] != (rules.ReturnRule{Category: "fresh", Channel: "web", Condition: stock.Damaged}) {
			t.Fatalf("returns: %+v", got)
		}
		s.wantPosition("web", web) // what it sells is as before
		if c.Policy.Position != last {
			t.Fatalf("the policy is as of %d, the rules as of %d", c.Policy.Position, last)
		}
	}
	check()
	s.restart()
	check()
}
