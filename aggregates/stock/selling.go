package stock

import (
	"fmt"
	"math"

	"github.com/stockfold/stockfold/aggregates"
)

// Unlimited stands for a limit that there is none of.
const Unlimited int64 = -1

// SellingRule says how a channel sells the SKU; the rule of a channel beats, wholly, the one of every channel ("").
type SellingRule struct {
	Channel string
	Unsold  bool // the channel does not sell it
	// Backorders is how much may be promised beyond the stock, 0 for nothing: to the channel, or by a rule of every channel, to
	// all that have no rule of their own together.
	Backorders int64
	// ReleaseAt is when the SKU may be sold from the stock; before that nothing is available to sell, and Preorders is how
	// much may be promised. 0: always.
	ReleaseAt aggregates.Instant
	Preorders int64
	// LowStock is up to which ATS stock is low, and SellOut up to which there is nothing to sell; 0 takes the channel's.
	LowStock, SellOut int64
}

// ends tells whether the rule says nothing.
func (r SellingRule) ends() bool { return r == SellingRule{Channel: r.Channel} }

func (r *Rules) selling(channel string) (int, bool) {
	if r == nil {
		return 0, false
	}
	lo, hi := 0, len(r.Selling)
	for lo < hi {
		if mid := (lo + hi) / 2; r.Selling[mid].Channel < channel {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(r.Selling) && r.Selling[lo].Channel == channel
}

// sellingRule is the rule that a channel sells by.
func (b *Balances) sellingRule(channel string) SellingRule {
	if i, found := b.rules.selling(channel); found {
		return b.rules.Selling[i]
	}
	if i, found := b.rules.selling(""); found {
		return b.rules.Selling[i]
	}
	return SellingRule{}
}

// SetSelling sets a selling rule, in place of the channel's; one that says nothing ends it. What already is so yields no events. It
// returns ErrUnknownSKU, *BackordersUsedError when a limit would be less than what is promised, *QuantityError, *BoundError,
// *KitError for limits and a sell-out threshold of a kit, whose components have them, and *TooManyError.
func SetSelling(s *State, r SellingRule, _ aggregates.Metadata, now aggregates.Instant) (SellingRule, []aggregates.Event, error) {
	if !s.Item.Registered && !s.used {
		return SellingRule{}, nil, ErrUnknownSKU
	}
	if err := r.check(); err != nil {
		return SellingRule{}, nil, err
	}
	if kit := s.AsKit(); kit != nil && r.limits() {
		return SellingRule{}, nil, &KitError{Kit: *kit}
	}
	i, found := s.rules.selling(r.Channel)
	was := SellingRule{Channel: r.Channel}
	if found {
		was = s.rules.Selling[i]
	}
	switch {
	case was == r:
		return was, nil, nil
	case !found && s.rules != nil && len(s.rules.Selling) >= MaxSellingRules:
		return SellingRule{}, nil, &BoundError{What: "selling rules of the SKU", Limit: MaxSellingRules}
	}
	limit, before := r.limit(now), was.limit(now)
	if used := s.backordered(r.Channel, now); limit != Unlimited && limit < used && (before == Unlimited || limit < before) && !r.ends() {
		return SellingRule{}, nil, &BackordersUsedError{Channel: r.Channel, Limit: limit, Used: used}
	}
	opening, err := s.opening()
	if err != nil {
		return SellingRule{}, nil, err
	}
	return r, []aggregates.Event{&SellingRuleSet{Rule: r, Ended: r.ends(), Opening: opening}}, nil
}

func (r *SellingRule) check() error {
	for _, limit := range []int64{r.Backorders, r.Preorders} {
		if limit < Unlimited || limit > MaxQuantity {
			return &QuantityError{Quantity: limit, Min: Unlimited, Max: MaxQuantity}
		}
	}
	for _, threshold := range []int64{r.LowStock, r.SellOut} {
		if threshold < 0 || threshold > MaxQuantity {
			return &QuantityError{Quantity: threshold, Max: MaxQuantity}
		}
	}
	return nil
}

// limit is how much may be promised beyond the stock at now.
func (r *SellingRule) limit(now aggregates.Instant) int64 {
	if r.ReleaseAt > now {
		return r.Preorders
	}
	return r.Backorders
}

// Standing is what a channel shows of a SKU.
type Standing uint8

const (
	InStock Standing = iota + 1
	LowStock
	OutOfStock
	OnBackorder
	OnPreorder
	NotSoldHere
)

func (s Standing) String() string {
	return [...]string{"unknown", "in stock", "low stock", "out of stock", "back order", "pre-order", "not sold here"}[s]
}

// Offer is what a channel can promise of the SKU at an instant.
type Offer struct {
	ATS      int64              // available to sell from the stock, in base units
	Beyond   int64              // may be back-ordered or pre-ordered beyond that; Unlimited when nothing bounds it. Never a part of ATS
	Standing Standing           // never 0
	NextAt   aggregates.Instant // when more is expected to become available; 0 when not known, or when there is some
}

// Most is what can be promised altogether; math.MaxInt64 when nothing bounds it.
func (o *Offer) Most() int64 { return o.most() }

func (o *Offer) most() int64 {
	if o.Beyond == Unlimited {
		return math.MaxInt64
	}
	return addUp(o.ATS, o.Beyond)
}

// Offer is Available with what may be promised beyond it.
func (b *Balances) Offer(p *Policy, now aggregates.Instant) Offer {
	return b.OfferOf(b.Available(p, now), p, now)
}

// OfferOf is the Offer whose ATS is known, for those who keep it.
func (b *Balances) OfferOf(ats int64, p *Policy, now aggregates.Instant) Offer {
	rule := b.sellingRule(p.Channel)
	o := Offer{ATS: ats}
	if p.Closed || len(p.Sites) == 0 || rule.Unsold {
		o.Standing = NotSoldHere
		return o
	}
	o.Beyond = b.beyond(&rule, p.Channel, now)
	low := rule.LowStock
	if low == 0 {
		low = p.LowStock
	}
	switch {
	case rule.ReleaseAt > now:
		o.Standing, o.NextAt = OutOfStock, rule.ReleaseAt
		if o.Beyond != 0 {
			o.Standing = OnPreorder
		}
	case ats > low:
		o.Standing = InStock
	case ats > 0:
		o.Standing = LowStock
	case o.Beyond != 0:
		o.Standing, o.NextAt = OnBackorder, b.expectedAt(p, now)
	default:
		o.Standing, o.NextAt = OutOfStock, b.expectedAt(p, now)
	}
	return o
}

// beyond is what a rule still allows beyond the stock.
func (b *Balances) beyond(rule *SellingRule, channel string, now aggregates.Instant) int64 {
	limit := rule.limit(now)
	if limit <= 0 {
		return limit
	}
	if rule.Channel != "" {
		return max(0, limit-b.backordered(channel, now))
	}
	var used int64
	for i := range b.list {
		for j := range b.list[i].Uses {
			u := &b.list[i].Uses[j]
			if _, own := b.rules.selling(u.Channel); u.Backordered && !own {
				used += u.Live(now)
			}
		}
	}
	return max(0, limit-used)
}

// expectedAt is when the next units can be promised after now; 0 when that is not known.
func (b *Balances) expectedAt(p *Policy, now aggregates.Instant) aggregates.Instant {
	if !b.Expecting() {
		return 0
	}
	if at, ok := b.NextAvailable(p, now, 1); ok && at > now {
		return at
	}
	return 0
}

// sold out: an ATS up to a threshold is nothing to sell.
func (b *Balances) afterSellOut(ats int64, p *Policy, rule *SellingRule) int64 {
	threshold := rule.SellOut
	if threshold == 0 {
		threshold = p.SellOut
	}
	if ats <= threshold {
		return 0
	}
	return ats
}

// BackordersUsedError refuses a limit of back orders or pre-orders below what is promised.
type BackordersUsedError struct {
	Channel string
	Limit   int64
	Used    int64
}

func (e *BackordersUsedError) Error() string {
	who := "channels have"
	if e.Channel != "" {
		who = fmt.Sprintf("channel %q has", e.Channel)
	}
	return fmt.Sprintf("%s %d promised beyond the stock, more than a limit of %d; set at least that, or release some", who, e.Used, e.Limit)
}
