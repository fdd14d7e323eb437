package stock

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// Random histories, decided and folded, held against the model after every step: several locations, late facts, late
// counts, several facts at one instant, retries, holds that run out, restarts from a snapshot.
type history struct {
	t       *rapid.T
	state   *State
	model   *model
	now     aggregates.Instant
	log     []logged
	known   []int // number of the model's facts after so many events
	retries []func()
	ids     []string
	asked   int // histories that had to be read
}

var (
	numbers  = slices.Collect(count(1000))
	sites    = []string{"berlin", "hamburg", "munich"}
	channels = []*Policy{
		NewPolicy("web", []string{"hamburg", "berlin", "munich"}, 0, 30),
		NewPolicy("market", []string{"munich", "berlin"}, 3, 30),
	}
)

func newHistoryOf(t *rapid.T) *history {
	return &history{
		t: t, state: &State{}, now: clock("12:00"), known: []int{0},
		model: &model{reservations: map[string]*promise{}, safety: map[string]int64{}, transit: map[string]int64{}},
	}
}

func TestRandomHistories(t *testing.T) {
	asked := 0
	rapid.Check(t, func(t *rapid.T) {
		h := newHistoryOf(t)
		steps := rapid.SampledFrom([]int{400, 300, 200}).Draw(t, "steps")
		for range steps {
			h.now += aggregates.Second / 2 * aggregates.Instant(rapid.IntRange(0, 4).Draw(t, "pass"))
			h.step()
			h.compare()
		}
		h.bothAxes()
		h.refolded()
		asked += min(1, h.asked)
	})
	t.Logf("%d of the histories had to be read again for a late fact", asked)
	if asked == 0 {
		t.Error("no history was ever asked for: the journals were never outgrown")
	}
}

func (h *history) step() {
	switch n := h.draw("what", 0, 99); {
	case n < 45:
		h.fact()
	case n < 60:
		h.reserve()
	case n < 64:
		h.confirm()
	case n < 68:
		h.extend()
	case n < 73:
		h.release()
	case n < 80:
		h.fulfil()
	case n < 86:
		h.expire()
	case n < 92:
		if len(h.retries) > 0 {
			h.retries[h.draw("which", 0, len(h.retries)-1)]()
		}
	case n < 96:
		h.register()
	default:
		h.restart()
	}
}

// draw draws each number alike; rapid's own ranges prefer small ones.
func (h *history) draw(what string, low, high int) int {
	return low + rapid.SampledFrom(numbers[:high-low+1]).Draw(h.t, what)
}

// site draws one of the sites, the first one often, so that its journal is outgrown.
func (h *history) site() string { return sites[max(0, h.draw("site", -4, len(sites)-1))] }

// meta draws when something occurred: just now, a little ago, or long ago, on a whole second.
func (h *history) meta(contents string) aggregates.Metadata {
	at := h.now - h.now%aggregates.Second
	switch h.draw("late", 0, 4) {
	case 3:
		at -= aggregates.Instant(h.draw("seconds", 0, 6)) * aggregates.Second
	case 4:
		at -= aggregates.Instant(h.draw("seconds", 0, 400)) * aggregates.Second
	}
	return aggregates.Metadata{
		OccurredAt: at, RecordedAt: h.now, IdempotencyKey: fmt.Sprint("key ", len(h.log), " ", len(h.retries)),
		Fingerprint: aggregates.Fingerprint(contents),
	}
}

// decide decides, reading history when it is needed, checks that the state stays as it is, and folds.
func (h *history) decide(m aggregates.Metadata, do func(*History) (any, []aggregates.Event, error)) (any, []aggregates.Event, error) {
	before := encoded(h.tb(), h.state)
	result, events, err := do(nil)
	var need *NeedHistory
	if errors.As(err, &need) {
		h.asked++
		feed(need.History, h.log)
		result, events, err = do(need.History)
	}
	if !bytes.Equal(before, encoded(h.tb(), h.state)) {
		h.t.Fatal("a decision changed the state")
	}
	for _, e := range events {
		h.state.Evolve(e, m)
		h.log = append(h.log, logged{e, m})
		if err := h.state.Check(); err != nil {
			h.t.Fatalf("after %s: %v", e.EventType(), err)
		}
	}
	return result, events, err
}

func (h *history) tb() testing.TB { return failing{TB: nil, t: h.t} }

// failing lets helpers that take a testing.TB fail a random history.
type failing struct {
	testing.TB
	t *rapid.T
}

