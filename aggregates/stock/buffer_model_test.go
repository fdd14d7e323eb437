package stock

import (
	"math"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
)

// The naive model of buffers, for the histories of rules.

// hold sets or ends a rule of buffers, of the SKU or of a category.
func (h *ruled) hold() {
	r := SafetyRule{Portion: h.portion(), Period: h.period()}
	end := h.draw("end", 0, 3) == 0
	if h.draw("of a channel", 0, 1) == 0 {
		r.Channel = h.outlet()
	}
	if h.draw("of a category", 0, 2) == 0 {
		r.Category = []string{"dairy", "meat"}[h.draw("category", 0, 1)]
	} else if err := h.do(func(m aggregates.Metadata) ([]aggregates.Event, error) {
		return SetBuffer(h.state, BufferRequest{Channel: r.Channel, Portion: r.Portion, Period: r.Period, End: end}, m, h.now)
	}); err != nil {
		h.t.Fatal(err)
	}
	h.buffers = replaceRule(h.buffers, r, end)
	for i, p := range h.policies {
		terms := p.Terms
		terms.Buffers = h.sharedBuffers()
		h.policies[i] = p.With(terms)
	}
}

func (h *ruled) sharedBuffers() (list Safety) {
	for _, r := range h.buffers {
		if r.Category != "" {
			list = list.With(r)
		}
	}
	return list
}

// buffer is the rule that a channel's buffer follows, beside the channel's own.
func (h *ruled) buffer(channel string) (SafetyRule, bool) {
	for _, level := range []SafetyRule{{Channel: channel}, {}, {Category: "dairy", Channel: channel}, {Category: "dairy"}} {
		of := slices.DeleteFunc(slices.Clone(h.buffers), func(r SafetyRule) bool {
			return r.Category != level.Category || r.Channel != level.Channel || r.From > h.now || r.Until != 0 && r.Until <= h.now
		})
		if len(of) == 0 {
			continue
		}
		return slices.MinFunc(of, func(a, b SafetyRule) int { // a bound one, the one that begins later, the one that ends earlier
			switch {
			case (a.Period == Period{}) != (b.Period == Period{}):
				return map[bool]int{true: 1, false: -1}[a.Period == Period{}]
			case a.From != b.From:
				return int(b.From - a.From)
			}
			end := func(r SafetyRule) float64 {
				if r.Until == 0 {
					return math.Inf(1)
				}
				return float64(r.Until)
			}
			return map[bool]int{true: -1, false: 1}[end(a) < end(b)]
		}), true
	}
	return SafetyRule{}, false
}

func (h *ruled) keptBack(r SafetyRule, p *Policy) int64 {
	if r.BasisPoints == 0 {
		return r.Units
	}
	var onHand int64
	for _, l := range p.Sites {
		onHand += max(0, h.onHand[l])
	}
	return int64(math.Ceil(float64(onHand*r.BasisPoints) / 10_000))
}
