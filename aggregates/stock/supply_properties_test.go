package stock

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

// Random histories of supply and of promises for later dates, held against the day-by-day model after every step.
type supplyHistory struct {
	*history
	days   *supplyModel
	said   int // facts about supply so far: each was said at an instant of its own
	shorts int
	moved  int
}

func TestRandomSupplyHistories(t *testing.T) {
	shorts, moved := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		h := &supplyHistory{history: newHistoryOf(t), days: &supplyModel{onHand: map[string]int64{}, transit: map[string]int64{}}}
		for range rapid.SampledFrom([]int{220, 200}).Draw(t, "steps") {
			h.now += aggregates.Second / 2 * aggregates.Instant(h.draw("pass", 1, 4))
			if h.draw("long", 0, 19) == 0 {
				h.now += aggregates.Instant(h.draw("hours", 1, 30)*60*60) * aggregates.Second
				h.retries = nil // keys are remembered for a day
			}
			h.supplyStep()
			h.compareDays()
			h.sameCarts()
		}
		h.refolded()
		shorts += h.shorts
		moved += h.moved
	})
	if shorts == 0 {
		t.Error("no promise for a later date was ever broken")
	}
	if moved == 0 {
		t.Error("no promise was ever moved")
	}
}

func (h *supplyHistory) supplyStep() {
	switch n := h.draw("what", 0, 99); {
	case n < 36:
		h.tellSupply()
	case n < 46:
		h.tellStock()
	case n < 66:
		h.promise()
	case n < 71:
		h.end()
	case n < 77:
		h.change()
	case n < 83:
		h.reallocate()
	case n < 86:
		h.takeOver()
	case n < 89:
		h.sweep()
	case n < 95 && len(h.retries) > 0:
		h.retries[h.draw("which", 0, len(h.retries)-1)]()
	default:
		h.restart()
	}
}

// tellSupply draws a fact about a few documents, said some time ago, in any order.
func (h *supplyHistory) tellSupply() {
	f := supplySaid{
		document: fmt.Sprint("po ", h.draw("document", 1, 3)), line: fmt.Sprint(h.draw("line", 1, 2)), location: h.site(),
		quantity: int64(h.draw("quantity", 1, 20)), due: day(h.draw("due", 0, horizonDays-1)),
	}
	transfer := fmt.Sprint("transfer ", h.draw("transfer", 1, 2))
	r := Movement{Document: f.document, Line: f.line, DueAt: f.due}
	switch h.draw("kind", 0, 9) {
	case 0, 1, 2:
		f.what, r.Kind, r.Location, r.Quantity = "expected", KindSupplyExpected, f.location, f.quantity
	case 3:
		f.what, r.Kind = "moved", KindSupplyRescheduled
		if h.draw("all", 0, 1) == 0 {
			f.line, r.Line = "", ""
		}
	case 4:
		f.what, r.Kind, f.due, r.DueAt = "cancelled", KindSupplyCancelled, 0, 0
	case 5, 6:
		f.what, r.Kind, r.Location, r.Quantity, f.due = "received", KindReceived, f.location, f.quantity, 0
		if l := h.days.lineOf(f.document, f.line); l.location == "" {
			return // it would be of a line that nobody knows; see TestSupplyConverges
		}
		h.days.onHand[r.Location] += r.Quantity
	case 7:
		f.what, f.document, f.line = "shipped", transfer, f.location
		r = Movement{Kind: KindTransferShipped, TransferID: transfer, Location: "munich", Other: f.location, Quantity: f.quantity, DueAt: f.due}
		h.days.onHand["munich"] -= f.quantity
		h.days.transit[f.location] += f.quantity
	case 8:
		f.what, f.document, f.line, f.due = "arrived", transfer, f.location, 0
		r = Movement{Kind: KindTransferReceived, TransferID: transfer, Location: f.location, Other: "munich", Quantity: f.quantity}
		h.days.onHand[f.location] += f.quantity
		h.days.transit[f.location] -= f.quantity
	case 9:
		f.what, f.document, f.line, f.due = "cancelled", transfer, "", 0
		r = Movement{Kind: KindSupplyCancelled, Supply: SupplyTransfer, Document: transfer}
	}
	h.said++
	m := aggregates.Metadata{RecordedAt: h.now, IdempotencyKey: fmt.Sprint("supply ", h.said), Fingerprint: 1}
	m.OccurredAt = h.now - aggregates.Instant(h.draw("ago", 0, 1000)*2_000_000+h.said)
	m.Source.Document, m.Source.Line = r.Document, r.Line
	f.at = m.OccurredAt
	h.record(r, m, func() { h.days.facts = append(h.days.facts, f) })
}

