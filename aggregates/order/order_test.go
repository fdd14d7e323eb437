package order

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

const noon = aggregates.Instant(1_767_268_800_000_000)

// world is an order in a test: its state, and the clock.
type world struct {
	t     fataler
	state *State
	now   aggregates.Instant
	log   []aggregates.Event
	metas []aggregates.Metadata
	err   error
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

func begin(t fataler) *world { return &world{t: t, state: &State{}, now: noon} }

// message decides what comes from outside under a key, and folds it. Contents tell a repetition from a re-used key.
func (w *world) message(key, contents string, decide func(*State, aggregates.Metadata) ([]aggregates.Event, error)) []aggregates.Event {
	w.t.Helper()
	m := aggregates.Metadata{RecordedAt: w.now, OccurredAt: w.now, IdempotencyKey: key, Fingerprint: aggregates.Fingerprint(contents)}
	before := fmt.Sprintf("%+v", Show(w.state, w.now))
	events, err := decide(w.state, m)
	if after := fmt.Sprintf("%+v", Show(w.state, w.now)); after != before {
		w.t.Fatalf("a decision changed the state:\n%s\n%s", before, after)
	}
	if w.err = err; err == nil {
		w.fold(events, m)
	}
	return events
}

func (w *world) own(events []aggregates.Event) []aggregates.Event {
	w.fold(events, aggregates.Metadata{RecordedAt: w.now, OccurredAt: w.now, IdempotencyKey: "process"})
	return events
}

func (w *world) fold(events []aggregates.Event, m aggregates.Metadata) {
	for _, e := range events {
		w.state.Evolve(e, m)
		w.log, w.metas = append(w.log, e), append(w.metas, m)
	}
}

func (w *world) received(r Received) []aggregates.Event {
	return w.message("receive", fmt.Sprintf("%+v", r), func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) {
		return Receive(s, r, m)
	})
}

func (w *world) shipped(key string, parts ...Part) []aggregates.Event {
	return w.message(key, fmt.Sprint(parts), func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) {
		return Ship(s, parts, "berlin", "p", m)
	})
}

func (w *world) is(want Status) {
	w.t.Helper()
	if got := w.state.Status(w.now); got != want {
		w.t.Errorf("the order is %s, expected %s", got, want)
	}
}

// wants are the open quantities by SKU and hold, as they are to be told.
func (w *world) wants() string {
	text := ""
	for _, x := range w.state.Plan().Wants {
		sum := int64(0)
		for _, l := range x.Lines {
			sum += l.Units
		}
		text += fmt.Sprintf("%s %s %d;", x.SKU, x.Hold.ID("o"), sum)
	}
	return text
}

func (w *world) wanting(want string) {
	w.t.Helper()
	if got := w.wants(); got != want {
		w.t.Errorf("to be told: %q, expected %q", got, want)
	}
}

func lines(pairs ...any) (list []Line) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, Line{ID: fmt.Sprint(i/2 + 1), SKU: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	return list
}

func cart(pairs ...any) Received {
	return Received{Channel: "web", Lines: lines(pairs...), ExpiresAt: noon + 900*aggregates.Second}
}

