package stock

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/stockfold/stockfold/aggregates"
)

// fact draws and records a movement.
func (h *history) fact() {
	r := Movement{
		Kind: Kind(h.draw("kind", int(KindReceived), int(KindTransferReceived))), Location: h.site(), Other: h.site(),
		Quantity: int64(h.draw("quantity", 0, 12)), Condition: Condition(h.draw("condition", 0, 9) / 8), To: Condition(h.draw("to", 0, 3)),
	}
	switch r.Kind {
	case KindAdjusted:
		r.Quantity -= 6
	case KindCounted:
		r.Quantity *= 3
	case KindSold:
		r.ReservationID = h.someID()
	}
	m := h.meta(fmt.Sprintf("%+v", r))
	before := h.levels()
	result, events, err := h.decide(m, func(history *History) (any, []aggregates.Event, error) {
		r := r
		r.History = history
		return three(Move(h.state, r, m, h.now))
	})
	if err != nil {
		h.t.Fatalf("%+v: %v", r, err)
	}
	effects := h.note(&r, m.OccurredAt)
	want := Moved{Effect: effects, Oversold: h.oversold(before, events)}
	if result != want {
		h.t.Fatalf("%+v gave %+v, expected %+v", r, result, want)
	}
	want.Duplicate = true
	h.retry(m, want, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Move(h.state, r, m, h.now))
	})
}

// note tells the model, and returns by how much the balance of the movement's condition changed.
func (h *history) note(r *Movement, at aggregates.Instant) int64 {
	c := r.Condition
	if r.Kind == KindSold || r.Kind == KindTransferShipped {
		c = Sellable
	}
	before := h.model.now(r.Location, c)
	switch r.Kind {
	case KindReceived, KindReturned, KindAdjusted:
		h.model.move(r.Location, c, r.Quantity, at)
	case KindCounted:
		h.model.facts = append(h.model.facts, fact{r.Location, c, r.Quantity, at, true})
	case KindConditionChanged:
		h.model.move(r.Location, c, -r.Quantity, at)
		h.model.move(r.Location, r.To, r.Quantity, at)
	case KindTransferShipped:
		h.model.move(r.Location, c, -r.Quantity, at)
		h.model.transit[r.Other] += r.Quantity
	case KindTransferReceived:
		h.model.move(r.Location, c, r.Quantity, at)
		h.model.transit[r.Location] -= r.Quantity
	case KindSold:
		sale := r.Quantity
		if p := h.model.reservations[r.ReservationID]; p != nil && p.live(h.now) {
			fulfilled := min(sale, p.remaining())
			h.model.depart(p, fulfilled, r.Location, at)
			sale -= fulfilled
		}
		h.model.move(r.Location, c, -sale, at)
	}
	return h.model.now(r.Location, c) - before
}

// levels are on hand and live reserved by location.
func (h *history) levels() map[string][2]int64 {
	levels := map[string][2]int64{}
	for _, site := range sites {
		levels[site] = [2]int64{h.model.now(site, Sellable), h.model.live(site, h.now)}
	}
	return levels
}

// oversold expects an OversoldDetected for each location where more is missing than before, and for no other.
func (h *history) oversold(before map[string][2]int64, events []aggregates.Event) bool {
	var want []aggregates.Event
	for _, site := range sites {
		after := h.levels()[site]
		missing, missed := after[1]-after[0], before[site][1]-before[site][0]
		if missing > 0 && missing > missed {
			want = append(want, &OversoldDetected{Location: site, OnHand: after[0], Reserved: after[1]})
		}
	}
	var got []aggregates.Event
	for _, e := range events {
		if e.EventType() == TypeOversoldDetected {
			got = append(got, e)
		}
	}
	if !reflect.DeepEqual(got, want) {
		h.t.Fatalf("oversold %s\nexpected %s", shown(got), shown(want))
	}
	return len(want) > 0
}

func (h *history) someID() string {
	if len(h.ids) == 0 {
		return "nobody's"
	}
	return h.ids[h.draw("reservation", max(0, len(h.ids)-8), len(h.ids)-1)]
}

func (h *history) reserve() {
	p := channels[h.draw("channel", 0, 1)]
	r := ReserveRequest{
		ReservationID: fmt.Sprint("cart ", len(h.ids)), Quantity: int64(h.draw("quantity", 1, 15)),
		HoldSeconds: int64(h.draw("hold", 0, 40)), Confirmed: h.draw("confirmed", 0, 5) == 0,
	}
	m := h.meta(fmt.Sprintf("%+v", r))
	known := len(h.log) > 0
	available := h.model.available(p, h.now)
	result, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) {
		return three(Reserve(h.state, r, m, p, h.now))
	})
	var insufficient *InsufficientError
	switch {
	case !known:
		if !errors.Is(err, ErrUnknownSKU) {
			h.t.Fatal(err)
		}
		return
	case r.Quantity > available:
		if !errors.As(err, &insufficient) || insufficient.Available != available {
			h.t.Fatalf("%d of %d: %v%s", r.Quantity, available, err, shown(events))
		}
		return
	case err != nil:
		h.t.Fatalf("%d of %d: %v", r.Quantity, available, err)
	}
	until := aggregates.Instant(0)
	if !r.Confirmed {
		seconds := r.HoldSeconds
		if seconds == 0 {
			seconds = p.HoldSeconds
		}
		until = (h.now + aggregates.Instant(seconds)*aggregates.Second).CeilSecond()
	}
	h.model.place(r.ReservationID, r.Quantity, p, until, h.now)
	h.ids = append(h.ids, r.ReservationID)
	h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Reserve(h.state, r, m, p, h.now))
	})
}

