package policy

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// PutOwners says which systems are believed about a location. It returns *validation.Error, *refusals.UnknownLocations,
// *tokens.NotYetVisibleError when it is durable but not yet in force here, and the errors of the store.
func (s *Service) PutOwners(ctx context.Context, r *pb.PutOwnersRequest) (*pb.PutOwnersResponse, error) {
	in, err := checkOwners(r)
	if err != nil {
		return nil, err
	}
	outcome, err := s.Locations.Do(ctx, in.location, metadata(ctx, r.Actor), in)
	if err != nil {
		return nil, err
	}
	if err := tokens.Await(ctx, outcome.Position, s.Directory); err != nil {
		return nil, err
	}
	return &pb.PutOwnersResponse{Owners: ownersMessage(in.location, in.result), Token: s.Tokens.Encode(outcome.Position)}, nil
}

// checkOwners checks every field and makes the intention.
func checkOwners(r *pb.PutOwnersRequest) (*putOwners, error) {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Owners == nil {
		c.Fail("owners", "must be given")
		return nil, c.Err()
	}
	c.ID("owners.location_id", r.Owners.LocationId)
	in := &putOwners{location: r.Owners.LocationId}
	if c.Count("owners.ownerships", len(r.Owners.Ownerships), 0, location.MaxOwnerships); c.Err() != nil {
		return nil, c.Err()
	}
	first := map[string]int{}
	for i, x := range r.Owners.Ownerships {
		field := fmt.Sprintf("owners.ownerships[%d]", i)
		if x == nil {
			c.Fail(field, "must be given")
			continue
		}
		checkOwnership(&c, field, x)
		o := location.Ownership{Fact: location.Fact(x.Fact), From: codec.Instant(x.From), Sources: x.Sources}
		place := fmt.Sprint(o.Fact, o.From)
		if at, repeated := first[place]; repeated {
			c.Fail(field+".from", "must differ from that of the same fact in owners.ownerships[%d]", at)
		}
		first[place] = i
		in.wanted = append(in.wanted, o)
	}
	return in, c.Err()
}

func checkOwnership(c *validation.Checker, field string, x *pb.Ownership) {
	if x.Fact <= pb.OwnedFact_OWNED_FACT_UNSPECIFIED || x.Fact > pb.OwnedFact_OWNED_FACT_ORDERS {
		c.Fail(field+".fact", "must be a known kind of fact, is %d", int32(x.Fact))
	}
	if x.From != nil && (!x.From.IsValid() || codec.Instant(x.From) <= 0) {
		c.Fail(field+".from", "must be left out or be a time after 1970")
	}
	if c.Count(field+".sources", len(x.Sources), 0, location.MaxSources); len(x.Sources) > location.MaxSources {
		return
	}
	first := make(map[string]int, len(x.Sources))
	for i, source := range x.Sources {
		name := fmt.Sprintf("%s.sources[%d]", field, i)
		c.ID(name, source)
		if at, repeated := first[source]; repeated {
			c.Fail(name, "must not be repeated, %q is also %s.sources[%d]", source, field, at)
			continue
		}
		first[source] = i
	}
}

// putOwners is the intention.
type putOwners struct {
	location string
	wanted   []location.Ownership
	result   *location.Owners
}

// Decide assigns.
func (x *putOwners) Decide(s *location.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	if !s.Known {
		return nil, &refusals.UnknownLocations{Locations: []string{x.location}}
	}
	x.result = location.NewOwners(x.wanted)
	return location.Assign(s, x.wanted)
}

// GetOwners returns who is believed about a location. It returns *validation.Error, *refusals.UnknownLocations, and what
// tokens.AwaitEnd does.
func (s *Service) GetOwners(ctx context.Context, r *pb.GetOwnersRequest) (*pb.GetOwnersResponse, error) {
	var c validation.Checker
	c.ID("location_id", r.LocationId)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.checkDefined(ctx, []string{r.LocationId}); err != nil {
		return nil, err
	}
	found, _ := s.Directory.Location(r.LocationId)
	return &pb.GetOwnersResponse{Owners: ownersMessage(r.LocationId, found.Owners)}, nil
}

var ownersList = tokens.NewList("owners")

// ListOwners lists the locations that have systems of record, in bytewise order of id. It returns *validation.Error.
func (s *Service) ListOwners(_ context.Context, r *pb.ListOwnersRequest) (*pb.ListOwnersResponse, error) {
	size, after, err := checkPage(ownersList, r.PageSize, r.PageToken)
	if err != nil {
		return nil, err
	}
	var owned []*policies.Location
	for _, l := range s.Directory.Locations() {
		if l.State.Owners != nil {
			owned = append(owned, l)
		}
	}
	list, next := page(owned, func(l *policies.Location) string { return l.ID }, after, size,
		func(l *policies.Location) (*pb.Owners, int) {
			m := ownersMessage(l.ID, l.State.Owners)
			return m, m.SizeVT()
		})
	answer := &pb.ListOwnersResponse{Owners: list}
	if next != "" {
		answer.NextPageToken = ownersList.Encode(next)
	}
	return answer, nil
}

func ownersMessage(id string, o *location.Owners) *pb.Owners {
	m := &pb.Owners{LocationId: id}
	for _, x := range o.List() {
		m.Ownerships = append(m.Ownerships, &pb.Ownership{Fact: pb.OwnedFact(x.Fact), From: codec.Timestamp(x.From), Sources: x.Sources})
	}
	return m
}
