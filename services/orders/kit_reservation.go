package orders

import (
	"cmp"
	"context"
	"errors"
	"math"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
)

// A reservation of kits is an order of one line that is known by the reservation's id: it holds the components all or nothing, survives a crash
// at any step, and keeps the explosion it was made with.

// kitLine is the id of that line.
const kitLine = "1"

// KitRequest asks for kits.
type KitRequest struct {
	ReservationID string
	SKU           string
	Kit           domain.Kit
	Channel       string
	Quantity      int64
	HoldSeconds   int64  // 1 to stock.MaxHoldSeconds
	Confirmed     bool   // promised without end
	Location      string // where each component must come from; "" leaves it to the channel's rules
	Method        string
}

// KitReservation shows a reservation of kits. Quantities are in kits.
type KitReservation struct {
	domain.Reservation // without splits
	SKU                string
	Parts              []KitHold
}

// KitHold is what a reservation of kits holds of one component.
type KitHold struct {
	domain.Component        // for one kit
	ReservationID    string // of the component; "" when nothing is held
}

// ReserveKits promises kits, all that were requested or none. The same request again, by id and fingerprint, yields what came of the first. It
// returns *stock.InsufficientError in kits, *stock.KeyReusedError, and the errors of the store.
func (s *Service) ReserveKits(ctx context.Context, r KitRequest, m aggregates.Metadata) (KitReservation, uint64, error) {
	id := order.KitReservation(r.ReservationID)
	if before, _, err := s.see(ctx, id); err != nil {
		return KitReservation{}, 0, err
	} else if before.view.Version == 0 {
		if err := s.enough(ctx, &r); err != nil {
			return KitReservation{}, 0, err
		}
	}
	received := order.Received{Channel: r.Channel, Confirm: r.Confirmed,
		Lines: []order.Line{{ID: kitLine, SKU: r.SKU, Quantity: r.Quantity, Location: r.Location, Method: r.Method}}}
	hold := aggregates.Instant(r.HoldSeconds) * aggregates.Second
	if r.Confirmed {
		hold = confirming
	}
	_, err := s.Orders.Do(ctx, id, m, decision(func(o *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		received := received
		received.ExpiresAt = (now + hold).CeilSecond()
		events, err := order.Receive(o, received, m)
		if len(events) == 0 || err != nil {
			return nil, err
		}
		return append(order.Explode(o, r.SKU, r.Kit), events...), nil
	}))
	if err != nil {
		return KitReservation{}, 0, ofReservation(r.ReservationID, err)
	}
	l, position, err := s.finish(ctx, id)
	if err != nil {
		return KitReservation{}, 0, err
	}
	if l.view.Status == order.StatusRejected {
		return KitReservation{}, 0, refusedKits(l.view.Short)
	}
	return firstKits(&r, &l.view), position, nil
}

// firstKits shows a reservation of kits as it was placed.
func firstKits(r *KitRequest, v *order.View) KitReservation {
	first := KitReservation{SKU: r.SKU, Reservation: domain.Reservation{ID: r.ReservationID, Channel: r.Channel, Status: domain.StatusHeld,
		Quantity: r.Quantity, Remaining: r.Quantity, PlacedAt: v.PlacedAt, ExpiresAt: v.FirstEnd}}
	if r.Confirmed {
		first.Status, first.ExpiresAt = domain.StatusConfirmed, 0
	}
	for i, x := range v.Lines[0].Parts {
		first.Parts = append(first.Parts, KitHold{Component: x.Component, ReservationID: order.ComponentHold(r.ReservationID, i)})
	}
	return first
}

// enough refuses kits for which there is not enough of a component now, before anything is recorded: as with any SKU, the same id may ask
// again later. Whether there is still enough is decided component by component.
func (s *Service) enough(ctx context.Context, r *KitRequest) error {
	channel, ok := s.Policies.Channel(r.Channel)
	if !ok {
		return &refusals.UnknownChannel{Channel: r.Channel}
	}
	if r.Location != "" { // then it is decided there alone
		return nil
	}
	short := domain.InsufficientError{Requested: r.Quantity, Available: math.MaxInt64}
	refused := false
	for _, c := range r.Kit.Components {
		var (
			offer domain.Offer
			way   error
		)
		_, err := s.SKUs.Do(ctx, c.SKU, aggregates.Metadata{IdempotencyKey: "read"}, holdAt(func(st *domain.State, now aggregates.Instant) {
			if offer = st.Offer(channel.Policy, now); r.Method != "" {
				offer, way = st.OfferBy(channel.Policy, domain.Way{Method: r.Method}, now)
			}
		}))
		if err = cmp.Or(err, way); err != nil {
			return err
		}
		short.Available = min(short.Available, domain.KitsIn(offer.ATS, c.Quantity))
		refused = refused || domain.KitsIn(offer.Most(), c.Quantity) < r.Quantity
	}
	if refused {
		return &short
	}
	return nil
}

