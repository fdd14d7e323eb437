package stock

import (
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// BufferSet keeps units of the SKU back from a channel, or from every one, in place of the rule about the same in the same period.
type BufferSet struct {
	Channel string // "" for every channel
	Portion
	Period
	Ended bool // there is no such rule any more
}

// EventType names the fact.
func (*BufferSet) EventType() string { return TypeBufferSet }

// BufferRequest sets one of the SKU's own rules of buffers, or ends it.
type BufferRequest struct {
	Channel string // "" for every one
	Portion
	Period
	End bool
}

// SetBuffer sets or ends a rule of buffers. A portion of 0 is a rule as well: to keep nothing back, whatever less specific ones say. What
// already is so yields no events. It returns *QuantityError, *PeriodError and *BoundError.
func SetBuffer(s *State, r BufferRequest, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	if err := CheckRule(r.Portion, r.Period); err != nil {
		return nil, err
	}
	e := &BufferSet{Channel: r.Channel, Portion: r.Portion, Period: r.Period, Ended: r.End}
	if r.End {
		e.Portion = Portion{}
	}
	var own Safety
	if s.rules != nil {
		own = s.rules.Buffers
	}
	rule := e.rule()
	switch _, there := own.find(&rule); {
	case r.End && !there, !r.End && own.Has(rule):
		return nil, nil
	case !r.End && !there && len(own) >= MaxBufferRules:
		return nil, &BoundError{What: "rules of buffers of the SKU", Limit: MaxBufferRules}
	}
	return []aggregates.Event{e}, nil
}

func (e *BufferSet) rule() SafetyRule {
	return SafetyRule{Channel: e.Channel, Portion: e.Portion, Period: e.Period}
}

// setBuffer folds a rule of buffers.
func (b *Balances) setBuffer(e *BufferSet) {
	b.changeRules(func(r *Rules) {
		if e.Ended {
			r.Buffers = r.Buffers.Without(e.rule())
		} else {
			r.Buffers = r.Buffers.With(e.rule())
		}
	})
}

// bufferRule is the rule of buffers in force. The levels are, most specific first: SKU and channel; SKU; category and channel; category; the
// channel's own buffer. No rule keeps nothing back.
func (b *Balances) bufferRule(p *Policy, now aggregates.Instant) SafetyRule {
	if b.rules != nil && len(b.rules.Buffers) > 0 {
		if r := b.rules.Buffers.At("", "", p.Channel, now); r != nil {
			return *r
		}
		if r := b.rules.Buffers.At("", "", "", now); r != nil {
			return *r
		}
	}
	if category := b.Item.Category; category != "" && len(p.Buffers) > 0 {
		if r := p.Buffers.At(category, "", p.Channel, now); r != nil {
			return *r
		}
		if r := p.Buffers.At(category, "", "", now); r != nil {
			return *r
		}
	}
	return p.ownBuffer(now)
}

// ownBuffer is the channel's own buffer as a rule; none out of its time.
func (p *Policy) ownBuffer(now aggregates.Instant) SafetyRule {
	switch {
	case !p.BufferTime.Covers(now):
		return SafetyRule{}
	case p.Share.BasisPoints != 0:
		return SafetyRule{Channel: p.Channel, Portion: p.Share, Period: p.BufferTime}
	}
	return SafetyRule{Channel: p.Channel, Portion: Portion{Units: p.Buffer}, Period: p.BufferTime}
}

// BufferRules returns the rules of buffers in force for a channel, the one that wins first, then those that it beats, most specific first. own tells
// how many of them are the SKU's own, and the last one is the channel's.
func (b *Balances) BufferRules(p *Policy, now aggregates.Instant) (list []SafetyRule, own int) {
	find := func(rules Safety, category string) {
		for _, channel := range []string{p.Channel, ""} {
			if r := rules.At(category, "", channel, now); r != nil {
				list = append(list, *r)
			}
		}
	}
	if b.rules != nil {
		find(b.rules.Buffers, "")
	}
	own = len(list)
	if b.Item.Category != "" {
		find(p.Buffers, b.Item.Category)
	}
	return slices.Concat(list, []SafetyRule{p.ownBuffer(now)}), own
}
