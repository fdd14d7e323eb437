package stock

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// A scenario reads like the domain: what was given, what is done, what follows. Every step is decided on the state, which
// must not change by that, and then folded; after every fold the invariants must hold. A scenario's clock starts
// at noon and moves on one second with each step, or by wait.
type world struct {
	t      testing.TB
	state  *State
	policy *Policy
	now    aggregates.Instant
	steps  int
	log    []logged
	// Of the last step:
	result any
	events []aggregates.Event
	err    error
}

type logged struct {
	event aggregates.Event
	meta  aggregates.Metadata
}

// step is something that is done.
type step struct {
	decide func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error)
	change func(m *aggregates.Metadata)
	pass   time.Duration
}

type expectation func(w *world)

type given struct{ w *world }
type when struct{ w *world }

func scenario(t testing.TB) given {
	t.Helper()
	w := &world{t: t, state: &State{}, policy: NewPolicy("web", []string{"berlin", "hamburg", "munich"}, 0, 900), now: clock("12:00")}
	return given{w}
}

func (g given) under(p *Policy) given { g.w.policy = p; return g }

// given does what must succeed.
func (g given) given(steps ...step) given {
	g.w.t.Helper()
	for i, s := range steps {
		g.w.do(s)
		if g.w.err != nil {
			g.w.t.Fatalf("given step %d: %v", i, g.w.err)
		}
	}
	return g
}

func (g given) when(s step) when {
	g.w.t.Helper()
	g.w.do(s)
	return when(g)
}

func (x when) when(s step) when {
	x.w.t.Helper()
	x.w.do(s)
	return x
}

func (x when) then(list ...expectation) when {
	x.w.t.Helper()
	for _, e := range list {
		e(x.w)
	}
	x.w.same()
	return x
}

// do decides and folds one step.
func (w *world) do(s step) {
	w.t.Helper()
	w.now += aggregates.At(time.UnixMicro(0).Add(s.pass + time.Second))
	w.steps++
	m := aggregates.Metadata{OccurredAt: w.now, RecordedAt: w.now, IdempotencyKey: fmt.Sprint("step ", w.steps), Fingerprint: uint64(w.steps)}
	if s.change != nil {
		s.change(&m)
	}
	w.result, w.events, w.err = nil, nil, nil
	if s.decide == nil {
		return
	}
	before := encoded(w.t, w.state)
	w.result, w.events, w.err = s.decide(w, m)
	if !bytes.Equal(before, encoded(w.t, w.state)) {
		w.t.Fatal("a decision changed the state")
	}
	if w.err != nil && len(w.events) > 0 {
		w.t.Fatalf("%v with %d events", w.err, len(w.events))
	}
	for _, e := range w.events {
		w.state.Evolve(e, m)
		w.log = append(w.log, logged{e, m})
		if err := w.state.Check(); err != nil {
			w.t.Fatalf("after %s: %v", e.EventType(), err)
		}
	}
}

// same holds the state against a fold from scratch, and against a snapshot of itself.
func (w *world) same() {
	w.t.Helper()
	if !bytes.Equal(encoded(w.t, w.state), encoded(w.t, refold(w.log))) {
		w.t.Fatal("the state is not the fold of its events")
	}
	var restored State
	if err := restored.UnmarshalBinary(encoded(w.t, w.state)); err != nil {
		w.t.Fatal(err)
	}
	if !bytes.Equal(encoded(w.t, w.state), encoded(w.t, &restored)) {
		w.t.Fatal("the state is not what its snapshot restores")
	}
}

func refold(log []logged) *State {
	s := &State{}
	for _, x := range log {
		s.Evolve(x.event, x.meta)
	}
	return s
}

func encoded(t testing.TB, s *State) []byte {
	t.Helper()
	data, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// clock is a time of the scenarios' day, "15:04" or "15:04:05".
func clock(text string) aggregates.Instant {
	layout := "2006-01-02 15:04:05"[:11+len(text)]
	at, err := time.Parse(layout, "2026-01-05 "+text)
	if err != nil {
		panic(err)
	}
	return aggregates.At(at)
}

// Changes of a step.

func (s step) with(change func(m *aggregates.Metadata)) step {
	earlier := s.change
	s.change = func(m *aggregates.Metadata) {
		if earlier != nil {
			earlier(m)
		}
		change(m)
	}
	return s
}

func (s step) at(text string) step {
	return s.with(func(m *aggregates.Metadata) { m.OccurredAt = clock(text) })
}

// key makes steps with the same words retries of each other; other words are other contents.
func (s step) key(key, contents string) step {
	return s.with(func(m *aggregates.Metadata) { m.IdempotencyKey, m.Fingerprint = key, aggregates.Fingerprint(contents) })
}

func (s step) offset(topic string, partition int32, offset int64) step {
	return s.with(func(m *aggregates.Metadata) {
		m.Source.Topic, m.Source.Partition, m.Source.Offset = topic, partition, offset
	})
}

// Steps.

func wait(d time.Duration) step { return step{pass: d - time.Second} }

func move(r Movement) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Move(w.state, r, m, w.now))
	}}
}

func three[T any](result T, events []aggregates.Event, err error) (any, []aggregates.Event, error) {
	return result, events, err
}

func counted(location string, quantity int64) step {
	return move(Movement{Kind: KindCounted, Location: location, Quantity: quantity})
}

