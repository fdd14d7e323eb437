package replicas

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// anyReplicaAnswersAnyCall makes every call of the contract on every replica. What is written on one is there on the others:
// reservations by their id alone, everything else with the token.
func anyReplicaAnswersAnyCall(t *testing.T, list []*replica) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for turn := range list {
		r := func(n int) *replica { return list[(turn+n)%len(list)] }
		s := &scene{t, ctx, r(0), r(1), r(2), fmt.Sprint("-", turn)}
		s.policies()
		s.reservations(s.movements())
		s.deadLetters()
		s.rulesOfAnItem()
		s.sharedRules()
		s.kit()
		s.promises()
		s.ordered()
	}
	for _, r := range list {
		for _, method := range contract() {
			if !r.called.methods[method] {
				t.Errorf("%s was not asked for %s", r.name, method)
			}
		}
	}
}

// contract lists every method.
func contract() (all []string) {
	for _, file := range []protoreflect.FileDescriptor{pb.File_stockfold_inventory_v1_availability_proto, pb.File_stockfold_inventory_v1_history_proto,
		pb.File_stockfold_inventory_v1_operations_proto, pb.File_stockfold_inventory_v1_order_proto, pb.File_stockfold_inventory_v1_policy_proto,
		pb.File_stockfold_inventory_v1_reservation_proto, pb.File_stockfold_inventory_v1_stock_proto} {
		for i := range file.Services().Len() {
			s := file.Services().Get(i)
			for j := range s.Methods().Len() {
				all = append(all, fmt.Sprintf("/%s/%s", s.FullName(), s.Methods().Get(j).Name()))
			}
		}
	}
	return all
}

// scene is some calls on three replicas: a writes, b and c go on from there.
type scene struct {
	t       *testing.T
	ctx     context.Context
	a, b, c *replica
	turn    string // makes ids different
}

func (s *scene) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) sku() string { return "milk" + s.turn }

func (s *scene) policies() {
	s.t.Helper()
	item, err := s.a.policy.PutItem(s.ctx, &pb.PutItemRequest{Item: &pb.Item{Sku: s.sku(), Name: "Milk", Unit: "l"}})
	s.check(err)
	for _, r := range []*replica{s.b, s.c} {
		got, err := r.policy.GetItem(s.ctx, &pb.GetItemRequest{Sku: s.sku(), Token: item.Token})
		s.check(err)
		if got.Item.Name != "Milk" {
			s.t.Errorf("%s knows %v", r.name, got)
		}
	}
	_, err = s.b.policy.ListItems(s.ctx, &pb.ListItemsRequest{})
	s.check(err)
	_, err = s.a.policy.PutLocation(s.ctx, &pb.PutLocationRequest{Location: &pb.Location{LocationId: "yard" + s.turn}})
	s.check(err)
	// The channel is defined elsewhere at once, and names the new location; it is sold there at once, too.
	_, err = s.b.policy.PutChannel(s.ctx, &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "market" + s.turn, Sourcing: []string{"yard" + s.turn}}})
	s.check(err)
	_, err = s.c.policy.GetChannel(s.ctx, &pb.GetChannelRequest{ChannelId: "market" + s.turn})
	s.check(err)
	_, err = s.c.policy.GetLocation(s.ctx, &pb.GetLocationRequest{LocationId: "yard" + s.turn})
	s.check(err)
	_, err = s.a.policy.ListChannels(s.ctx, &pb.ListChannelsRequest{})
	s.check(err)
	_, err = s.b.policy.ListLocations(s.ctx, &pb.ListLocationsRequest{})
	s.check(err)
}

