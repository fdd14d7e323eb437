package reservation_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/reservation"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/tokens"
)

// blind is an index that shows nothing while it is shut, as if it lagged.
type blind struct {
	reservation.Index
	shut atomic.Bool
}

func (b *blind) Find(ctx context.Context, id string) ([]*reservations.Record, error) {
	if b.shut.Load() {
		return nil, nil
	}
	return b.Index.Find(ctx, id)
}

func (b *blind) Get(ctx context.Context, id string) ([]*reservations.Record, error) {
	if b.shut.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return b.Index.Get(ctx, id)
}

func (b *blind) Position() uint64 {
	if b.shut.Load() {
		return 0
	}
	return b.Index.Position()
}

func TestWhileTheIndexLagsAnIDIsFoundAndStillBelongsToOneSKU(t *testing.T) {
	index := &blind{}
	w := servicetest.Start(t, servicetest.Options{Index: func(p *reservations.Projection) reservation.Index {
		index.Index = p
		return index
	}})
	w.Shop()
	w.Count("milk", 10)
	w.Count("bread", 10)
	if _, err := w.Reserve("earlier", "milk", 1); err != nil {
		t.Fatal(err)
	}
	index.shut.Store(true)
	if _, err := w.Reserve("cart", "milk", 1); err != nil {
		t.Fatal(err)
	}
	c := w.ReservationClient()
	if r, err := c.ConfirmReservation(t.Context(), &pb.ConfirmReservationRequest{ReservationId: "cart"}); err != nil || r.Reservation.Sku != "milk" {
		t.Errorf("confirmed %v, %v", r, err)
	}
	if r, err := c.GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart"}); err != nil ||
		r.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED {
		t.Errorf("got %v, %v", r, err)
	}
	_, err := w.Reserve("cart", "bread", 1)
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")

	direct := reservation.New(reservation.Config{SKUs: w.SKUs, Policies: w.Policies, Index: index, Tokens: w.Tokens, Now: w.Now})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var late *tokens.NotYetVisibleError
	if _, err = direct.GetReservation(ctx, &pb.GetReservationRequest{ReservationId: "never placed"}); !errors.As(err, &late) {
		t.Errorf("got %v", err)
	}

	index.shut.Store(false)
	_, err = w.Reserve("cart", "bread", 1)
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
}

// late is an index that knows nothing until it has caught up.
type late struct {
	reservation.Index
	asked    chan struct{} // one for every call that waits
	caughtUp chan struct{}
}

func (l *late) Find(ctx context.Context, id string) ([]*reservations.Record, error) {
	select {
	case <-l.caughtUp:
		return l.Index.Find(ctx, id)
	default:
		return nil, nil
	}
}

func (l *late) Get(ctx context.Context, id string) ([]*reservations.Record, error) {
	l.asked <- struct{}{}
	<-l.caughtUp
	return l.Index.Get(ctx, id)
}

func TestAfterAStartTheFirstReserveWaitsUntilTheIndexKnowsWhatWasBefore(t *testing.T) {
	w := shop(t)
	w.Count("bread", 10)
	if _, err := w.Reserve("cart", "milk", 1); err != nil {
		t.Fatal(err)
	}
	index := &late{Index: w.Reservations, asked: make(chan struct{}, 1), caughtUp: make(chan struct{})}
	started := reservation.New(reservation.Config{SKUs: w.SKUs, Policies: w.Policies, Index: index, Tokens: w.Tokens, Now: w.Now})
	answers := make(chan error, 1)
	go func() {
		_, err := started.Reserve(context.Background(), &pb.ReserveRequest{ReservationId: "cart", Sku: "bread", Channel: "web", Quantity: 1})
		answers <- err
	}()
	select {
	case <-index.asked:
	case err := <-answers:
		t.Fatalf("answered while the index knew nothing: %v", err)
	}
	close(index.caughtUp)
	var reused *stock.KeyReusedError
	if err := <-answers; !errors.As(err, &reused) {
		t.Errorf("got %v", err)
	}
}