func received(location string, quantity int64) step {
	return move(Movement{Kind: KindReceived, Location: location, Quantity: quantity})
}

func sold(location string, quantity int64) step {
	return move(Movement{Kind: KindSold, Location: location, Quantity: quantity, Channel: "pos"})
}

func soldFor(location string, quantity int64, reservation string) step {
	return move(Movement{Kind: KindSold, Location: location, Quantity: quantity, Channel: "pos", ReservationID: reservation})
}

func registered(r RegisterRequest) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Register(w.state, r, m, w.now))
	}}
}

// reserve asks for units on the scenario's policy. Its fingerprint is of its contents, so the same again is a retry.
func reserve(id string, quantity int64) step {
	return reserveAs(ReserveRequest{ReservationID: id, Quantity: quantity})
}

func reserveAs(r ReserveRequest) step {
	s := step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Reserve(w.state, r, m, w.policy, w.now))
	}}
	return s.with(func(m *aggregates.Metadata) { m.Fingerprint = aggregates.Fingerprint(fmt.Sprintf("%+v", r)) })
}

func confirm(id string) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Confirm(w.state, ConfirmRequest{ReservationID: id}, m, w.now))
	}}
}

func extend(id string, until string) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Extend(w.state, ExtendRequest{ReservationID: id, ExpiresAt: clock(until)}, m, w.now))
	}}
}

func release(id string, quantity int64) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Release(w.state, ReleaseRequest{ReservationID: id, Quantity: quantity, Reason: "cart emptied"}, m, w.now))
	}}
}

func fulfil(id string, quantity int64) step { return fulfilFrom(id, quantity, "") }

func fulfilFrom(id string, quantity int64, location string) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Fulfil(w.state, FulfilRequest{ReservationID: id, Quantity: quantity, Location: location}, m, w.now))
	}}
}

func expire(most int) step {
	return step{decide: func(w *world, _ aggregates.Metadata) (any, []aggregates.Event, error) {
		return nil, Expire(w.state, w.now, most), nil
	}}
}

// Expectations.

// recorded expects exactly these events.
func recorded(events ...aggregates.Event) expectation {
	return func(w *world) {
		w.t.Helper()
		if w.err != nil {
			w.t.Fatalf("refused: %v", w.err)
		}
		if !reflect.DeepEqual(w.events, events) && len(w.events)+len(events) > 0 {
			w.t.Fatalf("recorded %s\nexpected %s", shown(w.events), shown(events))
		}
	}
}

func nothingRecorded() expectation { return recorded() }

func shown(events []aggregates.Event) string {
	text := ""
	for _, e := range events {
		text += fmt.Sprintf("\n  %s%+v", e.EventType(), reflect.ValueOf(e).Elem())
	}
	return text
}

// result expects exactly this result.
func result(want any) expectation {
	return func(w *world) {
		w.t.Helper()
		if w.err != nil {
			w.t.Fatalf("refused: %v", w.err)
		}
		if !reflect.DeepEqual(w.result, want) {
			w.t.Fatalf("result %+v\nexpected %+v", w.result, want)
		}
	}
}

// refused expects this error, by value.
func refused(want error) expectation {
	return func(w *world) {
		w.t.Helper()
		if w.err == nil {
			w.t.Fatalf("not refused, but recorded %s", shown(w.events))
		}
		if errors.Is(w.err, want) {
			return
		}
		got := reflect.New(reflect.TypeOf(want))
		if !errors.As(w.err, got.Interface()) || !reflect.DeepEqual(got.Elem().Interface(), want) {
			w.t.Fatalf("refused with %v, expected %v", w.err, want)
		}
	}
}

func onHand(location string, want int64) expectation { return onHandIn(location, Sellable, want) }

func onHandIn(location string, c Condition, want int64) expectation {
	return balance(location, "on hand", want, func(x *Balance, _ aggregates.Instant) int64 { return x.OnHand[c] })
}

func reserved(location string, want int64) expectation {
	return balance(location, "reserved", want, func(x *Balance, _ aggregates.Instant) int64 { return x.Reserved })
}

func promisedNow(location string, want int64) expectation {
	return balance(location, "live reserved", want, (*Balance).Live)
}

func inTransit(location string, want int64) expectation {
	return balance(location, "in transit", want, func(x *Balance, _ aggregates.Instant) int64 { return x.InTransit })
}

func balance(location, what string, want int64, read func(*Balance, aggregates.Instant) int64) expectation {
	return func(w *world) {
		w.t.Helper()
		var got int64
		if x := w.state.At(location); x != nil {
			got = read(x, w.now)
		}
		if got != want {
			w.t.Fatalf("%s at %s is %d, expected %d", what, location, got, want)
		}
	}
}

func ats(want int64) expectation {
	return func(w *world) {
		w.t.Helper()
		if got := w.state.Available(w.policy, w.now); got != want {
			w.t.Fatalf("available %d, expected %d", got, want)
		}
	}
}

// reservationIs expects what Find shows.
func reservationIs(id string, check func(Reservation) bool) expectation {
	return func(w *world) {
		w.t.Helper()
		r, err := Find(w.state, id, w.now)
		if err != nil || !check(r) {
			w.t.Fatalf("reservation %+v, %v", r, err)
		}
	}
}

func effect(want int64) expectation { return result(Moved{Effect: want}) }
