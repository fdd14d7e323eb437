package orders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/stock"
)

const (
	// maxRounds is how often an order's plan is carried out in one go, when it keeps changing.
	maxRounds = 16
	// inTurn is up to how many reservations an order asks its SKUs one after the other; more are asked at once.
	inTurn = 8
	// driveTimeout bounds one go, whoever waits for it.
	driveTimeout = 10 * time.Second
)

// finish drives an order, and goes on when the caller leaves.
func (s *Service) finish(ctx context.Context, id string) (look, uint64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), driveTimeout)
	defer cancel()
	return s.drive(ctx, id)
}

// drive tells the SKUs what an order wants of them until nothing is left to tell. What it does not finish, Process does.
func (s *Service) drive(ctx context.Context, id string) (look, uint64, error) {
	for range maxRounds {
		l, position, err := s.see(ctx, id)
		if err != nil || l.plan.Done() {
			return l, position, err
		}
		if err := s.round(ctx, id, &l.plan); err != nil && !errors.Is(err, errExploded) {
			return l, position, fmt.Errorf("order %q: %w", id, err)
		}
	}
	return look{}, 0, fmt.Errorf("order %q: %w, %d rounds", id, commands.ErrContended, maxRounds)
}

// round carries out a plan. What happened to units goes first, so that a shipment finds what was promised for it.
func (s *Service) round(ctx context.Context, id string, p *order.Plan) error {
	if err := s.tellFacts(ctx, id, p); err != nil {
		return err
	}
	if err := s.withdraw(ctx, id, p); err != nil {
		return err
	}
	if p.Reserving {
		return s.reserve(ctx, id, p)
	}
	return s.settle(ctx, id, p)
}

// tellFacts records what happened to units on their SKUs' streams.
func (s *Service) tellFacts(ctx context.Context, id string, p *order.Plan) error {
	if len(p.Physical) == 0 {
		return nil
	}
	facts := make([]stock.Fact, len(p.Physical))
	for i := range p.Physical {
		facts[i] = fact(id, &p.Physical[i])
	}
	results, err := s.Recorder.Record(ctx, facts)
	if err != nil {
		return err
	}
	found := kitsFound{}
	for i := range results {
		if err := results[i].Err; err != nil && !found.add(facts[i].SKU, err) {
			return fmt.Errorf("SKU %q: %w", facts[i].SKU, err)
		}
	}
	return s.explode(ctx, id, p.Version, found)
}

// fact is one physical change of a SKU, as its stream takes it. Its key follows from its place in the order.
func fact(id string, x *order.Physical) stock.Fact {
	f := stock.Fact{SKU: x.SKU, Movement: domain.Movement{
		Kind: x.Kind, Location: x.Location, Quantity: x.Quantity, Condition: x.Condition, To: x.To, Channel: x.Channel,
		ReservationID: x.Hold.ID(id), Reason: x.Reason, Replayed: true,
	}}
	if x.Hold == (order.Hold{}) {
		f.Movement.ReservationID = ""
	}
	f.Metadata = aggregates.Metadata{OccurredAt: x.OccurredAt, Source: x.Source, Actor: actor, CorrelationID: id, CausationID: x.Document}
	f.Metadata.Source.Document, f.Metadata.Source.Line = id, x.Line
	f.Metadata.IdempotencyKey = key(id, x.Version, "fact")
	f.Metadata.Fingerprint = aggregates.Fingerprint(id, strconv.FormatUint(x.Version, 10))
	return f
}

// key names what a version of an order does, once.
func key(id string, version uint64, what string) string {
	return "order:" + strconv.Itoa(len(id)) + ":" + id + ":" + strconv.FormatUint(version, 10) + ":" + what
}

// VersionBehind reads from the idempotency key of an event which version of an order it is what came of: the number of the order's events by then.
func VersionBehind(idempotencyKey, id string) (uint64, bool) {
	rest, ours := strings.CutPrefix(idempotencyKey, "order:"+strconv.Itoa(len(id))+":"+id+":")
	number, _, whole := strings.Cut(rest, ":")
	version, err := strconv.ParseUint(number, 10, 64)
	return version, ours && whole && err == nil && version > 0
}

