package reservation_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// shop is a world with 10 units of milk at berlin, sold on web.
func shop(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 10)
	return w
}

func TestFourHundredClientsGetExactlyTheHundredUnitsThereAre(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 100)
	var granted, short atomic.Int64
	var clients sync.WaitGroup
	for i := range 400 {
		clients.Go(func() {
			_, err := w.Reserve("cart-"+string(rune('a'+i%26))+time.Duration(i).String(), "milk", 1)
			switch status.Code(err) {
			case codes.OK:
				granted.Add(1)
			case codes.FailedPrecondition:
				short.Add(1)
				if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK"); facts["available"] != "0" {
					t.Errorf("refused with %v", facts)
				}
			default:
				t.Error(err)
			}
		})
	}
	clients.Wait()
	if granted.Load() != 100 || short.Load() != 300 {
		t.Errorf("%d granted, %d refused", granted.Load(), short.Load())
	}
	last := w.Count("other", 1)
	if ats := w.ATS("milk", last); ats != 0 {
		t.Errorf("ATS is %d", ats)
	}
}

func TestAReservationThroughItsLife(t *testing.T) {
	w := shop(t)
	c := w.ReservationClient()
	ctx := t.Context()

	placed, err := c.Reserve(ctx, &pb.ReserveRequest{ReservationId: "cart-1", Sku: "milk", Channel: "web", Quantity: 6, HoldSeconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	r := placed.Reservation
	if r.Status != pb.ReservationStatus_RESERVATION_STATUS_HELD || r.Remaining != 6 || r.Sku != "milk" || r.Channel != "web" ||
		len(r.Splits) != 1 || r.Splits[0].Location != "berlin" || r.Splits[0].Quantity != 6 || r.ExpiresAt.Nanos != 0 {
		t.Errorf("placed %v", r)
	}
	if ats := w.ATS("milk", placed.Token); ats != 4 {
		t.Errorf("ATS after reserving is %d", ats)
	}

	extended, err := c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: "cart-1", HoldSeconds: 600})
	if err != nil || extended.Reservation.ExpiresAt.Seconds <= r.ExpiresAt.Seconds {
		t.Errorf("extended %v, %v", extended, err)
	}
	released, err := c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "cart-1", Quantity: 1, IdempotencyKey: "k"})
	if err != nil || released.Reservation.Remaining != 5 || released.Reservation.Released != 1 {
		t.Errorf("released %v, %v", released, err)
	}
	confirmed, err := c.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{ReservationId: "cart-1"})
	if err != nil || confirmed.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED || confirmed.Reservation.ExpiresAt != nil {
		t.Errorf("confirmed %v, %v", confirmed, err)
	}
	part, err := c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "cart-1", Quantity: 2, IdempotencyKey: "k", Document: "d-1"})
	if err != nil || part.Reservation.Fulfilled != 2 || part.Reservation.Remaining != 3 {
		t.Errorf("fulfilled in part %v, %v", part, err)
	}
	rest, err := c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "cart-1"})
	if err != nil || rest.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_FULFILLED || rest.Reservation.Fulfilled != 5 {
		t.Errorf("fulfilled %v, %v", rest, err)
	}

	stock, err := w.StockClient().GetStock(ctx, &pb.GetStockRequest{Sku: "milk", Token: rest.Token})
	if err != nil || stock.Stock.Locations[0].Sellable != 5 || stock.Stock.Locations[0].Reserved != 0 {
		t.Errorf("stock %v, %v", stock, err)
	}
	_, err = c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "cart-1", Quantity: 1, IdempotencyKey: "late"})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "RESERVATION_NOT_LIVE"); facts["status"] != "fulfilled" {
		t.Errorf("refused with %v", facts)
	}
}

func TestARepeatedCallHasTheOutcomeOfTheFirst(t *testing.T) {
	w := shop(t)
	c := w.ReservationClient()
	ctx := t.Context()
	calls := []struct {
		name string
		call func() (proto.Message, error)
	}{
		{"reserve", func() (proto.Message, error) {
			r, err := c.Reserve(ctx, &pb.ReserveRequest{ReservationId: "cart-1", Sku: "milk", Channel: "web", Quantity: 6})
			return r.GetReservation(), err
		}},
		{"extend", func() (proto.Message, error) {
			r, err := c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: "cart-1", HoldSeconds: 1234, IdempotencyKey: "1"})
			return r.GetReservation(), err
		}},
		{"release a part", func() (proto.Message, error) {
			r, err := c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "cart-1", Quantity: 1, IdempotencyKey: "1"})
			return r.GetReservation(), err
		}},
		{"confirm", func() (proto.Message, error) {
			r, err := c.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{ReservationId: "cart-1"})
			return r.GetReservation(), err
		}},
		{"fulfil a part", func() (proto.Message, error) {
			r, err := c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "cart-1", Quantity: 2, IdempotencyKey: "1"})
			return r.GetReservation(), err
		}},
		{"fulfil the rest", func() (proto.Message, error) {
			r, err := c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "cart-1"})
			return r.GetReservation(), err
		}},
	}
	for _, x := range calls {
		first, err := x.call()
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		for range 3 {
			if again, err := x.call(); err != nil || !proto.Equal(first, again) {
				t.Errorf("%s: first %v, then %v, %v", x.name, first, again, err)
			}
		}
	}
	// Long after, the very first call still has its first answer.
	again, err := calls[0].call()
	if err != nil || again.(*pb.Reservation).Remaining != 6 {
		t.Errorf("reserving again after all: %v, %v", again, err)
	}
	events, err := w.HistoryClient().ListEvents(ctx, &pb.ListEventsRequest{Sku: "milk"})
	if err != nil || len(events.Events) != 8 { // registered, counted and one for each call
		t.Errorf("%d events, %v", len(events.GetEvents()), err)
	}
}

