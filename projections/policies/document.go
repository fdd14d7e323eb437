package policies

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/proto/codec"
	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// AppendBinary appends the stored form, an inventoryv1.ChannelDocument.
func (c *Channel) AppendBinary(dst []byte) ([]byte, error) {
	d := inventoryv1.ChannelDocument{
		ChannelId: c.ID, Name: c.State.Name, Sourcing: c.State.Sourcing, HoldSeconds: c.State.HoldSeconds,
		Buffer: c.State.Buffer, Position: c.Position, RecordedAt: int64(c.RecordedAt), Retired: c.State.Retired,
	}
	if terms := codec.ToChannel(&channel.Defined{Terms: c.State.Terms}); terms.SizeVT() > 0 {
		d.Terms = terms
	}
	return appendMessage(dst, &d)
}

// UnmarshalBinary reads the stored form; Policy stays nil.
func (c *Channel) UnmarshalBinary(b []byte) error {
	var d inventoryv1.ChannelDocument
	if err := d.UnmarshalVT(b); err != nil {
		return fmt.Errorf("read the document of a channel: %w", err)
	}
	*c = Channel{
		ID: d.ChannelId, Position: d.Position, RecordedAt: aggregates.Instant(d.RecordedAt),
		State: channel.State{Known: true, Defined: channel.Defined{
			Name: d.Name, Sourcing: d.Sourcing, HoldSeconds: d.HoldSeconds, Buffer: d.Buffer,
		}},
	}
	if c.State.Retired = d.Retired; d.Terms != nil {
		c.State.Terms = codec.FromChannel(d.Terms).Terms
	}
	return nil
}

// AppendBinary appends the stored form, an inventoryv1.LocationDocument.
func (l *Location) AppendBinary(dst []byte) ([]byte, error) {
	d := inventoryv1.LocationDocument{
		LocationId: l.ID, Name: l.State.Name, Kind: l.State.Kind, TimeZone: l.State.TimeZone,
		Disabled: l.State.Disabled, Known: l.State.Known, Position: l.Position, RecordedAt: int64(l.RecordedAt),
	}
	for _, x := range l.State.Owners.List() {
		d.Owners = append(d.Owners, &inventoryv1.OwnerDocument{Fact: int32(x.Fact), From: int64(x.From), Sources: x.Sources})
	}
	return appendMessage(dst, &d)
}

// UnmarshalBinary reads the stored form.
func (l *Location) UnmarshalBinary(b []byte) error {
	var d inventoryv1.LocationDocument
	if err := d.UnmarshalVT(b); err != nil {
		return fmt.Errorf("read the document of a location: %w", err)
	}
	var owners []location.Ownership
	for _, x := range d.Owners {
		owners = append(owners, location.Ownership{Fact: location.Fact(x.Fact), From: aggregates.Instant(x.From), Sources: x.Sources})
	}
	*l = Location{
		ID: d.LocationId, Position: d.Position, RecordedAt: aggregates.Instant(d.RecordedAt),
		State: location.State{Known: d.Known, Disabled: d.Disabled, Defined: location.Defined{
			Name: d.Name, Kind: d.Kind, TimeZone: d.TimeZone,
		}, Owners: location.NewOwners(owners)},
	}
	return nil
}

// AppendBinary appends the stored form, an inventoryv1.PolicyRulesDocument.
func (r *SharedRules) AppendBinary(dst []byte) ([]byte, error) {
	d := inventoryv1.PolicyRulesDocument{Position: r.Position, RecordedAt: int64(r.RecordedAt), Passed: int64(r.State.Passed)}
	for _, x := range r.State.Safety {
		d.Safety = append(d.Safety, codec.ToSafety(x))
	}
	for _, x := range r.State.Buffers {
		d.Buffers = append(d.Buffers, codec.ToSharedBuffer(x))
	}
	for _, group := range slices.Sorted(maps.Keys(r.State.Groups)) {
		d.Groups = append(d.Groups, &inventoryv1.LocationGroupDefined{Group: group, Locations: r.State.Groups[group]})
	}
	for _, method := range slices.Sorted(maps.Keys(r.State.Methods)) {
		d.Methods = append(d.Methods, codec.ToFulfilment(method, r.State.Methods[method]))
	}
	for _, x := range r.State.Moves {
		d.Reallocation = append(d.Reallocation, codec.ToMove(x))
	}
	for _, x := range r.State.Returns {
		d.Returns = append(d.Returns, codec.ToReturn(x))
	}
	return appendMessage(dst, &d)
}

// UnmarshalBinary reads the stored form.
func (r *SharedRules) UnmarshalBinary(b []byte) error {
	var d inventoryv1.PolicyRulesDocument
	if err := d.UnmarshalVT(b); err != nil {
		return fmt.Errorf("read the document of the shared rules: %w", err)
	}
	*r = SharedRules{Position: d.Position, RecordedAt: aggregates.Instant(d.RecordedAt)}
	s := &r.State
	s.Passed = aggregates.Instant(d.Passed)
	for _, x := range d.Safety {
		s.Safety = append(s.Safety, codec.FromSafety(x))
	}
	for _, x := range d.Buffers {
		s.Buffers = append(s.Buffers, codec.FromSharedBuffer(x))
	}
	for _, x := range d.Groups {
		s.Evolve(&rules.GroupDefined{Group: x.Group, Locations: x.Locations}, aggregates.Metadata{})
	}
	for _, x := range d.Methods {
		s.Evolve(&rules.FulfilmentSet{Method: x.Method, Rule: codec.FromFulfilment(x)}, aggregates.Metadata{})
	}
	for _, x := range d.Reallocation {
		s.Moves = append(s.Moves, codec.FromMove(x))
	}
	for _, x := range d.Returns {
		s.Returns = append(s.Returns, codec.FromReturn(x))
	}
	return nil
}

type message interface {
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
}

func appendMessage(dst []byte, m message) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, m.SizeVT())...)
	if _, err := m.MarshalToSizedBufferVT(dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("encode %T: %w", m, err)
	}
	return dst, nil
}