func (h *supplyHistory) tellStock() {
	r := Movement{Kind: KindAdjusted, Location: h.site(), Quantity: int64(h.draw("quantity", -12, 12))}
	h.said++
	m := aggregates.Metadata{OccurredAt: h.now, RecordedAt: h.now, IdempotencyKey: fmt.Sprint("stock ", h.said), Fingerprint: 1}
	h.record(r, m, func() { h.days.onHand[r.Location] += r.Quantity })
}

// record decides a fact, and expects a shortfall exactly where one grows.
func (h *supplyHistory) record(r Movement, m aggregates.Metadata, note func()) {
	// The model's stock of receipts and transfers was noted already; what was missing before is asked of the state, which
	// the comparison after the step before has proved right.
	before := h.missing()
	result, events, err := h.decide(m, func(history *History) (any, []aggregates.Event, error) {
		r := r
		r.History = history
		return three(Move(h.state, r, m, h.now))
	})
	if err != nil {
		h.t.Fatalf("%+v: %v", r, err)
	}
	note()
	h.sameShortfalls(before, events)
	again := result.(Moved)
	again.Duplicate = true
	h.retry(m, again, func(m aggregates.Metadata) (any, []aggregates.Event, error) { return three(Move(h.state, r, m, h.now)) })
}

func (h *supplyHistory) missing() map[string]int64 {
	before := map[string]int64{}
	for _, site := range sites {
		if x := h.state.At(site); x != nil {
			before[site], _ = x.missing(h.now)
		}
	}
	return before
}

func (h *supplyHistory) sameShortfalls(before map[string]int64, events []aggregates.Event) {
	var want, got []aggregates.Event
	for _, site := range sites {
		if missing, first := h.days.missing(site, h.now); missing > before[site] {
			want = append(want, &ShortfallDetected{Location: site, At: first, Missing: missing, Promises: h.days.broken(site, h.now)})
			h.shorts++
		}
	}
	for _, e := range events {
		if e.EventType() == TypeShortfallDetected {
			got = append(got, e)
		}
	}
	if !reflect.DeepEqual(got, want) {
		h.t.Fatalf("shortfalls %s\nexpected %s", shown(got), shown(want))
	}
}

func (h *supplyHistory) promise() {
	p := channels[h.draw("channel", 0, 1)]
	r := ReserveRequest{
		ReservationID: fmt.Sprint("cart ", len(h.ids)), Quantity: int64(h.draw("quantity", 1, 12)),
		HoldSeconds: int64(h.draw("hold", 1, 40)), Confirmed: h.draw("confirmed", 0, 2) > 0,
	}
	if h.draw("dated", 0, 3) > 0 {
		r.PromiseAt = day(h.draw("date", 0, horizonDays-1))
	}
	if len(h.log) == 0 {
		return
	}
	m := aggregates.Metadata{OccurredAt: h.now, RecordedAt: h.now, IdempotencyKey: "reserve " + r.ReservationID, Fingerprint: uint64(len(h.ids))}
	point, available := 0, h.days.available(p, h.now)
	for i, at := range h.days.points(h.now) {
		if at == r.PromiseAt {
			point = i
		}
	}
	result, _, err := h.decide(m, func(*History) (any, []aggregates.Event, error) { return three(Reserve(h.state, r, m, p, h.now)) })
	var insufficient *InsufficientError
	if r.Quantity > available[point] {
		if !errors.As(err, &insufficient) || insufficient.Available != available[point] {
			h.t.Fatalf("%d of %d for %d: %v", r.Quantity, available[point], r.PromiseAt, err)
		}
		return
	}
	if err != nil {
		h.t.Fatalf("%d of %d for %d: %v", r.Quantity, available[point], r.PromiseAt, err)
	}
	c := &datedCart{id: r.ReservationID, policy: p, splits: map[string]int64{}}
	if r.PromiseAt > h.now {
		c.date = r.PromiseAt
	}
	h.bring(c, r.Quantity, nil)
	if !r.Confirmed {
		c.until = (h.now + aggregates.Instant(r.HoldSeconds)*aggregates.Second).CeilSecond()
	}
	h.days.carts = append(h.days.carts, c)
	h.ids = append(h.ids, c.id)
	h.uses(result.(Reservation), c)
	h.retry(m, result, func(m aggregates.Metadata) (any, []aggregates.Event, error) {
		return three(Reserve(h.state, r, m, p, h.now))
	})
}