// movements receives 10 units and reads them elsewhere.
func (s *scene) movements() (token string) {
	s.t.Helper()
	got, err := s.b.stock.RecordMovements(s.ctx, &pb.RecordMovementsRequest{Movements: []*pb.Movement{{MovementId: "m" + s.turn, Source: "scene",
		Sku: s.sku(), Location: "yard" + s.turn, Quantity: 10, OccurredAt: timestamppb.Now(), Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
	s.check(err)
	if got.Results[0].Status != pb.MovementResult_STATUS_RECORDED {
		s.t.Errorf("%v", got)
	}
	for _, r := range []*replica{s.a, s.c} {
		stock, err := r.stock.GetStock(s.ctx, &pb.GetStockRequest{Sku: s.sku(), Token: got.Token})
		s.check(err)
		if l := stock.Stock.Locations; len(l) != 1 || l[0].Sellable != 10 {
			s.t.Errorf("%s: %v", r.name, stock)
		}
		s.shows(r, got.Token, 10)
	}
	batch, err := s.a.availability.BatchGetAvailability(s.ctx, &pb.BatchGetAvailabilityRequest{Skus: []string{s.sku()}, Channel: "market" + s.turn, Token: got.Token})
	s.check(err)
	if batch.Availabilities[0].Ats != 10 {
		s.t.Errorf("%s: %v", s.a.name, batch)
	}
	events, err := s.c.history.ListEvents(s.ctx, &pb.ListEventsRequest{Sku: s.sku()})
	s.check(err)
	if len(events.Events) != 2 {
		s.t.Errorf("%s: %v", s.c.name, events)
	}
	return got.Token
}

func (s *scene) shows(r *replica, token string, ats int64) {
	s.t.Helper()
	got, err := r.availability.GetAvailability(s.ctx, &pb.GetAvailabilityRequest{Sku: s.sku(), Channel: "market" + s.turn, Token: token})
	s.check(err)
	if got.Availability.Ats != ats {
		s.t.Errorf("%s: %v, want %d", r.name, got, ats)
	}
}

// reservations places one reservation after the other on one replica, and carries each to its end on the others, by its
// id alone.
func (s *scene) reservations(token string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	watch, err := s.b.availability.WatchAvailability(ctx, &pb.WatchAvailabilityRequest{Channel: "market" + s.turn, Skus: []string{s.sku()}, ResumeToken: token})
	s.check(err)
	place := func(id string) {
		_, err := s.a.reservations.Reserve(s.ctx, &pb.ReserveRequest{ReservationId: id + s.turn, Sku: s.sku(), Channel: "market" + s.turn, Quantity: 3})
		s.check(err)
	}
	place("kept")
	_, err = s.b.reservations.ExtendReservation(s.ctx, &pb.ExtendReservationRequest{ReservationId: "kept" + s.turn, HoldSeconds: longHold})
	s.check(err)
	_, err = s.c.reservations.ConfirmReservation(s.ctx, &pb.ConfirmReservationRequest{ReservationId: "kept" + s.turn})
	s.check(err)
	s.is("kept", pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED)
	done, err := s.b.reservations.FulfilReservation(s.ctx, &pb.FulfilReservationRequest{ReservationId: "kept" + s.turn})
	s.check(err)
	s.is("kept", pb.ReservationStatus_RESERVATION_STATUS_FULFILLED)
	s.shows(s.c, done.Token, 7)
	place("left")
	s.is("left", pb.ReservationStatus_RESERVATION_STATUS_HELD)
	given, err := s.c.reservations.ReleaseReservation(s.ctx, &pb.ReleaseReservationRequest{ReservationId: "left" + s.turn})
	s.check(err)
	s.is("left", pb.ReservationStatus_RESERVATION_STATUS_RELEASED)
	s.shows(s.a, given.Token, 7)
	for _, r := range []*replica{s.a, s.b} {
		list, err := r.reservations.ListReservations(s.ctx, &pb.ListReservationsRequest{Sku: s.sku(), Token: given.Token})
		s.check(err)
		if len(list.Reservations) != 2 {
			s.t.Errorf("%s: %v", r.name, list)
		}
	}
	change, err := watch.Recv()
	s.check(err)
	if len(change.Availabilities) > 0 && change.Availabilities[0].Sku != s.sku() {
		s.t.Errorf("%s: %v", s.b.name, change)
	}
}

// is reads a reservation by its id alone on every replica.
func (s *scene) is(id string, want pb.ReservationStatus) {
	s.t.Helper()
	for _, r := range []*replica{s.a, s.b, s.c} {
		got, err := r.reservations.GetReservation(s.ctx, &pb.GetReservationRequest{ReservationId: id + s.turn})
		s.check(err)
		if got.Reservation.Status != want {
			s.t.Errorf("%s: %v, want %s", r.name, got, want)
		}
	}
}

// deadLetters has one kept on a replica, and tried and put away on others.
func (s *scene) deadLetters() {
	s.t.Helper()
	kept, err := s.a.stock.RecordMovements(s.ctx, &pb.RecordMovementsRequest{Movements: []*pb.Movement{{MovementId: "lost" + s.turn, Source: "scene",
		Sku: s.sku(), Location: "nowhere" + s.turn, Quantity: 1, OccurredAt: timestamppb.Now(), Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
	s.check(err)
	id := kept.Results[0].DeadLetterId
	open, err := s.b.operations.ListDeadLetters(s.ctx, &pb.ListDeadLettersRequest{})
	s.check(err)
	if !slices.ContainsFunc(open.DeadLetters, func(l *pb.DeadLetter) bool { return l.DeadLetterId == id }) {
		s.t.Errorf("%s does not list %s: %v", s.b.name, id, open)
	}
	tried, err := s.b.operations.ReplayDeadLetter(s.ctx, &pb.ReplayDeadLetterRequest{DeadLetterId: id})
	s.check(err)
	if tried.DeadLetter.Attempts != 2 {
		s.t.Errorf("%s: %v", s.b.name, tried)
	}
	_, err = s.c.operations.DiscardDeadLetter(s.ctx, &pb.DiscardDeadLetterRequest{DeadLetterId: id, Reason: "a typing error"})
	s.check(err)
	now, err := s.a.operations.GetStatus(s.ctx, &pb.GetStatusRequest{})
	s.check(err)
	if now.OpenDeadLetters != 0 {
		s.t.Errorf("%s: %v", s.a.name, now)
	}
}

// The list of methods is not empty, and is of the seven services.
func TestTheContractIsListed(t *testing.T) {
	services := map[string]bool{}
	for _, m := range contract() {
		services[strings.Split(m, "/")[1]] = true
	}
	if len(services) != 7 {
		t.Errorf("got %v", slices.Sorted(maps.Keys(services)))
	}
}