func TestAReservationIsShownAsItsStreamHasItNow(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	w.Count("milk", 10)
	c := w.ReservationClient()
	placed, err := c.Reserve(t.Context(), &pb.ReserveRequest{ReservationId: "cart", Sku: "milk", Channel: "web", Quantity: 3, HoldSeconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := c.GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart"})
	if err != nil || !proto.Equal(shown.Reservation, placed.Reservation) {
		t.Errorf("placed %v, shown %v, %v", placed.Reservation, shown, err)
	}

	clock.Advance(61 * time.Second) // nobody records the end
	over, err := c.GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart", Token: placed.Token})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.ListReservations(t.Context(), &pb.ListReservationsRequest{Sku: "milk", Token: placed.Token})
	if err != nil || len(list.Reservations) != 1 || !proto.Equal(list.Reservations[0], over.Reservation) {
		t.Errorf("by the stream %v, by the index %v, %v", over.Reservation, list, err)
	}
	if r := over.Reservation; r.Status != pb.ReservationStatus_RESERVATION_STATUS_EXPIRED || r.Expired != 3 || r.Remaining != 0 || len(r.Splits) != 0 {
		t.Errorf("shown %v", r)
	}
	if list, err = c.ListReservations(t.Context(), &pb.ListReservationsRequest{Sku: "milk", LiveOnly: true}); err != nil || len(list.Reservations) != 0 {
		t.Errorf("live %v, %v", list, err)
	}
	_, err = c.ConfirmReservation(t.Context(), &pb.ConfirmReservationRequest{ReservationId: "cart"})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "RESERVATION_NOT_LIVE"); facts["status"] != "expired" {
		t.Errorf("facts %v", facts)
	}
}

func TestAnIDIsNotGivenAgainAfterItsStreamForgotIt(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	w.Count("milk", 10)
	c := w.ReservationClient()
	if _, err := w.Reserve("cart", "milk", 3); err != nil {
		t.Fatal(err)
	}
	released, err := c.ReleaseReservation(t.Context(), &pb.ReleaseReservationRequest{ReservationId: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart", Token: released.Token}); err != nil {
		t.Fatal(err) // the index has it
	}
	clock.Advance(time.Duration(stock.KeepSeen)*time.Microsecond + time.Hour)
	token := w.Count("milk", 10) // with the next event the state forgets
	_, err = w.Reserve("cart", "milk", 3)
	servicetest.Refused(t, err, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
	_, err = c.ConfirmReservation(t.Context(), &pb.ConfirmReservationRequest{ReservationId: "cart"})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "RESERVATION_NOT_LIVE"); facts["status"] != "released" {
		t.Errorf("facts %v", facts)
	}
	shown, err := c.GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart", Token: token})
	if err != nil || shown.Reservation.Status != pb.ReservationStatus_RESERVATION_STATUS_RELEASED || shown.Reservation.Released != 3 {
		t.Errorf("shown %v, %v", shown, err)
	}
}

func TestListsGoOnFromPageToPage(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 100)
	var last string
	for i := range 25 {
		r, err := w.Reserve(fmt.Sprintf("cart-%02d", i), "milk", 1)
		if err != nil {
			t.Fatal(err)
		}
		last = r.Token
	}
	c := w.ReservationClient()
	var ids []string
	request := &pb.ListReservationsRequest{Sku: "milk", PageSize: 10, Token: last}
	for {
		page, err := c.ListReservations(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Reservations {
			ids = append(ids, r.ReservationId)
		}
		if request.PageToken = page.NextPageToken; request.PageToken == "" {
			break
		}
	}
	if len(ids) != 25 || ids[0] != "cart-00" || ids[24] != "cart-24" {
		t.Errorf("listed %v", ids)
	}
	page, err := c.ListReservations(t.Context(), &pb.ListReservationsRequest{Sku: "milk", PageSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*pb.ListReservationsRequest{
		"another SKU": {Sku: "bread", PageToken: page.NextPageToken}, "only live ones": {Sku: "milk", LiveOnly: true, PageToken: page.NextPageToken},
	} {
		_, err = c.ListReservations(t.Context(), other)
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
		if servicetest.Fields(err)["page_token"] == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHandOverThatACountCoversMovesNoStock(t *testing.T) {
	w := shop(t)
	c := w.ReservationClient()
	if _, err := w.Reserve("cart", "milk", 4); err != nil {
		t.Fatal(err)
	}
	left := timestamppb.Now()
	for range 40 { // more counts than the state remembers
		w.Count("milk", 6)
	}
	done, err := c.FulfilReservation(t.Context(), &pb.FulfilReservationRequest{ReservationId: "cart", OccurredAt: left})
	if err != nil || done.Reservation.Fulfilled != 4 {
		t.Fatalf("fulfilled %v, %v", done, err)
	}
	stock, err := w.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: "milk", Token: done.Token})
	if err != nil || stock.Stock.Locations[0].Sellable != 6 || stock.Stock.Locations[0].Reserved != 0 {
		t.Errorf("stock %v, %v", stock, err)
	}
}

// held is an index that holds up whoever looks for an id while it is armed.
type held struct {
	reservation.Index
	armed   atomic.Bool
	entered chan struct{}
	resume  chan struct{}
}

func (h *held) Find(ctx context.Context, id string) ([]*reservations.Record, error) {
	if h.armed.CompareAndSwap(true, false) {
		h.entered <- struct{}{}
		<-h.resume
	}
	return h.Index.Find(ctx, id)
}

func TestACallWithTheWrongSKUIsInNobodysWay(t *testing.T) {
	index := &held{entered: make(chan struct{}), resume: make(chan struct{})}
	w := servicetest.Start(t, servicetest.Options{Index: func(p *reservations.Projection) reservation.Index {
		index.Index = p
		return index
	}})
	w.Shop()
	w.Count("milk", 10)
	w.Count("bread", 10)
	placed, err := w.Reserve("cart", "milk", 3)
	if err != nil {
		t.Fatal(err)
	}
	c := w.ReservationClient()
	if _, err := c.GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart", Token: placed.Token}); err != nil {
		t.Fatal(err) // the index knows it now
	}
	if _, err := w.Reserve("other", "milk", 1); err != nil {
		t.Fatal(err) // and its claim has ended
	}
	index.armed.Store(true)
	wrong := make(chan error)
	go func() {
		_, err := w.Reserve("cart", "bread", 3)
		wrong <- err
	}()
	<-index.entered
	if r, err := w.Reserve("cart", "milk", 3); err != nil || r.Reservation.Remaining != 3 {
		t.Errorf("retried %v, %v", r, err)
	}
	if r, err := c.ConfirmReservation(t.Context(), &pb.ConfirmReservationRequest{ReservationId: "cart"}); err != nil || r.Reservation.Sku != "milk" {
		t.Errorf("confirmed %v, %v", r, err)
	}
	if r, err := c.GetReservation(t.Context(), &pb.GetReservationRequest{ReservationId: "cart"}); err != nil || r.Reservation.Sku != "milk" {
		t.Errorf("got %v, %v", r, err)
	}
	close(index.resume)
	servicetest.Refused(t, <-wrong, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED")
}