// uses checks that a promise counts on open lines only, due in time, on none for more than is open, and on no more than
// it promises.
func (h *supplyHistory) uses(r Reservation, c *datedCart) {
	bySite := map[string]int64{}
	for _, u := range r.Supply {
		l := h.days.lineOf(u.Document, u.Line)
		if u.Quantity <= 0 || u.Quantity > l.open || l.location != u.Location || l.due != u.DueAt || l.due > c.date || l.due <= h.now {
			h.t.Fatalf("counts on %+v of %+v for %d", u, l, c.date)
		}
		bySite[u.Location] += u.Quantity
	}
	for site, quantity := range bySite {
		if quantity > c.splits[site] {
			h.t.Fatalf("counts on %d of supply at %s for %d", quantity, site, c.splits[site])
		}
	}
}

// end releases, hands over, confirms or extends a reservation.
func (h *supplyHistory) end() {
	if len(h.days.carts) == 0 {
		return
	}
	c := h.days.carts[h.draw("cart", 0, len(h.days.carts)-1)]
	m := h.callMeta()
	how := h.draw("how", 0, 3)
	_, events, err := h.decide(m, func(*History) (any, []aggregates.Event, error) {
		switch how {
		case 0:
			return three(Release(h.state, ReleaseRequest{ReservationID: c.id}, m, h.now))
		case 1:
			return three(Fulfil(h.state, FulfilRequest{ReservationID: c.id}, m, h.now))
		case 2:
			return three(Confirm(h.state, ConfirmRequest{ReservationID: c.id}, m, h.now))
		default:
			return three(Extend(h.state, ExtendRequest{ReservationID: c.id, ExpiresAt: h.now + 90*aggregates.Second}, m, h.now))
		}
	})
	if err != nil || len(events) == 0 {
		return // ended, or confirmed before: the other histories are about that
	}
	switch how {
	case 0:
		c.empty()
	case 1:
		for site, quantity := range c.splits {
			h.days.onHand[site] -= quantity
		}
		c.empty()
	case 2:
		c.until = 0
	default:
		c.until = (h.now + 90*aggregates.Second).CeilSecond()
	}
}

func (h *supplyHistory) sweep() {
	h.decide(aggregates.Metadata{OccurredAt: h.now, RecordedAt: h.now}, func(*History) (any, []aggregates.Event, error) {
		return nil, Expire(h.state, h.now, 3), nil
	})
}

// compareDays holds everything that is known of every day against the model.
func (h *supplyHistory) compareDays() {
	points := h.days.points(h.now)
	for _, site := range sites {
		x := h.state.At(site)
		if x == nil {
			x = &Balance{}
		}
		var open int64
		if x.Later != nil {
			open = x.Later.Incoming.EndedAt(day(1000))
		}
		h.equal("to come to "+site, open, h.days.open(site))
		h.equal("in transit to "+site, x.InTransit, h.days.inTransit(site))
		h.equal("on hand at "+site, x.OnHand[Sellable], h.days.onHand[site])
	}
	for _, p := range channels {
		want := h.days.available(p, h.now)
		h.equal("available on "+p.Channel, h.state.Available(p, h.now), want[0])
		steps := h.state.Steps(p, h.now)
		h.equal("steps on "+p.Channel, addedUp(steps), want[0])
		for _, s := range steps {
			if s.Amount > 0 && s.Name != StepOnHand && s.Name != StepNotBelow || s.Amount < 0 && s.Name == StepNotBelow {
				h.t.Fatalf("steps %+v", steps)
			}
		}
		var next aggregates.Instant
		for i, at := range points {
			h.equal(fmt.Sprint("available on ", p.Channel, " at ", at.Time()), h.state.AvailableAt(p, h.now, at), want[i])
			if next == 0 && want[i] > 0 {
				next = at
			}
		}
		if got, ok := h.state.NextAvailable(p, h.now, 1); got != next || ok != (next != 0) {
			h.t.Fatalf("available again at %d, %v, expected %d", got, ok, next)
		}
		h.sameSteps(p, points, want)
	}
}