func (h *history) confirm() {
	id := h.someID()
	m := h.meta(id)
	_, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) {
		return three(Confirm(h.state, ConfirmRequest{ReservationID: id}, m, h.now))
	})
	p := h.model.reservations[id]
	switch {
	case p == nil:
		h.refused(err, ErrUnknownReservation)
	case p.live(h.now) || p.confirmed && p.fulfilled > 0 && p.closed && err == nil:
		if err != nil || (len(events) == 0) != p.confirmed {
			h.t.Fatalf("%v%s", err, shown(events))
		}
		p.confirmed = true
	default:
		h.refused(err, &NotLiveError{id, p.status(h.now)})
	}
}

func (h *history) extend() {
	id := h.someID()
	r := ExtendRequest{ReservationID: id, ExpiresAt: h.now + aggregates.Instant(h.draw("seconds", 0, 60)-10)*aggregates.Second}
	m := h.meta(fmt.Sprint(r))
	result, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) { return three(Extend(h.state, r, m, h.now)) })
	p := h.model.reservations[id]
	switch {
	case p == nil:
		h.refused(err, ErrUnknownReservation)
	case !p.live(h.now):
		h.refused(err, &NotLiveError{id, p.status(h.now)})
	case p.confirmed:
		h.refused(err, &NotHeldError{id})
	case r.ExpiresAt <= h.now:
		h.refused(err, &ExpiryError{r.ExpiresAt, h.now})
	default:
		until := r.ExpiresAt.CeilSecond()
		if err != nil || (len(events) == 0) != (p.until == until) {
			h.t.Fatalf("%v%s", err, shown(events))
		}
		p.until = until
		if len(events) > 0 {
			h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
				return three(Extend(h.state, r, m, h.now))
			})
		}
	}
}

func (h *history) release() {
	r := ReleaseRequest{ReservationID: h.someID(), Quantity: int64(h.draw("quantity", 0, 6))}
	m := h.meta(fmt.Sprint(r))
	result, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) { return three(Release(h.state, r, m, h.now)) })
	p := h.model.reservations[r.ReservationID]
	switch {
	case p == nil:
		h.refused(err, ErrUnknownReservation)
	case !p.live(h.now):
		if r.Quantity > 0 || err != nil {
			h.refused(err, &NotLiveError{r.ReservationID, p.status(h.now)})
		}
	case r.Quantity > p.remaining():
		h.refused(err, &ExceedsError{r.ReservationID, r.Quantity, p.remaining()})
	case err != nil:
		h.t.Fatal(err)
	default:
		p.giveBack(allIfZero(r.Quantity, p))
		h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
			return three(Release(h.state, r, m, h.now))
		})
		return
	}
	if len(events) > 0 {
		h.t.Fatal(shown(events))
	}
}

func (h *history) fulfil() {
	r := FulfilRequest{ReservationID: h.someID(), Quantity: int64(h.draw("quantity", 0, 6))}
	if h.draw("elsewhere", 0, 2) == 0 {
		r.Location = h.site()
	}
	m := h.meta(fmt.Sprint(r))
	before := h.levels()
	result, events, err := h.decide(m, func(history *History) (any, []aggregates.Event, error) {
		r := r
		r.History = history
		return three(Fulfil(h.state, r, m, h.now))
	})
	p := h.model.reservations[r.ReservationID]
	switch {
	case p == nil:
		h.refused(err, ErrUnknownReservation)
	case !p.live(h.now):
		if r.Quantity > 0 || err != nil {
			h.refused(err, &NotLiveError{r.ReservationID, p.status(h.now)})
		}
	case r.Quantity > p.remaining():
		h.refused(err, &ExceedsError{r.ReservationID, r.Quantity, p.remaining()})
	case err != nil:
		h.t.Fatal(err)
	default:
		h.model.depart(p, allIfZero(r.Quantity, p), r.Location, m.OccurredAt)
		h.oversold(before, events)
		h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
			return three(Fulfil(h.state, r, m, h.now))
		})
	}
}

func allIfZero(quantity int64, p *promise) int64 {
	if quantity == 0 {
		return p.remaining()
	}
	return quantity
}

func (h *history) expire() {
	most := h.draw("most", 0, 5)
	_, events, _ := h.decide(h.meta("expire"), func(*History) (any, []aggregates.Event, error) {
		return nil, Expire(h.state, h.now, most), nil
	})
	due := 0
	for _, p := range h.model.reservations {
		if !p.closed && !p.live(h.now) {
			due++
		}
	}
	if len(events) != min(most, due) {
		h.t.Fatalf("%d of %d holds expired, at most %d", len(events), due, most)
	}
	for _, e := range events {
		p := h.model.reservations[e.(*ReservationExpired).ReservationID]
		if p.closed || p.live(h.now) {
			h.t.Fatalf("expired early %s", shown(events))
		}
		p.expire()
	}
}

func (h *history) register() {
	site, quantity := h.site(), int64(h.draw("safety", 0, 4))
	m := h.meta("item")
	h.decide(m, func(*History) (any, []aggregates.Event, error) {
		return three(Register(h.state, RegisterRequest{Name: "Tea", SafetyStock: []SafetyStock{{site, quantity}}}, m, h.now))
	})
	clear(h.model.safety)
	h.model.safety[site] = quantity
}

// restart goes on with what a snapshot restores.
func (h *history) restart() {
	restored := &State{}
	if err := restored.UnmarshalBinary(encoded(h.tb(), h.state)); err != nil {
		h.t.Fatal(err)
	}
	h.state = restored
}

func (h *history) refused(err, want error) {
	if errors.Is(err, want) {
		return
	}
	got := reflect.New(reflect.TypeOf(want))
	if err == nil || !errors.As(err, got.Interface()) || !reflect.DeepEqual(got.Elem().Interface(), want) {
		h.t.Fatalf("%v, expected %v", err, want)
	}
}
