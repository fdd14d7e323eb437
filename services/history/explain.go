package history

import (
	"context"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// Bounds of an explanation.
const (
	MaxExplained   = 1_000_000 // events of one SKU that are read
	MaxHolds       = 50        // reservations listed
	MaxLetters     = 50        // dead letters listed
	maxLettersSeen = 1_000     // open dead letters that are looked at
	letterPage     = 100
)

// ExplainAvailability tells how the ATS of a SKU on a channel comes about. It reads the streams themselves, as they were recorded by
// the instant that is asked about, so it agrees with what is decided rather than with a read model that is behind. It returns
// *validation.Error, *refusals.UnknownChannel, *refusals.TooManyEvents, *stock.MethodError and the errors of the store.
func (s *Service) ExplainAvailability(ctx context.Context, r *pb.ExplainAvailabilityRequest) (*pb.ExplainAvailabilityResponse, error) {
	x, err := s.newExplanation(r)
	if err != nil {
		return nil, err
	}
	for _, learn := range []func(context.Context) error{x.readChannel, x.readRules, x.readSKU, x.readLocations} {
		if err := learn(ctx); err != nil {
			return nil, err
		}
	}
	if err := x.sum(); err != nil {
		return nil, err
	}
	if err := x.explainKit(ctx); err != nil {
		return nil, err
	}
	x.reservations()
	if err := x.missing(ctx); err != nil {
		return nil, err
	}
	return x.answer, nil
}

// explanation is one in the making.
type explanation struct {
	*Service
	at      aggregates.Instant
	past    bool
	channel channel.State
	defined stock.Cause // of the channel
	shared  rules.State
	causes  map[string]stock.Cause // of rules, by what they are about
	trace   stock.Trace
	places  map[string]*place
	selling *stock.Policy
	way     stock.Way

	channelEvents, sharedEvents readSoFar
	answer                      *pb.ExplainAvailabilityResponse
}

// place is a location and its latest event.
type place struct {
	location.State
	cause stock.Cause
}

func (s *Service) newExplanation(r *pb.ExplainAvailabilityRequest) (*explanation, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	c.ID("channel", r.Channel)
	c.Text("method", r.Method, validation.MaxID)
	c.Text("location", r.Location, validation.MaxID)
	now := s.now()
	x := &explanation{Service: s, at: now, places: map[string]*place{}, causes: map[string]stock.Cause{},
		way: stock.Way{Method: r.Method, Location: r.Location}}
	if r.At != nil {
		x.at, x.past = codec.Instant(r.At), true
		if !r.At.IsValid() || x.at <= 0 || x.at > now {
			c.Fail("at", "must be a time after 1970 and not in the future")
		}
	}
	x.answer = &pb.ExplainAvailabilityResponse{Sku: r.Sku, Channel: r.Channel, At: codec.Timestamp(x.at)}
	return x, c.Err()
}

// read hands over a stream's events as recorded by the instant.
func (x *explanation) read(ctx context.Context, stream string, each func(aggregates.Event, aggregates.Record, aggregates.Metadata)) error {
	var bad error
	n := 0
	err := x.store.ReadStream(ctx, stream, 0, func(r aggregates.Record) bool {
		e, m, err := codec.Decode(r)
		if n++; n > MaxExplained {
			err = &refusals.TooManyEvents{Stream: stream, Limit: MaxExplained}
		}
		if bad = err; bad != nil || m.RecordedAt > x.at && x.past {
			return false
		}
		each(e, r, m)
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}

func (x *explanation) readChannel(ctx context.Context) error {
	err := x.read(ctx, aggregates.ChannelPrefix+x.answer.Channel, func(e aggregates.Event, r aggregates.Record, m aggregates.Metadata) {
		x.channel.Evolve(e, m)
		x.channelEvents = append(x.channelEvents, r.Position)
		r.Data, x.defined = nil, stock.Cause{Record: r, Metadata: m}
	})
	if err == nil && !x.channel.Known {
		err = &refusals.UnknownChannel{Channel: x.answer.Channel}
	}
	x.answer.ChannelCause = causeMessage(&x.defined)
	return err
}

// readRules reads the shared rules.
func (x *explanation) readRules(ctx context.Context) error {
	return x.read(ctx, aggregates.PolicyPrefix+aggregates.SharedRules, func(e aggregates.Event, r aggregates.Record, m aggregates.Metadata) {
		x.shared.Evolve(e, m)
		x.sharedEvents = append(x.sharedEvents, r.Position)
		x.noteRule(e, r, m)
	})
}

func (x *explanation) readSKU(ctx context.Context) error {
	err := x.read(ctx, aggregates.SKUPrefix+x.answer.Sku, func(e aggregates.Event, r aggregates.Record, m aggregates.Metadata) {
		x.trace.Add(e, r, m)
		x.noteRule(e, r, m)
	})
	if err != nil {
		return err
	}
	if !x.past { // an event may have been recorded since the clock was asked
		x.at = max(x.at, x.trace.Last.Metadata.RecordedAt)
		x.answer.At = codec.Timestamp(x.at)
	}
	a, item := x.answer, &x.trace.Item
	a.Known, a.Name, a.Unit, a.Decimals, a.Events = x.trace.Events > 0, item.Name, item.Unit, int32(item.Decimals), x.trace.Events
	if a.Known {
		a.Last = causeMessage(&x.trace.Last)
	}
	return nil
}

// readLocations reads what became of the locations that have a balance; others have nothing to sell.
func (x *explanation) readLocations(ctx context.Context) error {
	for b := range x.trace.Each {
		p := &place{}
		err := x.read(ctx, aggregates.LocationPrefix+b.Location, func(e aggregates.Event, r aggregates.Record, m aggregates.Metadata) {
			p.Evolve(e, m)
			r.Data, p.cause = nil, stock.Cause{Record: r, Metadata: m}
		})
		if err != nil {
			return err
		}
		x.places[b.Location] = p
	}
	return nil
}

// policy is what the channel might sell, as far as the SKU has it.
func (x *explanation) policy() *stock.Policy {
	return policies.Resolve(x.answer.Channel, &x.channel, &x.shared, func(id string) location.State {
		if p := x.places[id]; p != nil {
			return p.State
		}
		return location.State{}
	}, func(name string) *time.Location {
		zone, _ := time.LoadLocation(name) // one that is not known counts as UTC, as in the directory
		return zone
	})
}

// sum adds up the steps.
func (x *explanation) sum() error {
	policy := x.policy()
	a := x.answer
	x.selling = policy
	steps, err := x.trace.StepsBy(policy, x.way, x.at)
	if err != nil {
		return err
	}
	a.Policy, a.Overdue = x.policyMessage(x.decidedUnder(), a.Channel), x.trace.Overdue(policy, x.at)
	for _, step := range steps {
		a.Ats += step.Amount
		a.Steps = append(a.Steps, x.step(step, a.Ats))
	}
	for b := range x.trace.Each {
		a.Locations = append(a.Locations, x.location(b, policy))
	}
	return nil
}

func (x *explanation) step(s stock.Step, subtotal int64) *pb.ExplainedStep {
	m := &pb.ExplainedStep{Step: string(s.Name), Location: s.Location, Amount: s.Amount, Subtotal: subtotal}
	switch s.Name {
	case stock.StepOnHand:
		m.Text = "on hand, sellable"
	case stock.StepReserved:
		m.Text = "reserved"
	case stock.StepLater:
		m.Text = "kept for later promises that what is to come does not cover"
	case stock.StepSafetyStock:
		m.Text = "safety stock"
		m.Rules = x.safetyRules(s.Location)
	case stock.StepPutAside:
		m.Text = "put aside: ring-fenced for other channels, or waited for by back orders"
		m.Rules = x.allocations(func(a *stock.Allocation) bool {
			return a.Channel != x.answer.Channel && a.Fence > 0 || a.Channel == x.answer.Channel && a.Group != ""
		})
	case stock.StepCap:
		m.Text = "above the cap of the channel"
		m.Rules = x.allocations(func(a *stock.Allocation) bool { return a.Channel == x.answer.Channel && a.Capped })
	case stock.StepSellOut:
		m.Text = "no more than the sell-out threshold"
	case stock.StepNotReleased:
		m.Text = "not released yet"
	case stock.StepNotSold:
		m.Text = "the channel is closed or does not sell it"
	case stock.StepOtherMethod:
		m.Text = "where it cannot be had that way: by the kind of the location, its cut-off, or because another location is asked about"
	case stock.StepComponents:
		m.Text = "kits in what there is of the components"
	case stock.StepBuffer:
		m.Text = "buffer of the channel"
		m.Rules = x.bufferRules(-s.Amount)
	case stock.StepNotBelow:
		m.Text = "not below zero: more is promised and kept back than lies there"
		if s.Location == "" {
			m.Text = "not below zero: more is kept back from the channel than is free"
		}
	}
	return m
}

func (x *explanation) location(b *stock.Balance, policy *stock.Policy) *pb.ExplainedLocation {
	p, from := x.places[b.Location], x.trace.Place(b.Location)
	m := &pb.ExplainedLocation{
		Location: b.Location, Name: p.Name, OnHand: b.OnHand[stock.Sellable], Reserved: b.Live(x.at), SafetyStock: b.SafetyStock,
		Free: b.Free(x.at), InTransit: b.InTransit, Count: causeMessage(from.Count), Counted: from.Counted, CountedLeft: from.CountedLeft,
		Changes: from.Changes, Changed: from.Changed, Latest: causeMessages(from.Latest), Absorbed: from.Absorbed,
		SafetyStockCause: causeMessage(from.SafetyStock), Observed: from.Observed, Observations: causeMessages(from.Observations),
	}
	if p.cause.Record.Type != "" {
		m.LocationCause = causeMessage(&p.cause)
	}
	switch {
	case policy.Sells(b.Location):
		m.Sells = true
	case !p.Known:
		m.WhyNot = "the location is not defined"
	case p.Disabled:
		m.WhyNot = "the location is disabled"
	default:
		m.WhyNot = fmt.Sprintf("channel %q does not sell from it", x.answer.Channel)
	}
	return m
}

func (x *explanation) reservations() {
	a := x.answer
	for i, h := range x.trace.Held(x.at) {
		if i >= MaxHolds {
			a.MoreHolds, a.MoreHeld = a.MoreHolds+1, a.MoreHeld+h.Remaining
			continue
		}
		m := &pb.ExplainedHold{ReservationId: h.ID, Channel: h.Channel, Remaining: h.Remaining, ExpiresAt: codec.Timestamp(h.ExpiresAt),
			Placed: causeMessage(&h.Placed), Policy: x.policyMessage(h.PolicyPosition, h.Channel)}
		for _, s := range h.Splits {
			m.Splits = append(m.Splits, &pb.Split{Location: s.Location, Quantity: s.Quantity})
		}
		a.Holds = append(a.Holds, m)
	}
}

// missing finds what may not have been counted: what is in the dead letters, and what never came.
func (x *explanation) missing(ctx context.Context) error {
	gaps, _, err := x.letters.OpenGaps(ctx, gapsAsked)
	if err != nil {
		return err
	}
	for i := range gaps {
		g := &gaps[i]
		if g.Since <= x.at && (x.trace.Numbers(g.System) || g.PartitionKey == x.answer.Sku) && len(x.answer.Gaps) < maxGaps {
			x.answer.Gaps = append(x.answer.Gaps, g.Message())
		}
	}
	q := ingest.Query{State: ingest.Open, Limit: letterPage}
	for seen := 0; seen < maxLettersSeen; seen += letterPage {
		letters, more, err := x.letters.List(ctx, q)
		if err != nil {
			return err
		}
		for i := range letters {
			x.letter(&letters[i])
		}
		if x.answer.MoreDeadLetters = more; !more || len(letters) == 0 || len(x.answer.DeadLetters) >= MaxLetters {
			return nil
		}
		q.After = letters[len(letters)-1].ID
	}
	return nil
}

// letter lists a dead letter that names the SKU and was there by then.
func (x *explanation) letter(l *ingest.DeadLetter) {
	if l.ReceivedAt > x.at || len(x.answer.DeadLetters) >= MaxLetters || l.Reason == ingest.ReasonSequenceGap || !l.Names(x.answer.Sku) {
		return
	}
	x.answer.DeadLetters = append(x.answer.DeadLetters, &pb.ExplainedDeadLetter{
		DeadLetterId: l.ID, Reason: l.Reason, Message: text(l.Message), Topic: text(l.Topic), Partition: l.Partition, Offset: l.Offset,
		ReceivedAt: codec.Timestamp(l.ReceivedAt),
	})
}
