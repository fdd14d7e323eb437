package stock

import "github.com/stockfold/stockfold/aggregates"

// KeepRequest sets one of the SKU's own rules of safety stock, in place of the one about the same location and channel in
// the same period, or ends it.
type KeepRequest struct {
	Location string // "" for each
	Channel  string // "" for every
	Portion
	Period
	End bool
}

// Keep sets or ends a rule of safety stock. A portion of 0 is a rule as well: to keep nothing, whatever less specific ones say. What already
// is so yields no events. It returns *QuantityError, *PeriodError and *BoundError.
func Keep(s *State, r KeepRequest, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	if err := CheckRule(r.Portion, r.Period); err != nil {
		return nil, err
	}
	e := &SafetyStockSet{Location: r.Location, Channel: r.Channel, Quantity: r.Units, BasisPoints: r.BasisPoints, Period: r.Period}
	if r.End {
		e.Quantity, e.BasisPoints, e.Ended = 0, 0, true
	}
	standing := r.Location != "" && r.Channel == "" && !r.Period.Bound()
	if standing { // its units are the balance's own, as PutItem sets them
		e.Explicit = !r.End && r.Portion == Portion{}
		e.Ended = r.End && !s.keepsUnits(r.Location)
	}
	if s.keeps(e) {
		return nil, nil
	}
	if s.rules != nil && !r.End && len(s.rules.Safety) >= MaxSafetyRules {
		if _, found := s.rules.Safety.find(&SafetyRule{Location: r.Location, Channel: r.Channel, Period: r.Period}); !found {
			return nil, &BoundError{What: "rules of safety stock of the SKU", Limit: MaxSafetyRules}
		}
	}
	return []aggregates.Event{e}, nil
}

func (s *State) keepsUnits(location string) bool {
	x := s.At(location)
	return x != nil && x.SafetyStock != 0
}

// keeps tells whether an event would change nothing.
func (s *State) keeps(e *SafetyStockSet) bool {
	own := Safety(nil)
	if s.rules != nil {
		own = s.rules.Safety
	}
	rule := e.rule()
	_, there := own.find(&rule)
	switch x := s.At(e.Location); {
	case e.plain():
		return !there && (x == nil && e.Quantity == 0 || x != nil && x.SafetyStock == e.Quantity)
	case e.Ended:
		return !there
	}
	return own.Has(e.rule())
}

// CheckRule checks a portion and a period. It returns *QuantityError or *PeriodError.
func CheckRule(portion Portion, period Period) error {
	switch {
	case portion.Units < 0 || portion.Units > MaxQuantity:
		return &QuantityError{Quantity: portion.Units, Max: MaxQuantity}
	case portion.BasisPoints < 0 || portion.BasisPoints > WholeBasisPoints:
		return &QuantityError{Quantity: portion.BasisPoints, Max: WholeBasisPoints}
	case period.From < 0 || period.Until < 0 || period.Until != 0 && period.Until <= period.From:
		return &PeriodError{Period: period}
	}
	return nil
}

// PeriodError refuses a period that ends before it begins.
type PeriodError struct{ Period Period }

func (e *PeriodError) Error() string {
	return "a period must end after it begins: it is from " + e.Period.From.Time().Format(timeText) + " until " + e.Period.Until.Time().Format(timeText)
}

// PassPeriod records that rules of the SKU began or ended since its last event. No decision waits for it; it is what read models hear of
// it by. It yields no events when there is nothing that they have not heard of.
func PassPeriod(s *State, now aggregates.Instant) []aggregates.Event {
	at := s.NextBoundary(s.latest)
	if at == 0 || at > now {
		return nil
	}
	return []aggregates.Event{&SafetyPeriodPassed{At: at}}
}
