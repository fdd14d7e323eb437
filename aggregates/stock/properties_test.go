package stock

import (
	"bytes"
	"errors"
	"fmt"
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
	case n < 40:
		h.fact()
	case n < 55:
		h.reserve()
	case n < 58:
		h.confirm()
	case n < 62:
		h.extend()
	case n < 66:
		h.release()
	case n < 72:
		h.fulfil()
	case n < 77:
		h.expire()
	case n < 83:
		h.change()
	case n < 88:
		h.reallocate()
	case n < 93:
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
	inSteps(h.tb(), h.log, channels)
}