// refusedKits is why kits could not be promised, as of a single SKU.
func refusedKits(short []order.Shortage) error {
	x := short[0]
	switch x.Reason {
	case order.ShortUnknownSKU:
		return domain.ErrUnknownSKU
	case order.ShortTooMany:
		return &domain.TooManyError{Limit: domain.MaxLiveReservations}
	}
	return &domain.InsufficientError{Requested: x.Requested, Available: min(x.Available, max(0, x.Requested-1))}
}

// ofReservation says of an order's refusal what it means for the reservation.
func ofReservation(id string, err error) error {
	var (
		reused *order.ReusedError
		held   *order.NotHeldError
	)
	switch {
	case errors.As(err, &reused):
		return &domain.KeyReusedError{Key: id}
	case errors.As(err, &held):
		return &domain.NotHeldError{ReservationID: id}
	case errors.Is(err, order.ErrUnknown):
		return domain.ErrUnknownReservation
	}
	return err
}

// FindKits shows a reservation of kits as its stream has it; stock.ErrUnknownReservation when there is none.
func (s *Service) FindKits(ctx context.Context, reservation string) (KitReservation, uint64, error) {
	l, position, err := s.see(ctx, order.KitReservation(reservation))
	if err == nil && (l.view.Status == order.StatusAwaited || l.view.Status == order.StatusRejected) {
		err = domain.ErrUnknownReservation
	}
	return s.showKits(reservation, &l.view), position, err
}

// changeKits has a change of a reservation of kits decided and carried out.
func (s *Service) changeKits(ctx context.Context, reservation string, m aggregates.Metadata, decide decision) (KitReservation, uint64, error) {
	id := order.KitReservation(reservation)
	if _, _, err := s.finish(ctx, id); err != nil { // one that a crash left half reserved is reserved first
		return KitReservation{}, 0, err
	}
	ended := decision(func(o *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		events, err := decide(o, m, now)
		if is := (*order.NotLiveError)(nil); errors.As(err, &is) {
			err = &domain.NotLiveError{ReservationID: reservation, Status: kitStatus(is.Status, order.Show(o, now).Lapsed)}
		}
		return events, err
	})
	if _, err := s.Orders.Do(ctx, id, m, ended); err != nil {
		return KitReservation{}, 0, ofReservation(reservation, err)
	}
	l, position, err := s.finish(ctx, id)
	return s.showKits(reservation, &l.view), position, err
}

// ConfirmKits takes the end off a reservation's holds. It returns stock.ErrUnknownReservation, *stock.NotLiveError and the errors of the store.
func (s *Service) ConfirmKits(ctx context.Context, reservation string, m aggregates.Metadata) (KitReservation, uint64, error) {
	return s.changeKits(ctx, reservation, m, func(o *order.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		return order.Confirm(o, now)
	})
}

// ExtendKits moves the end of a reservation's holds, to an instant or so many seconds from the decision. It returns what ConfirmKits does, and
// *stock.NotHeldError, *stock.ExpiryError, *stock.KeyReusedError.
func (s *Service) ExtendKits(ctx context.Context, reservation string, seconds int64, until aggregates.Instant, m aggregates.Metadata) (KitReservation, uint64, error) {
	return s.changeKits(ctx, reservation, m, func(o *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		until := until
		if seconds != 0 {
			until = now + aggregates.Instant(seconds)*aggregates.Second
		}
		return order.Extend(o, until, m, now)
	})
}

// ReleaseKits gives back so many kits of a reservation, or all that is left of it for 0. It returns what ConfirmKits does, and
// *stock.ExceedsError, *stock.KeyReusedError.
func (s *Service) ReleaseKits(ctx context.Context, reservation string, quantity int64, reason string, m aggregates.Metadata) (KitReservation, uint64, error) {
	return s.changeKits(ctx, reservation, m, func(o *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		part, done, err := kitPart(o, reservation, quantity, now, order.StatusCancelled, &m)
		if done || err != nil {
			return nil, err
		}
		if quantity == 0 {
			return order.Cancel(o, order.Cancelled{Reason: reason}, m)
		}
		return order.Cut(o, []order.Part{part}, reason, m)
	})
}