func TestTheSameIDOrKeyWithOtherContentsIsRefused(t *testing.T) {
	w := shop(t)
	w.Count("bread", 10)
	c := w.ReservationClient()
	ctx := t.Context()
	if _, err := w.Reserve("cart-1", "milk", 6); err != nil {
		t.Fatal(err)
	}
	first := &pb.ReleaseReservationRequest{ReservationId: "cart-1", Quantity: 1, IdempotencyKey: "1"}
	if _, err := c.ReleaseReservation(ctx, first); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"another quantity": func() error { _, err := w.Reserve("cart-1", "milk", 5); return err },
		"another SKU":      func() error { _, err := w.Reserve("cart-1", "bread", 6); return err },
		"another hold": func() error {
			_, err := c.Reserve(ctx, &pb.ReserveRequest{ReservationId: "cart-1", Sku: "milk", Channel: "web", Quantity: 6, HoldSeconds: 5})
			return err
		},
		"another part": func() error {
			_, err := c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "cart-1", Quantity: 2, IdempotencyKey: "1"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			facts := servicetest.Refused(t, call(), codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
			if want := map[bool]string{true: "1", false: "cart-1"}[name == "another part"]; facts["key"] != want {
				t.Errorf("the refusal names the key %q, the caller gave %q", facts["key"], want)
			}
		})
	}
	// Keys of other operations are other keys.
	if _, err := c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "cart-1", Quantity: 1, IdempotencyKey: "1"}); err != nil {
		t.Error(err)
	}
	if _, err := c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: "cart-1", HoldSeconds: 9, IdempotencyKey: "1"}); err != nil {
		t.Error(err)
	}
	// And so are those of other reservations of the SKU.
	if _, err := w.Reserve("cart-2", "milk", 2); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "cart-2", Quantity: 2, IdempotencyKey: "1"}); err != nil {
		t.Error(err)
	}
}

