package viewtest

import (
	"cmp"
	"context"
	"slices"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// Policies runs the contract of policies.ReadModel.
func Policies(t *testing.T, start func(t *testing.T) Backend[policies.ReadModel]) {
	for name, test := range map[string]func(*testing.T, Backend[policies.ReadModel]){
		"begins empty":                   policiesBeginEmpty,
		"gives back what was written":    policiesAreGivenBack,
		"never replaces a newer one":     policiesGuard,
		"forgets everything on reset":    policiesReset,
		"survives reopening":             policiesReopen,
		"writes nothing when it is over": policiesCanceled,
	} {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

func channelDocument(id string, position uint64) *policies.Channel {
	return &policies.Channel{ID: id, Position: position, RecordedAt: 99, State: channel.State{Known: true, Defined: channel.Defined{
		Name: "Name of " + id, Sourcing: []string{"berlin", "\xff/", "a"}, HoldSeconds: int64(position), Buffer: 3,
	}}}
}

func locationDocument(id string, position uint64) *policies.Location {
	return &policies.Location{ID: id, Position: position, RecordedAt: 98, State: location.State{Known: true, Disabled: position%2 == 0,
		Defined: location.Defined{Name: "Name of " + id, Kind: "dc", TimeZone: "UTC"},
		Owners: location.NewOwners([]location.Ownership{
			{Fact: location.OnHand, Sources: []string{"legacy"}}, {Fact: location.OnHand, From: 5, Sources: []string{"erp", "\xff/"}},
			{Fact: location.Orders, From: aggregates.Instant(position)}})}}
}

func rulesDocument(position uint64) *policies.SharedRules {
	return &policies.SharedRules{Position: position, RecordedAt: 97, State: rules.State{
		Safety: stock.Safety{{Category: "dairy", Location: "berlin", Portion: stock.Portion{Units: int64(position)}, Period: stock.Period{From: 1, Until: 2}}},
		Groups: map[string][]string{"north": {"berlin", "köln"}}, Methods: map[string]stock.Method{"ship": {Kinds: []string{"dc"}, CutOff: 5}}, Passed: 3,
	}}
}

func load(t testing.TB, m policies.ReadModel) (policies.Contents, projections.Progress) {
	t.Helper()
	c, p, err := m.Load(t.Context())
	ok(t, err)
	slices.SortFunc(c.Channels, func(a, b *policies.Channel) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Locations, func(a, b *policies.Location) int { return cmp.Compare(a.ID, b.ID) })
	return c, p
}

func policiesBeginEmpty(t *testing.T, b Backend[policies.ReadModel]) {
	c, p := load(t, b.Model)
	equal(t, "contents", len(c.Channels)+len(c.Locations), 0)
	equal(t, "rules", c.Rules, (*policies.SharedRules)(nil))
	equal(t, "progress", p, projections.Progress{})
}

func policiesAreGivenBack(t *testing.T, b Backend[policies.ReadModel]) {
	var want policies.Contents
	for i, id := range sortedNames() {
		want.Channels = append(want.Channels, channelDocument(id, uint64(i+1)))
		want.Locations = append(want.Locations, locationDocument(id, uint64(i+50)))
	}
	want.Channels[1].State.Terms = channel.Terms{Disabled: true, SourcingGroups: []string{"north"}, Strategy: 2, MaxSplits: 3,
		BufferBasisPoints: 5, BufferFrom: 6, BufferUntil: 7, LowStock: 8, SellOut: 9}
	want.Channels[2].State.Retired = true
	want.Rules = rulesDocument(60)
	want.Locations[3].State = location.State{Disabled: true} // disabled, and never defined
	ok(t, b.Model.Write(t.Context(), want, progressAt(100)))
	got, p := load(t, b.Model)
	equal(t, "contents", got, want)
	equal(t, "progress", p, progressAt(100))
}

func policiesGuard(t *testing.T, b Backend[policies.ReadModel]) {
	now := policies.Contents{Channels: []*policies.Channel{channelDocument("web", 10)}, Locations: []*policies.Location{locationDocument("berlin", 11)},
		Rules: rulesDocument(11)}
	ok(t, b.Model.Write(t.Context(), now, progressAt(11)))
	ok(t, b.Model.Write(t.Context(), policies.Contents{
		Channels:  []*policies.Channel{channelDocument("web", 9)},
		Locations: []*policies.Location{locationDocument("berlin", 10)},
		Rules:     rulesDocument(10),
	}, progressAt(10)))
	got, p := load(t, b.Model)
	equal(t, "contents", got, now)
	equal(t, "progress", p, progressAt(11))
	newest := policies.Contents{Channels: []*policies.Channel{channelDocument("web", 12), channelDocument("web", 13)}}
	ok(t, b.Model.Write(t.Context(), newest, progressAt(13)))
	got, _ = load(t, b.Model)
	equal(t, "channels", got.Channels, newest.Channels[1:])
}

func policiesReset(t *testing.T, b Backend[policies.ReadModel]) {
	ok(t, b.Model.Write(t.Context(), policies.Contents{Channels: []*policies.Channel{channelDocument("web", 10)}, Rules: rulesDocument(11)}, progressAt(11)))
	ok(t, b.Model.Reset(t.Context()))
	policiesBeginEmpty(t, b)
}

func policiesReopen(t *testing.T, b Backend[policies.ReadModel]) {
	if b.Reopen == nil {
		t.Skip("this back end is not reopened")
	}
	want := policies.Contents{Channels: []*policies.Channel{channelDocument("web", 10)}, Locations: []*policies.Location{locationDocument("berlin", 11)}}
	ok(t, b.Model.Write(t.Context(), want, progressAt(11)))
	got, p := load(t, b.Reopen())
	equal(t, "contents", got, want)
	equal(t, "progress", p, progressAt(11))
}

func policiesCanceled(t *testing.T, b Backend[policies.ReadModel]) {
	err := b.Model.Write(ended(t), policies.Contents{Channels: []*policies.Channel{channelDocument("web", 10)}}, progressAt(11))
	if err == nil {
		t.Fatal("wrote after the context's end")
	}
	policiesBeginEmpty(t, b)
}