// FulfilKits hands over so many kits of a reservation, or all that is left of it for 0: their components leave a location, that where all
// of them are reserved when none is given. It returns what ReleaseKits does, and stock.ErrLocationNeeded.
func (s *Service) FulfilKits(ctx context.Context, reservation string, quantity int64, location string, m aggregates.Metadata) (KitReservation, uint64, error) {
	if location == "" {
		var err error
		if location, err = s.kitsAt(ctx, reservation); err != nil {
			return KitReservation{}, 0, err
		}
	}
	return s.changeKits(ctx, reservation, m, func(o *order.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		part, done, err := kitPart(o, reservation, quantity, now, order.StatusClosed, &m)
		if done || err != nil {
			return nil, err
		}
		if location == "" {
			return nil, domain.ErrLocationNeeded
		}
		return order.Ship(o, []order.Part{part}, location, m.Source.Document, m)
	})
}

// kitPart is the part of a reservation that a quantity is, all that is left for 0. done tells that this was carried out before, or that all had ended that way.
func kitPart(o *order.State, reservation string, quantity int64, now aggregates.Instant, over order.Status, m *aggregates.Metadata) (part order.Part, done bool, err error) {
	if done, err = o.Again(m); done || err != nil {
		return part, done, err
	}
	v := order.Show(o, now)
	switch {
	case v.Status == order.StatusAwaited || v.Status == order.StatusRejected:
		return part, false, order.ErrUnknown
	case quantity == 0 && v.Status == over && kitStatus(v.Status, v.Lapsed) != domain.StatusExpired:
		return part, true, nil
	case v.Status != order.StatusReserved && v.Status != order.StatusConfirmed:
		return part, false, &domain.NotLiveError{ReservationID: reservation, Status: kitStatus(v.Status, v.Lapsed)}
	}
	l := &v.Lines[0]
	if quantity > l.Open {
		return part, false, &domain.ExceedsError{ReservationID: reservation, Requested: quantity, Remaining: l.Open}
	}
	if quantity == 0 {
		quantity = l.Open
	}
	return order.Part{Line: l.ID, SKU: l.SKU, Quantity: quantity}, false, nil
}

// kitsAt is the one location where all components of a reservation are reserved; "" when there is none such.
func (s *Service) kitsAt(ctx context.Context, reservation string) (location string, err error) {
	found, _, err := s.FindKits(ctx, reservation)
	if err != nil {
		return "", err
	}
	for i, part := range found.Parts {
		var held domain.Reservation
		_, err := s.SKUs.Do(ctx, part.SKU, aggregates.Metadata{IdempotencyKey: "read"}, holdAt(func(st *domain.State, now aggregates.Instant) {
			held, _ = domain.Find(st, part.ReservationID, now)
		}))
		if err != nil {
			return "", err
		}
		if len(held.Splits) != 1 || i > 0 && held.Splits[0].Location != location {
			return "", nil
		}
		location = held.Splits[0].Location
	}
	return location, nil
}

// holdAt is a look at a SKU.
type holdAt func(s *domain.State, now aggregates.Instant)

var _ commands.Intention[domain.State] = holdAt(nil)

// Decide looks, and records nothing.
func (f holdAt) Decide(s *domain.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	f(s, now)
	return nil, nil
}

// showKits shows an order as the reservation of kits that it coordinates.
func (s *Service) showKits(reservation string, v *order.View) KitReservation {
	r := KitReservation{Reservation: domain.Reservation{ID: reservation, Channel: v.Channel, Status: kitStatus(v.Status, v.Lapsed),
		PlacedAt: v.PlacedAt, ExpiresAt: v.ExpiresAt}}
	for i := range v.Lines {
		l := &v.Lines[i]
		r.SKU = l.SKU
		r.Quantity, r.Fulfilled = r.Quantity+l.Quantity, r.Fulfilled+l.Fulfilled
		if live(v.Status) {
			r.Remaining += l.Open
		}
		for _, x := range l.Parts {
			part := KitHold{Component: x.Component}
			if x.Hold != (order.Hold{}) {
				part.ReservationID = x.Hold.ID(order.KitReservation(reservation))
			}
			r.Parts = append(r.Parts, part)
		}
	}
	rest := r.Quantity - r.Remaining - r.Fulfilled
	if r.Status == domain.StatusExpired {
		for i := range v.Lines {
			r.Released += v.Lines[i].Cut
		}
		r.Expired = rest - r.Released
	} else {
		r.Released = rest
	}
	return r
}

func live(s order.Status) bool {
	return s == order.StatusReceived || s == order.StatusReserved || s == order.StatusConfirmed
}

// kitStatus is the status of a reservation whose order has one.
func kitStatus(s order.Status, lapsed bool) domain.Status {
	switch s {
	case order.StatusReceived, order.StatusReserved:
		return domain.StatusHeld
	case order.StatusConfirmed:
		return domain.StatusConfirmed
	case order.StatusClosed:
		return domain.StatusFulfilled
	case order.StatusCancelled:
		if lapsed {
			return domain.StatusExpired
		}
	}
	return domain.StatusReleased
}
