package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

const onHand, orders = pb.OwnedFact_OWNED_FACT_ON_HAND, pb.OwnedFact_OWNED_FACT_ORDERS

func TestOwnersArePutGotListedAndTakenBack(t *testing.T) {
	w := start(t)
	c := w.PolicyClient()
	for _, id := range []string{"b/1", "a", "c"} {
		w.Location(id)
	}
	owners := func(id string) *pb.Owners {
		return &pb.Owners{LocationId: id, Ownerships: []*pb.Ownership{
			{Fact: onHand, Sources: []string{"legacy"}},
			{Fact: onHand, Sources: []string{"https://erp.example/eu", "wms"}, From: &timestamppb.Timestamp{Seconds: 1_790_000_000, Nanos: 5000}},
			{Fact: orders, From: &timestamppb.Timestamp{Seconds: 1_790_000_000}},
		}}
	}
	for _, id := range []string{"b/1", "a"} {
		for range 2 {
			put, err := c.PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: owners(id), Actor: "ann"})
			if err != nil || !proto.Equal(put.Owners, owners(id)) {
				t.Fatalf("put %v, %v", put, err)
			}
		}
		got, err := c.GetOwners(t.Context(), &pb.GetOwnersRequest{LocationId: id})
		if err != nil || !proto.Equal(got.Owners, owners(id)) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	w.Location("a") // a new definition leaves owners as they are
	first, err := c.ListOwners(t.Context(), &pb.ListOwnersRequest{PageSize: 1})
	if err != nil || len(first.Owners) != 1 || !proto.Equal(first.Owners[0], owners("a")) || first.NextPageToken == "" {
		t.Fatalf("list %v, %v", first, err)
	}
	rest, err := c.ListOwners(t.Context(), &pb.ListOwnersRequest{PageToken: first.NextPageToken})
	if err != nil || len(rest.Owners) != 1 || rest.Owners[0].LocationId != "b/1" || rest.NextPageToken != "" {
		t.Errorf("list %v, %v", rest, err)
	}
	if _, err := c.PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: "a"}}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetOwners(t.Context(), &pb.GetOwnersRequest{LocationId: "a"}); err != nil || len(got.Owners.Ownerships) != 0 {
		t.Errorf("after it was taken back: %v, %v", got, err)
	}
}

func TestOwnersOfNoLocation(t *testing.T) {
	w := start(t)
	c := w.PolicyClient()
	_, err := c.PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: "nowhere"}})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_LOCATION")
	_, err = c.GetOwners(t.Context(), &pb.GetOwnersRequest{LocationId: "nowhere"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_LOCATION")
}

func TestBadOwnersAreRefused(t *testing.T) {
	w := start(t)
	w.Location("a")
	c := w.PolicyClient()
	at := &timestamppb.Timestamp{Seconds: 5}
	_, err := c.PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: &pb.Owners{LocationId: "a", Ownerships: []*pb.Ownership{
		{Fact: onHand, From: at, Sources: []string{"x", "x", ""}}, {Fact: 9}, {}, {Fact: onHand, From: at, Sources: make([]string, 101)},
		{Fact: orders, From: &timestamppb.Timestamp{Seconds: -5}},
	}}})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	fields := servicetest.Fields(err)
	for field, rule := range map[string]string{
		"owners.ownerships[0].sources[1]": "must not be repeated", "owners.ownerships[0].sources[2]": "must be 1-100 bytes",
		"owners.ownerships[1].fact": "must be a known kind", "owners.ownerships[2].fact": "must be a known kind",
		"owners.ownerships[3].from": "must differ from that of the same fact in owners.ownerships[0]", "owners.ownerships[3].sources": "",
		"owners.ownerships[4].from": "must be left out or be a time after 1970",
	} {
		if got, ok := fields[field]; !ok || !strings.HasPrefix(got, rule) {
			t.Errorf("%s: %q, want %q", field, got, rule)
		}
	}
	many := &pb.Owners{LocationId: "a"}
	for i := range 101 {
		many.Ownerships = append(many.Ownerships, &pb.Ownership{Fact: onHand, From: &timestamppb.Timestamp{Seconds: int64(i + 1)}, Sources: []string{fmt.Sprint(i)}})
	}
	_, err = c.PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: many})
	servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	many.Ownerships = many.Ownerships[:100]
	if _, err = c.PutOwners(t.Context(), &pb.PutOwnersRequest{Owners: many}); err != nil {
		t.Errorf("at the bound: %v", err)
	}
}
