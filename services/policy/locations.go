package policy

import (
	"context"
	"time"
	_ "time/tzdata" // time zones are checked alike on machines without a database of their own

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/projections/policies"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// PutLocation says what a location is and whether channels may sell from it. It returns *validation.Error,
// *tokens.NotYetVisibleError when it is durable but not yet in force here, and the errors of the store.
func (s *Service) PutLocation(ctx context.Context, r *pb.PutLocationRequest) (*pb.PutLocationResponse, error) {
	if err := checkLocation(r); err != nil {
		return nil, err
	}
	in := putLocation{disabled: r.Location.Disabled, defined: location.Defined{
		Name: r.Location.Name, Kind: r.Location.Kind, TimeZone: r.Location.TimeZone,
	}}
	outcome, err := s.Locations.Do(ctx, r.Location.LocationId, metadata(ctx, r.Actor), &in)
	if err != nil {
		return nil, err
	}
	if err := tokens.Await(ctx, outcome.Position, s.Directory); err != nil {
		return nil, err
	}
	return &pb.PutLocationResponse{Location: locationMessage(r.Location.LocationId, &in.result), Token: s.Tokens.Encode(outcome.Position)}, nil
}

func checkLocation(r *pb.PutLocationRequest) error {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Location == nil {
		c.Fail("location", "must be given")
		return c.Err()
	}
	c.ID("location.location_id", r.Location.LocationId)
	c.Text("location.name", r.Location.Name, validation.MaxNote)
	c.Text("location.kind", r.Location.Kind, MaxKind)
	c.Text("location.time_zone", r.Location.TimeZone, validation.MaxID)
	if _, err := time.LoadLocation(r.Location.TimeZone); err != nil || r.Location.TimeZone == "Local" {
		c.Fail("location.time_zone", "must be an IANA time zone such as Europe/Berlin, is %q", r.Location.TimeZone)
	}
	return c.Err()
}

// putLocation is the intention.
type putLocation struct {
	defined  location.Defined
	disabled bool
	result   location.State
}

// Decide defines.
func (x *putLocation) Decide(s *location.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	events := location.Define(s, x.defined, x.disabled)
	x.result = *s
	for _, e := range events {
		x.result.Evolve(e, m)
	}
	return events, nil
}

// GetLocation returns a location in force. It returns *validation.Error, *refusals.UnknownLocations, and what tokens.AwaitEnd does.
func (s *Service) GetLocation(ctx context.Context, r *pb.GetLocationRequest) (*pb.GetLocationResponse, error) {
	var c validation.Checker
	c.ID("location_id", r.LocationId)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.checkDefined(ctx, []string{r.LocationId}); err != nil {
		return nil, err
	}
	found, ok := s.Directory.Location(r.LocationId)
	if !ok {
		return nil, &refusals.UnknownLocations{Locations: []string{r.LocationId}}
	}
	return &pb.GetLocationResponse{Location: locationMessage(r.LocationId, &found)}, nil
}

var locationList = tokens.NewList("locations")

// ListLocations lists the locations in force, in bytewise order of id. It returns *validation.Error.
func (s *Service) ListLocations(_ context.Context, r *pb.ListLocationsRequest) (*pb.ListLocationsResponse, error) {
	size, after, err := checkPage(locationList, r.PageSize, r.PageToken)
	if err != nil {
		return nil, err
	}
	list, next := page(s.Directory.Locations(), func(l *policies.Location) string { return l.ID }, after, size,
		func(l *policies.Location) (*pb.Location, int) {
			m := locationMessage(l.ID, &l.State)
			return m, m.SizeVT()
		})
	answer := &pb.ListLocationsResponse{Locations: list}
	if next != "" {
		answer.NextPageToken = locationList.Encode(next)
	}
	return answer, nil
}

func locationMessage(id string, s *location.State) *pb.Location {
	return &pb.Location{LocationId: id, Name: s.Name, Kind: s.Kind, TimeZone: s.TimeZone, Disabled: s.Disabled}
}