func TestAnOrderIsReservedConfirmedSentAndClosed(t *testing.T) {
	w := begin(t)
	w.received(cart("milk", 2, "tea", 1, "milk", 3))
	w.is(StatusReceived)
	w.wanting("milk o#1 5;tea o#2 1;") // the same SKU on two lines counts together
	w.own(Accept(w.state, w.state.Version, nil))
	w.is(StatusReserved)
	w.wanting("")
	confirm := func() []aggregates.Event {
		return w.message("confirm", "", func(s *State, _ aggregates.Metadata) ([]aggregates.Event, error) { return Confirm(s, w.now) })
	}
	confirm()
	w.is(StatusConfirmed)
	w.wanting("milk o#1 5;tea o#2 1;")
	if again := confirm(); len(again) > 0 {
		t.Errorf("confirmed again: %v", again)
	}
	w.own(Settle(w.state, w.state.Version, nil))
	w.shipped("p1", Part{"1", "milk", 2}, Part{"2", "tea", 1})
	w.wanting("milk o#1 3;")
	if p := w.state.Plan(); len(p.Physical) != 2 || p.Physical[0].Hold.ID("o") != "o#1" || len(p.Withdrawals) != 1 || p.Withdrawals[0].SKU != "tea" {
		t.Errorf("plan %+v", p)
	}
	w.shipped("p2", Part{"3", "milk", 3})
	w.is(StatusClosed)
	events := w.own(Settle(w.state, w.state.Version, nil))
	if p := w.state.Plan(); !p.Done() || len(events) != 2 {
		t.Errorf("recorded %v, plan %+v", events, p)
	}
}

func TestARejectedOrderGivesEverythingBack(t *testing.T) {
	w := begin(t)
	w.received(cart("milk", 2, "tea", 1))
	short := []Shortage{{Line: "2", SKU: "tea", Requested: 1, Reason: ShortInsufficient}}
	if old := Accept(w.state, w.state.Version-1, short); old != nil {
		t.Errorf("accepted as of an older version: %v", old)
	}
	w.own(Accept(w.state, w.state.Version, short))
	w.is(StatusRejected)
	if p := w.state.Plan(); len(p.Withdrawals) != 2 || len(p.Wants) != 0 || p.Done() {
		t.Errorf("plan %+v", p)
	}
	w.own(Settle(w.state, w.state.Version, nil))
	w.received(cart("milk", 2, "tea", 1)) // a repetition
	w.is(StatusRejected)
	w.received(cart("milk", 3))
	if reused := (*ReusedError)(nil); !errors.As(w.err, &reused) {
		t.Errorf("other contents: %v", w.err)
	}
}

func TestSomeLinesOfAPartialOrderAreKept(t *testing.T) {
	w := begin(t)
	r := cart("milk", 2, "tea", 1)
	r.Partial, r.Confirm = true, true
	w.received(r)
	w.own(Accept(w.state, w.state.Version, []Shortage{{Line: "1", SKU: "milk", Requested: 2}}))
	w.is(StatusConfirmed)
	w.wanting("tea o#2 1;")
	all := begin(t)
	all.received(r)
	all.own(Accept(all.state, all.state.Version, []Shortage{{Line: "1", SKU: "milk"}, {Line: "2", SKU: "tea"}}))
	all.is(StatusRejected)
}

func TestHoldsThatEndEndTheOrder(t *testing.T) {
	w := begin(t)
	w.received(cart("milk", 2))
	w.own(Accept(w.state, w.state.Version, nil))
	if early := Lapse(w.state, w.now); early != nil {
		t.Errorf("lapsed before its time: %v", early)
	}
	extended := noon + 1000*aggregates.Second
	w.message("x", "", func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) {
		return Extend(s, extended, m, w.now)
	})
	w.wanting("milk o#1 2;")
	w.now = extended
	w.is(StatusCancelled)
	w.message("confirm", "", func(s *State, _ aggregates.Metadata) ([]aggregates.Event, error) { return Confirm(s, w.now) })
	if ended := (*NotLiveError)(nil); !errors.As(w.err, &ended) || ended.Status != StatusCancelled {
		t.Errorf("confirming late: %v", w.err)
	}
	w.own(Lapse(w.state, w.now))
	if p := w.state.Plan(); len(p.Withdrawals) != 1 {
		t.Errorf("plan %+v", p)
	}
}

func TestALostHoldIsTakenUnderAnotherID(t *testing.T) {
	w := begin(t)
	r := cart("milk", 2)
	r.Lines[0].ReservationID = "cart-7"
	w.received(r)
	w.wanting("milk cart-7 2;")
	w.own(LoseHold(w.state, w.state.Version, "milk", "cart-7"))
	w.wanting("milk o#1 2;")
	w.own(LoseHold(w.state, w.state.Version, "milk", "o#1"))
	w.wanting("milk o#2 2;")
}

