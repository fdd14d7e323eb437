package availability_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// streets is a shop with a warehouse and two stores in different time zones; same-day orders end at three in the afternoon.
func streets(t *testing.T, clock *servicetest.Clock) (w *servicetest.World, token string) {
	t.Helper()
	w = servicetest.Start(t, servicetest.Options{Now: clock.Now})
	for id, l := range map[string]*pb.Location{"dc": {Kind: "dc"}, "berlin": {Kind: "store", TimeZone: "Europe/Berlin", Name: "Berlin Mitte"},
		"york": {Kind: "store", TimeZone: "America/New_York"}} {
		l.LocationId = id
		if _, err := w.PolicyClient().PutLocation(t.Context(), &pb.PutLocationRequest{Location: l}); err != nil {
			t.Fatal(err)
		}
	}
	w.Channel("web", "dc", "berlin", "york")
	for _, r := range []*pb.FulfilmentRule{{Method: "ship", Kinds: []string{"dc"}}, {Method: "pickup", Kinds: []string{"store"}},
		{Method: "same_day", Kinds: []string{"store"}, CutOff: "15:00"}} {
		if _, err := w.PolicyClient().PutFulfilmentRule(t.Context(), &pb.PutFulfilmentRuleRequest{Rule: r}); err != nil {
			t.Fatal(err)
		}
	}
	for l, n := range map[string]int64{"dc": 5, "berlin": 3, "york": 2} {
		w.Move(&pb.Movement{Sku: "milk", Location: l, Quantity: n, Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
	}
	return w, w.Count("last", 1)
}

// noon is a clock that shows noon UTC of a summer's day: two in Berlin, eight in New York.
func noon() *servicetest.Clock {
	c := servicetest.NewClock()
	at := aggregates.At(time.Date(2027, 7, 1, 12, 0, 0, 0, time.UTC))
	c.Advance(at.Time().Sub(c.Now().Time()))
	return c
}

func TestWhatCanBeHadDependsOnHowItIsHandedOver(t *testing.T) {
	clock := noon()
	w, token := streets(t, clock)
	ask := func(method, location string, want int64) {
		t.Helper()
		for _, strong := range []pb.Consistency{pb.Consistency_CONSISTENCY_UNSPECIFIED, pb.Consistency_CONSISTENCY_STRONG} {
			answer, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: token,
				Method: method, Location: location, Consistency: strong})
			if err != nil || answer.Availability.Ats != want {
				t.Errorf("by %q at %q, %s: %v, %v, want %d", method, location, strong, answer.GetAvailability(), err, want)
			}
			batch, err := w.AvailabilityClient().BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Skus: []string{"milk", "tea"}, Channel: "web",
				Method: method, Location: location, Consistency: strong, Token: token})
			if err != nil || batch.Availabilities[0].Ats != want || batch.Availabilities[1].Known {
				t.Errorf("a batch by %q at %q, %s: %v, %v, want %d", method, location, strong, batch, err, want)
			}
		}
		explained, err := w.HistoryClient().ExplainAvailability(t.Context(), &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web", Method: method, Location: location})
		if err != nil || explained.Ats != want || explained.Policy.GetPosition() == 0 {
			t.Errorf("explained by %q at %q: %v, %v, want %d", method, location, explained, err, want)
		}
	}
	ask("", "", 10)
	ask("ship", "", 5)
	ask("pickup", "", 5)
	ask("pickup", "york", 2)
	ask("pickup", "dc", 0)
	ask("", "berlin", 3)
	ask("same_day", "", 5)
	clock.Advance(time.Hour) // three in Berlin
	ask("same_day", "", 2)
	clock.Advance(6 * time.Hour)
	ask("same_day", "", 0)
	// What it says is what a reservation gets.
	for method, most := range map[string]int64{"ship": 5, "pickup": 5} {
		_, err := w.ReservationClient().Reserve(t.Context(), &pb.ReserveRequest{ReservationId: method, Sku: "milk", Channel: "web", Quantity: most + 1, Method: method})
		servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK")
		if _, err := w.ReservationClient().Reserve(t.Context(), &pb.ReserveRequest{ReservationId: method, Sku: "milk", Channel: "web", Quantity: most, Method: method}); err != nil {
			t.Error(err)
		}
	}
	_, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Method: "pigeon"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "UNKNOWN_METHOD")
	_, err = w.HistoryClient().ExplainAvailability(t.Context(), &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web", Method: "pigeon"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "UNKNOWN_METHOD")
	_, err = w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Method: strings.Repeat("x", 101)})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
}

func TestWhichStoresHaveIt(t *testing.T) {
	w, token := streets(t, noon())
	list := func(r *pb.ListPickupAvailabilityRequest) string {
		t.Helper()
		var found []string
		r.Sku, r.Channel, r.Token = "milk", "web", token
		for {
			answer, err := w.AvailabilityClient().ListPickupAvailability(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range answer.Locations {
				found = append(found, fmt.Sprintf("%s %s %d", l.Location, l.Name, l.Ats))
			}
			if r.PageToken = answer.NextPageToken; r.PageToken == "" {
				return strings.Join(found, ", ")
			}
		}
	}
	if got := list(&pb.ListPickupAvailabilityRequest{}); got != "berlin Berlin Mitte 3, york  2" {
		t.Errorf("got %s", got)
	}
	if got := list(&pb.ListPickupAvailabilityRequest{PageSize: 1}); got != "berlin Berlin Mitte 3, york  2" {
		t.Errorf("page by page: %s", got)
	}
	if got := list(&pb.ListPickupAvailabilityRequest{Method: "ship"}); got != "dc  5" {
		t.Errorf("got %s", got)
	}
	w.Move(&pb.Movement{Sku: "milk", Location: "york", Quantity: 2, Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}})
	token = w.Count("last", 2)
	if got := list(&pb.ListPickupAvailabilityRequest{}); got != "berlin Berlin Mitte 3" {
		t.Errorf("got %s", got)
	}
	if got := list(&pb.ListPickupAvailabilityRequest{IncludeEmpty: true}); got != "berlin Berlin Mitte 3, york  0" {
		t.Errorf("got %s", got)
	}
	answer, err := http.Get(w.URL + "/v1/availability/milk/pickup?channel=web")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || !strings.Contains(string(text), "Berlin Mitte") {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
	_, err = w.AvailabilityClient().ListPickupAvailability(t.Context(), &pb.ListPickupAvailabilityRequest{Sku: "milk", Channel: "nowhere"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
	_, err = w.AvailabilityClient().ListPickupAvailability(t.Context(), &pb.ListPickupAvailabilityRequest{Sku: "milk", Channel: "web", Method: "pigeon"})
	servicetest.Refused(t, err, codes.FailedPrecondition, "UNKNOWN_METHOD")
}