func (f failing) Helper()           {}
func (f failing) Fatal(args ...any) { f.t.Fatal(args...) }

// retry remembers a command for a later repetition, which must yield the first result and nothing else.
func (h *history) retry(m aggregates.Metadata, first any, do func(m aggregates.Metadata) (any, []aggregates.Event, error)) {
	h.retries = append(h.retries, func() {
		m := m
		m.RecordedAt = h.now
		result, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) { return do(m) })
		if err != nil || len(events) > 0 || !reflect.DeepEqual(result, first) {
			h.t.Fatalf("a retry gave %+v, %v, expected %+v%s", result, err, first, shown(events))
		}
		m.Fingerprint++
		var reused *KeyReusedError
		if _, _, err := do(m); !errors.As(err, &reused) {
			h.t.Fatalf("other contents under the same key: %v", err)
		}
	})
}

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

// compare holds everything that is known now against the model.
func (h *history) compare() {
	for len(h.known) <= len(h.log) {
		h.known = append(h.known, len(h.model.facts))
	}
	for _, site := range sites {
		x := h.state.At(site)
		if x == nil {
			x = &Balance{}
		}
		for c := range conditions {
			h.equal(fmt.Sprint("on hand at ", site, " in ", c), x.OnHand[c], h.model.now(site, c))
		}
		h.equal("reserved at "+site, x.Reserved, h.model.reserved(site))
		h.equal("live at "+site, x.Live(h.now), h.model.live(site, h.now))
		h.equal("in transit to "+site, x.InTransit, h.model.transit[site])
	}
	for _, p := range channels {
		h.equal("available on "+p.Channel, h.state.Available(p, h.now), h.model.available(p, h.now))
	}
	for _, id := range h.ids[max(0, len(h.ids)-10):] {
		h.sameReservation(id)
	}
}

func (h *history) sameReservation(id string) {
	r, err := Find(h.state, id, h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	p := h.model.reservations[id]
	want := Reservation{
		ID: id, Channel: p.channel, Status: p.status(h.now), Quantity: p.quantity, Fulfilled: p.fulfilled, Released: p.released,
		Expired: p.expired, Remaining: p.remaining(), PlacedAt: r.PlacedAt, ExpiresAt: p.until,
	}
	if p.confirmed {
		want.ExpiresAt = 0
	}
	if !p.live(h.now) {
		want.Expired, want.Remaining = p.expired+p.remaining(), 0
	} else {
		want.Splits = slices.DeleteFunc(slices.Clone(p.splits), func(x Split) bool { return x.Quantity == 0 })
	}
	if !reflect.DeepEqual(r, want) {
		h.t.Fatalf("reservation %+v\nexpected %+v", r, want)
	}
}

func (h *history) equal(what string, got, want int64) {
	if got != want {
		h.t.Fatalf("%s is %d, expected %d, after %d events", what, got, want, len(h.log))
	}
}

// bothAxes holds what was true at past instants, as it was known after so many events, against the model.
func (h *history) bothAxes() {
	for range 40 {
		known := h.boundary(h.draw("known", 0, len(h.log)))
		at := h.now - aggregates.Instant(h.draw("ago", -1, 600))*aggregates.Second/2
		for _, site := range sites {
			for c := range conditions {
				got := trueAt(h.log[:known], site, c, at)
				if want := h.model.balance(site, c, at, h.known[known]); got != want {
					h.t.Fatalf("%d at %s in %d at %d as known after %d events, expected %d", got, site, c, at, known, want)
				}
			}
		}
	}
}

// boundary goes back to where a command's events begin; they were recorded together.
func (h *history) boundary(events int) int {
	for events > 0 && events < len(h.log) && h.log[events].meta.IdempotencyKey == h.log[events-1].meta.IdempotencyKey {
		events--
	}
	return events
}

// trueAt adds up the events on the occurred axis.
func trueAt(log []logged, location string, c Condition, at aggregates.Instant) (sum int64) {
	for _, x := range log {
		legs(x.event, func(l leg) {
			if l.location != location || l.condition != c {
				return
			}
			if occurred(&x.meta) <= at {
				sum += l.delta
			}
			if l.absorbed.Is() && l.absorbed.AsOf <= at {
				sum -= l.delta
			}
		})
	}
	return sum
}

// refolded holds the state, which went through snapshots, against a fold from scratch.
func (h *history) refolded() {
	if !bytes.Equal(encoded(h.tb(), h.state), encoded(h.tb(), refold(h.log))) {
		h.t.Fatal("the state is not the fold of its events")
	}
}

// Whatever the order in which facts arrive, the balances end the same, at every instant: as long as no two counts of
// the same are as of the same instant, where the last one recorded is in force.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := arrivals(t)
		first := newHistoryOf(t)
		second := newHistoryOf(t)
		for _, x := range facts {
			first.arrive(x)
		}
		for _, x := range rapid.Permutation(facts).Draw(t, "order") {
			second.arrive(x)
		}
		for _, site := range sites {
			for c := range conditions {
				for n := range 130 {
					at := clock("11:58") + aggregates.Instant(n)*aggregates.Second
					if a, b := trueAt(first.log, site, c, at), trueAt(second.log, site, c, at); a != b {
						t.Fatalf("%d or %d at %s in %d at second %d", a, b, site, c, n)
					}
				}
				if a, b := first.onHand(site, c), second.onHand(site, c); a != b || a != trueAt(first.log, site, c, always) {
					t.Fatalf("%d or %d at %s in %d", a, b, site, c)
				}
			}
		}
	})
}