// sameSteps reads the steps as a person would: the last one that has begun.
func (h *supplyHistory) sameSteps(p *Policy, points []aggregates.Instant, want []int64) {
	steps := h.state.Promisable(p, h.now, points[len(points)-1], 1000)
	for i, at := range points {
		got := int64(-1)
		for k, s := range steps {
			if k > 0 && (s.At <= steps[k-1].At || s.Quantity <= steps[k-1].Quantity) {
				h.t.Fatalf("steps that do not rise: %v", steps)
			}
			if s.At <= at {
				got = s.Quantity
			}
		}
		h.equal(fmt.Sprint("step at ", at), got, want[i])
	}
}

// Facts of the same documents in any order, some of them twice, leave the same supply.
func TestSupplyConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 14).Draw(t, "facts")
		facts := make([]Movement, n)
		metas := make([]aggregates.Metadata, n)
		for i := range facts {
			draw := func(what string, low, high int) int { return rapid.IntRange(low, high).Draw(t, what) }
			r := Movement{
				Kind:     rapid.SampledFrom([]Kind{KindSupplyExpected, KindSupplyExpected, KindSupplyRescheduled, KindSupplyCancelled, KindReceived, KindTransferShipped, KindTransferReceived}).Draw(t, "kind"),
				Document: "d", Line: fmt.Sprint(draw("line", 0, 2)), Quantity: int64(draw("quantity", 0, 9)),
				Location: sites[draw("site", 0, 1)], Other: sites[draw("other", 0, 1)], TransferID: "d", DueAt: day(draw("due", 1, 4)),
				Supply: SupplyKind(draw("supply", 0, 2)),
			}
			if r.Line == "0" {
				r.Line = ""
			}
			if r.Kind == KindSupplyRescheduled || r.Kind == KindSupplyCancelled {
				r.Location = rapid.SampledFrom([]string{"", sites[0], sites[1]}).Draw(t, "of")
			}
			facts[i] = r
			m := aggregates.Metadata{OccurredAt: clock("12:00") + aggregates.Instant(draw("said", 0, 5)), IdempotencyKey: fmt.Sprint(i), Fingerprint: 1}
			m.Source.Document, m.Source.Line = "d", r.Line
			metas[i] = m
		}
		var first []byte
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		for range 4 {
			s := &State{}
			tell := func(i int) {
				m := metas[i]
				m.RecordedAt = clock("13:00")
				_, events, err := Move(s, facts[i], m, m.RecordedAt)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					s.Evolve(e, m)
				}
				if err := s.Check(); err != nil {
					t.Fatal(err)
				}
			}
			for _, i := range random.Perm(n) {
				tell(i)
				tell(random.IntN(n))
			}
			got := supplyOnly(t, s)
			if first == nil {
				first = got
			}
			if !bytes.Equal(first, got) {
				t.Fatalf("the order matters:\n%s\n%s", first, got)
			}
		}
	})
}

// supplyOnly shows what is known of supply, without how it came to be known.
func supplyOnly(t *rapid.T, s *State) []byte {
	var b bytes.Buffer
	for x := range s.Each {
		if x.OnHand == ([conditions]int64{}) && x.InTransit == 0 && x.Later == nil {
			continue // nothing lies here, and nothing ever did in another order
		}
		fmt.Fprint(&b, x.Location, " ", x.OnHand, " ", x.InTransit)
		if x.Later != nil {
			for h := range x.Later.Incoming.Each {
				fmt.Fprint(&b, " ", h)
			}
		}
		fmt.Fprintln(&b)
	}
	open, settled := s.supply.inOrder()
	documents := append(open, settled...)
	for _, transfer := range []bool{false, true} {
		for _, d := range documents {
			if d.transfer == transfer {
				fmt.Fprintf(&b, "%+v %+v %+v\n", d.lines, d.receipts, d.all)
			}
		}
	}
	return b.Bytes()
}