func TestOfTwoSKUsThatRaceForAnIDOneGetsIt(t *testing.T) {
	w := shop(t)
	w.Count("bread", 1000)
	w.Count("milk", 1000)
	for i := range 50 {
		id := "cart-" + time.Duration(i).String()
		var granted, refused atomic.Int64
		var race sync.WaitGroup
		for _, sku := range []string{"milk", "bread", "milk", "bread"} {
			race.Go(func() {
				_, err := w.Reserve(id, sku, 1)
				switch status.Code(err) {
				case codes.OK:
					granted.Add(1)
				case codes.AlreadyExists:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		race.Wait()
		if granted.Load() != 2 || refused.Load() != 2 {
			t.Fatalf("%s: %d granted, %d refused", id, granted.Load(), refused.Load())
		}
	}
	last := w.Count("other", 1)
	if milk, bread := w.ATS("milk", last), w.ATS("bread", last); milk+bread != 2000-50 {
		t.Errorf("ATS is %d and %d", milk, bread)
	}
}

func TestWhatIsWrongWithARequest(t *testing.T) {
	w := shop(t)
	c := w.ReservationClient()
	ctx := t.Context()
	long, now := strings.Repeat("x", 101), timestamppb.Now()
	reserve := func(change func(*pb.ReserveRequest)) func() error {
		return func() error {
			r := &pb.ReserveRequest{ReservationId: "r", Sku: "milk", Channel: "web", Quantity: 1}
			change(r)
			_, err := c.Reserve(ctx, r)
			return err
		}
	}
	for name, x := range map[string]struct {
		call  func() error
		field string
		says  string
	}{
		"no id":             {reserve(func(r *pb.ReserveRequest) { r.ReservationId = "" }), "reservation_id", "is empty"},
		"long id":           {reserve(func(r *pb.ReserveRequest) { r.ReservationId = long }), "reservation_id", "has 101"},
		"control character": {reserve(func(r *pb.ReserveRequest) { r.Sku = "a\nb" }), "sku", "0x0a"},
		"no channel":        {reserve(func(r *pb.ReserveRequest) { r.Channel = "" }), "channel", "is empty"},
		"nothing":           {reserve(func(r *pb.ReserveRequest) { r.Quantity = 0 }), "quantity", "is 0"},
		"less than nothing": {reserve(func(r *pb.ReserveRequest) { r.Quantity = -1 }), "quantity", "is -1"},
		"too much":          {reserve(func(r *pb.ReserveRequest) { r.Quantity = 1e15 + 1 }), "quantity", "1000000000000000"},
		"both quantities":   {reserve(func(r *pb.ReserveRequest) { r.Decimal = "1" }), "decimal", "empty"},
		"no number":         {reserve(func(r *pb.ReserveRequest) { r.Quantity, r.Decimal = 0, "one" }), "decimal", "decimal number"},
		"long hold":         {reserve(func(r *pb.ReserveRequest) { r.HoldSeconds = 2_592_001 }), "hold_seconds", "2592000"},
		"long actor":        {reserve(func(r *pb.ReserveRequest) { r.Actor = long }), "actor", "has 101"},
		"long correlation":  {reserve(func(r *pb.ReserveRequest) { r.CorrelationId = long }), "correlation_id", "has 101"},
		"confirm without id": {func() error {
			_, err := c.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{})
			return err
		}, "reservation_id", "is empty"},
		"extend without end": {func() error {
			_, err := c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: "r"})
			return err
		}, "hold_seconds", "is 0"},
		"extend with two ends": {func() error {
			_, err := c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: "r", HoldSeconds: 1, ExpiresAt: now})
			return err
		}, "expires_at", "left out"},
		"extend to no time": {func() error {
			_, err := c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: "r", ExpiresAt: &timestamppb.Timestamp{Nanos: -1}})
			return err
		}, "expires_at", "years 1 to 9999"},
		"part without key": {func() error {
			_, err := c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "r", Quantity: 1})
			return err
		}, "idempotency_key", "when quantity is given"},
		"hand-over of a part without key": {func() error {
			_, err := c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "r", Quantity: 1})
			return err
		}, "idempotency_key", "when quantity is given"},
		"long reason": {func() error {
			_, err := c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "r", Reason: strings.Repeat("x", 201)})
			return err
		}, "reason", "has 201"},
		"page size": {func() error {
			_, err := c.ListReservations(ctx, &pb.ListReservationsRequest{Sku: "milk", PageSize: 1001})
			return err
		}, "page_size", "is 1001"},
		"page token": {func() error {
			_, err := c.ListReservations(ctx, &pb.ListReservationsRequest{Sku: "milk", PageToken: "x"})
			return err
		}, "page_token", "not a token"},
		"token": {func() error {
			_, err := c.GetReservation(ctx, &pb.GetReservationRequest{ReservationId: "r", Token: "x"})
			return err
		}, "token", "not a token"},
	} {
		t.Run(name, func(t *testing.T) {
			err := x.call()
			servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
			if fields := servicetest.Fields(err); !strings.Contains(fields[x.field], x.says) {
				t.Errorf("fields %v, want %s: … %s …", fields, x.field, x.says)
			}
		})
	}
}

func TestWhatDoesNotExistIsNamed(t *testing.T) {
	w := shop(t)
	c := w.ReservationClient()
	ctx := t.Context()
	_, err := w.Reserve("r", "nothing", 1)
	if facts := servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_SKU"); facts["sku"] != "nothing" {
		t.Errorf("facts %v", facts)
	}
	_, err = c.Reserve(ctx, &pb.ReserveRequest{ReservationId: "r", Sku: "milk", Channel: "nowhere", Quantity: 1})
	if facts := servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL"); facts["channel"] != "nowhere" {
		t.Errorf("facts %v", facts)
	}
	_, err = c.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{ReservationId: "none"})
	if facts := servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_RESERVATION"); facts["reservation_id"] != "none" {
		t.Errorf("facts %v", facts)
	}
	if _, err := w.Reserve("r", "milk", 1); err != nil {
		t.Error("an id whose placing was refused is free again:", err)
	}
	_, err = c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "r", Location: "atlantis"})
	if facts := servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_LOCATION"); facts["location"] != "atlantis" {
		t.Errorf("facts %v", facts)
	}
	ahead := timestamppb.New(time.Now().Add(10 * time.Minute))
	_, err = c.FulfilReservation(ctx, &pb.FulfilReservationRequest{ReservationId: "r", OccurredAt: ahead})
	servicetest.Refused(t, err, codes.InvalidArgument, "CLOCK_SKEW")
	_, err = c.ReleaseReservation(ctx, &pb.ReleaseReservationRequest{ReservationId: "r", Quantity: 2, IdempotencyKey: "1"})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "EXCEEDS_REMAINING"); facts["remaining"] != "1" {
		t.Errorf("facts %v", facts)
	}
	if _, err := c.ConfirmReservation(ctx, &pb.ConfirmReservationRequest{ReservationId: "r"}); err != nil {
		t.Fatal(err)
	}
	_, err = c.ExtendReservation(ctx, &pb.ExtendReservationRequest{ReservationId: "r", HoldSeconds: 60})
	servicetest.Refused(t, err, codes.FailedPrecondition, "RESERVATION_NOT_HELD")
}