func TestALineThatComesBackHasANewReservation(t *testing.T) {
	w := begin(t)
	sold := cart("milk", 2)
	sold.Sold = true
	w.received(sold)
	w.is(StatusConfirmed)
	cut := func(key string) {
		w.message(key, "", func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) {
			return Cut(s, []Part{{"1", "milk", 2}}, "picked short", m)
		})
	}
	cut("a")
	cut("a") // twice
	w.is(StatusCancelled)
	w.message("b", "", func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) {
		return Change(s, 1, []Line{{ID: "1", SKU: "milk", Quantity: 5}}, m)
	})
	w.wanting("milk o#2 3;")
	if p := w.state.Plan(); len(p.Withdrawals) != 1 || p.Withdrawals[0].Hold.ID("o") != "o#1" {
		t.Errorf("plan %+v", p)
	}
}

func TestBoundsOfAnOrder(t *testing.T) {
	w := begin(t)
	many := make([]any, 0, 2*MaxLines+2)
	for range MaxLines + 1 {
		many = append(many, "milk", 1)
	}
	w.received(cart(many...))
	if bound := (*TooManyError)(nil); !errors.As(w.err, &bound) || bound.Limit != MaxLines {
		t.Errorf("%v", w.err)
	}
	w.received(cart(many[2:]...))
	w.message("c", "", func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) {
		return Cut(s, []Part{{"new", "milk", 1}}, "", m)
	})
	if bound := (*TooManyError)(nil); !errors.As(w.err, &bound) {
		t.Errorf("%v", w.err)
	}
	w.state.facts = MaxFacts
	w.shipped("p", Part{"1", "milk", 1})
	if bound := (*TooManyError)(nil); !errors.As(w.err, &bound) || bound.Limit != MaxFacts {
		t.Errorf("%v", w.err)
	}
}

// said is one message about an order, as a function of the order.
type said struct {
	key    string
	decide func(*State, aggregates.Metadata, aggregates.Instant) ([]aggregates.Event, error)
}

func drawMessages(t *rapid.T) (list []said) {
	part := func(n int) Part {
		return Part{rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "line"), rapid.SampledFrom([]string{"milk", "tea"}).Draw(t, "sku"), int64(n)}
	}
	r := Received{Channel: "shop", Sold: true, Lines: lines("milk", 5, "tea", 4, "milk", 3)}
	list = append(list, said{"placed", func(s *State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		return Place(s, r, m, now)
	}})
	quantity := map[string]int64{}
	for i := range rapid.IntRange(0, 12).Draw(t, "messages") {
		p := part(rapid.IntRange(1, 4).Draw(t, "quantity"))
		version := uint64(rapid.IntRange(1, 4).Draw(t, "version"))
		x := said{key: fmt.Sprint(i)}
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0: // one version of the order says one thing of a line
			k := fmt.Sprint(p.Line, p.SKU, version)
			if _, ok := quantity[k]; !ok {
				quantity[k] = p.Quantity * 3
			}
			l := Line{ID: p.Line, SKU: p.SKU, Quantity: quantity[k]}
			x.decide = func(s *State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
				return Change(s, version, []Line{l}, m)
			}
		case 1:
			x.decide = func(s *State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
				return Cut(s, []Part{p}, "short", m)
			}
		case 2:
			x.decide = func(s *State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
				return Cancel(s, Cancelled{OrderVersion: version}, m)
			}
		case 3, 4:
			x.decide = func(s *State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
				return Ship(s, []Part{p}, "berlin", "p", m)
			}
		case 5:
			x.decide = func(s *State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
				return Return(s, ReturnRequest{Parts: []Part{p}, Location: "berlin", Condition: stock.Inspection}, m)
			}
		}
		list = append(list, x)
	}
	return list
}