// asking makes the question to one SKU.
func (s *Service) asking(id string, p *order.Plan, w *order.Want) *ask {
	a := &ask{policies: s.Policies, channel: p.Channel, request: domain.OrderRequest{
		ReservationID: w.Hold.ID(id), TakesOver: w.Hold.Suffix == "", OrderID: id, Version: p.Version, Location: w.Location, Method: w.Method,
		Partial: p.Partial && p.Reserving, Sold: p.Confirmed, Confirmed: p.Confirmed, ExpiresAt: p.ExpiresAt, Reason: p.Reason, From: order.KitReservationWith(w.Hold.TakenOver),
	}}
	for _, x := range w.Lines {
		a.request.Lines = append(a.request.Lines, x.Units)
	}
	return a
}

// told asks SKUs, all at once, and waits; each question has its own error then. It returns an error when one is not answered.
func (s *Service) told(ctx context.Context, id string, wants []order.Want, asks []*ask) error {
	type answer struct {
		of  *ask
		err error
	}
	answers := make(chan answer, len(asks))
	for i, a := range asks {
		m := aggregates.Metadata{Actor: actor, CorrelationID: id, IdempotencyKey: key(id, a.request.Version, a.request.ReservationID)}
		m.Fingerprint = aggregates.Fingerprint(m.IdempotencyKey)
		done := func(_ commands.Outcome, err error) {
			answers <- answer{a, err}
		}
		if err := s.SKUs.Submit(wants[i].SKU, m, a, done); err != nil {
			done(commands.Outcome{}, err)
		}
	}
	for range asks {
		select {
		case got := <-answers:
			got.of.err = got.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i, a := range asks {
		if a.err != nil && stock.Temporary(a.err) {
			return fmt.Errorf("SKU %q: %w", wants[i].SKU, a.err)
		}
	}
	return nil
}

// withdraw gives up what the order does not want any more.
func (s *Service) withdraw(ctx context.Context, id string, p *order.Plan) error {
	wants := make([]order.Want, len(p.Withdrawals))
	asks := make([]*ask, len(p.Withdrawals))
	for i, x := range p.Withdrawals {
		wants[i] = order.Want{SKU: x.SKU, Hold: x.Hold}
		asks[i] = s.asking(id, p, &wants[i])
	}
	if err := s.told(ctx, id, wants, asks); err != nil {
		return err
	}
	for i, a := range asks {
		var anothers *domain.KeyReusedError
		if a.err != nil && !errors.As(a.err, &anothers) { // what is another order's was never this one's
			return fmt.Errorf("SKU %q: %w", wants[i].SKU, a.err)
		}
	}
	return nil
}

// reserve asks for all that an order wants, and records whether it is reserved or rejected.
func (s *Service) reserve(ctx context.Context, id string, p *order.Plan) error {
	asks := make([]*ask, len(p.Wants))
	slices.SortStableFunc(p.Wants, func(a, b order.Want) int { return cmp.Compare(a.SKU, b.SKU) })
	for i := range p.Wants {
		asks[i] = s.asking(id, p, &p.Wants[i])
	}
	late := s.Now() >= p.ExpiresAt
	if !late {
		if err := s.askAll(ctx, id, p, asks); err != nil {
			return err
		}
	}
	if err := s.explodeAsked(ctx, id, p, asks); err != nil {
		return err
	}
	var short []order.Shortage
	for i, a := range asks {
		if lost(a.err) && !late {
			return s.lose(ctx, id, p.Version, p.Wants[i].SKU, a.request.ReservationID)
		}
		missing, err := shortages(&p.Wants[i], a, late)
		if err != nil {
			return fmt.Errorf("SKU %q: %w", p.Wants[i].SKU, err)
		}
		short = append(short, missing...)
	}
	short = perLine(short)
	if err := s.noteKits(ctx, id, p, short); err != nil {
		return err
	}
	return s.record(ctx, id, key(id, p.Version, "accept"), func(s *order.State) []aggregates.Event {
		return order.Accept(s, p.Version, short)
	})
}

// askAll asks few SKUs in turn and many at once. Of few, those after one that is short are asked without being promised anything
// when all are wanted or none: they only have to say what they have.
func (s *Service) askAll(ctx context.Context, id string, p *order.Plan, asks []*ask) error {
	if len(asks) > inTurn {
		return s.told(ctx, id, p.Wants, asks)
	}
	trial := false
	for i, a := range asks {
		a.request.Trial = trial
		if err := s.told(ctx, id, p.Wants[i:i+1], asks[i:i+1]); err != nil {
			return err
		}
		trial = trial || a.err != nil && !p.Partial && !lost(a.err)
	}
	return nil
}

// lost tells whether a hold that the order counted on has ended, or is not the order's to have.
func lost(err error) bool {
	var ended *domain.NotLiveError
	return errors.As(err, &ended) || errors.Is(err, domain.ErrUnknownReservation)
}

func (s *Service) lose(ctx context.Context, id string, version uint64, sku, reservation string) error {
	return s.record(ctx, id, key(id, version, "lost:"+reservation), func(s *order.State) []aggregates.Event {
		return order.LoseHold(s, version, sku, reservation)
	})
}

// shortages lists the lines that a SKU did not promise.
func shortages(w *order.Want, a *ask, late bool) (list []order.Shortage, err error) {
	available, reason := a.result.Available, order.ShortInsufficient
	var (
		short   *domain.InsufficientError
		reused  *domain.KeyReusedError
		tooMany *domain.TooManyError
		nowhere *domain.NoLocationError
	)
	switch {
	case late:
		reason = order.ShortLate
	case a.err == nil && a.result.Accepted == nil && !slices.ContainsFunc(w.Lines, func(l order.WantedLine) bool { return beyond(&l) }):
		return nil, nil
	case a.err == nil:
	case errors.As(a.err, &short):
		available = short.Available
	case errors.Is(a.err, domain.ErrUnknownSKU):
		reason = order.ShortUnknownSKU
	case errors.As(a.err, &reused):
		reason = order.ShortKeyReused
	case errors.As(a.err, &tooMany):
		reason = order.ShortTooMany
	case errors.As(a.err, &nowhere):
		reason = order.ShortNowhere
	default:
		return nil, a.err
	}
	for i, l := range w.Lines {
		if a.err == nil && !late && (a.result.Accepted == nil || a.result.Accepted[i]) && !beyond(&l) {
			continue
		}
		x := shortage(w.SKU, &l, available, reason)
		x.PolicyPosition = a.under
		list = append(list, x)
	}
	return list, nil
}

// settle tells the SKUs what an accepted order wants of them, and records that, with what it oversold.
func (s *Service) settle(ctx context.Context, id string, p *order.Plan) error {
	asks := make([]*ask, len(p.Wants))
	for i := range p.Wants {
		asks[i] = s.asking(id, p, &p.Wants[i])
	}
	if err := s.told(ctx, id, p.Wants, asks); err != nil {
		return err
	}
	if err := s.explodeAsked(ctx, id, p, asks); err != nil {
		return err
	}
	var oversold []order.Oversold
	for i, a := range asks {
		switch sku := p.Wants[i].SKU; {
		case a.err == nil:
			oversold = append(oversold, oversoldOf(sku, &a.result)...)
		case p.Confirmed && s.mustBeTakenAnew(a.err):
			return s.lose(ctx, id, p.Version, sku, a.request.ReservationID)
		case lost(a.err): // its units were handed over or released by themselves, or Process ends the order in a moment
		default:
			return fmt.Errorf("SKU %q: %w", sku, a.err)
		}
	}
	if err := s.noteKits(ctx, id, p, nil); err != nil {
		return err
	}
	return s.record(ctx, id, key(id, p.Version, "settled"), func(s *order.State) []aggregates.Event {
		return order.Settle(s, p.Version, oversold)
	})
}

// mustBeTakenAnew tells whether a confirmed order's hold was never confirmed: it ran out before, or is not there, or is another's.
func (s *Service) mustBeTakenAnew(err error) bool {
	var ended *domain.NotLiveError
	if errors.As(err, &ended) {
		return ended.Status == domain.StatusExpired
	}
	var reused *domain.KeyReusedError
	return errors.Is(err, domain.ErrUnknownReservation) || errors.As(err, &reused)
}

// oversoldOf is what an order oversold of one SKU.
func oversoldOf(sku string, r *domain.Ordered) (list []order.Oversold) {
	for _, at := range r.Oversold {
		x := order.Oversold{SKU: sku, Location: at.Location, OnHand: at.OnHand, Reserved: at.Reserved}
		for _, b := range r.Breaks {
			if b.Location == at.Location {
				x.Breaks = append(x.Breaks, order.Break{ReservationID: b.ReservationID, Quantity: b.Quantity})
			}
		}
		list = append(list, x)
	}
	return list
}