type arrival struct {
	move Movement
	meta aggregates.Metadata
}

func arrivals(t *rapid.T) []arrival {
	counts := map[string]bool{}
	facts := make([]arrival, 0, 200)
	for i := range rapid.IntRange(2, 200).Draw(t, "facts") {
		x := arrival{
			Movement{
				Kind:     Kind(rapid.IntRange(int(KindReceived), int(KindTransferReceived)+3).Draw(t, "kind")),
				Location: rapid.SampledFrom(sites[:2]).Draw(t, "site"), Other: sites[2],
				Quantity: rapid.Int64Range(0, 20).Draw(t, "quantity"), To: Damaged,
			},
			aggregates.Metadata{OccurredAt: clock("11:58") + aggregates.Instant(rapid.IntRange(0, 120).Draw(t, "at"))*aggregates.Second},
		}
		x.meta.IdempotencyKey = fmt.Sprint(i)
		place := fmt.Sprint(x.move.Location, x.meta.OccurredAt)
		if x.move.Kind > KindTransferReceived {
			x.move.Kind = KindCounted // often, so that counts outgrow what is remembered of them
		}
		if x.move.Kind == KindCounted && counts[place] {
			x.move.Kind = KindReturned
		}
		counts[place] = counts[place] || x.move.Kind == KindCounted
		facts = append(facts, x)
	}
	return facts
}

func (h *history) arrive(x arrival) {
	h.now += aggregates.Second
	x.meta.RecordedAt = h.now
	_, _, err := h.decide(x.meta, func(history *History) (any, []aggregates.Event, error) {
		x.move.History = history
		return three(Move(h.state, x.move, x.meta, h.now))
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) onHand(site string, c Condition) int64 {
	if x := h.state.At(site); x != nil {
		return x.OnHand[c]
	}
	return 0
}

// However many carts want units at once, no more are promised than there are, and all of those.
func TestPromisesNeverOversell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stocked := map[string]int64{}
		s := &State{}
		for _, site := range sites {
			stocked[site] = rapid.Int64Range(0, 50).Draw(t, "stock")
			s.Evolve(&StockReceived{Location: site, Quantity: stocked[site]}, at("12:00"))
		}
		p, promised := channels[0], int64(0)
		for i := range 120 {
			m := at("12:00")
			m.Fingerprint = uint64(i)
			r := ReserveRequest{ReservationID: fmt.Sprint(i), Quantity: rapid.Int64Range(1, 5).Draw(t, "quantity")}
			if _, events, err := Reserve(s, r, m, p, clock("12:00")); err == nil {
				promised += r.Quantity
				s.Evolve(events[0], m)
			} else if left := s.Available(p, clock("12:00")); left >= r.Quantity {
				t.Fatalf("refused %d of %d: %v", r.Quantity, left, err)
			}
		}
		total := int64(0)
		for site, quantity := range maps.All(stocked) {
			total += quantity
			if x := s.At(site); x.Live(clock("12:00")) > quantity {
				t.Fatalf("%d of %d promised at %s", x.Reserved, quantity, site)
			}
		}
		if left := s.Available(p, clock("12:00")); promised+left != total {
			t.Fatalf("%d promised and %d left of %d", promised, left, total)
		}
	})
}