// end is what an order comes to, whatever the order of its lines and the ids of its holds.
type end struct {
	lines    map[lineKey][6]int64
	physical map[string]int64
}

func playMessages(t *rapid.T, list []said) end {
	w := begin(t)
	told := map[string]int64{}
	for _, x := range list {
		w.message(x.key, x.key, func(s *State, m aggregates.Metadata) ([]aggregates.Event, error) { return x.decide(s, m, w.now) })
		if w.err != nil {
			t.Fatal(w.err)
		}
		if rapid.Bool().Draw(t, "settle") {
			p := w.state.Plan()
			for _, f := range p.Physical {
				told[fmt.Sprint(f.SKU, f.Kind)] += f.Quantity
			}
			w.own(Settle(w.state, p.Version, nil))
		}
	}
	for _, f := range w.state.Plan().Physical {
		told[fmt.Sprint(f.SKU, f.Kind)] += f.Quantity
	}
	e := end{lines: map[lineKey][6]int64{}, physical: told}
	for _, l := range Show(w.state, w.now).Lines {
		if l.Open+l.Fulfilled+l.Cut+l.Delivered+l.Returned+l.Quantity > 0 {
			e.lines[lineKey{l.ID, l.SKU}] = [6]int64{l.Open, l.Fulfilled, l.Cut, l.Delivered, l.Returned, l.Quantity}
		}
	}
	check(t, w.state)
	return e
}

// check holds what is wanted of the reservations against what is open of the lines.
func check(t *rapid.T, s *State) {
	open, wanted := map[string]int64{}, map[string]int64{}
	for i := range s.lines {
		l := &s.lines[i]
		if o := s.open(l); o < 0 || o > 0 && l.group < 0 {
			t.Fatalf("%d open of line %+v", o, l)
		} else if o > 0 {
			open[l.SKU] += o
		}
	}
	for i := range s.groups {
		g := &s.groups[i]
		if g.wanted > 0 {
			wanted[g.sku] += g.wanted
		}
		if g.live != (g.wanted > 0) {
			t.Fatalf("%d wanted of group %+v", g.wanted, g)
		}
	}
	if !reflect.DeepEqual(open, wanted) {
		t.Fatalf("open %v, wanted %v", open, wanted)
	}
}

// Messages about an order that is sold already come to the same end in any order, and however often each comes.
func TestMessagesComeToTheSameEndInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawMessages(t)
		straight := playMessages(t, list)
		shuffled := rapid.Permutation(list).Draw(t, "order")
		for range rapid.IntRange(0, 5).Draw(t, "repetitions") {
			shuffled = append(shuffled, list[rapid.IntRange(0, len(list)-1).Draw(t, "again")])
		}
		shuffled = rapid.Permutation(shuffled).Draw(t, "order with repetitions")
		if got := playMessages(t, shuffled); !reflect.DeepEqual(got, straight) {
			t.Fatalf("one way %+v\nanother  %+v", straight, got)
		}
	})
}

func TestNamesOfOrderEvents(t *testing.T) {
	want := map[string]aggregates.Event{
		"OrderReceived": &Received{}, "OrderReserved": &Reserved{}, "OrderRejected": &Rejected{}, "OrderConfirmed": &Confirmed{},
		"OrderExtended": &Extended{}, "OrderCancelled": &Cancelled{}, "OrderClosed": &Closed{}, "OrderLineChanged": &LineChanged{},
		"OrderLineCut": &LineCut{}, "OrderLineFulfilled": &LineFulfilled{}, "OrderLineDelivered": &LineDelivered{},
		"OrderLineReturned": &LineReturned{}, "OrderReturnInspected": &Inspected{}, "OrderSettled": &Settled{},
		"OrderOversold": &Oversold{}, "OrderHoldLost": &HoldLost{},
		"OrderKitExploded": &KitExploded{},
	}
	for name, e := range want {
		if e.EventType() != name {
			t.Errorf("%q for %q", e.EventType(), name)
		}
	}
}
