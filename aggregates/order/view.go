package order

import "github.com/stockfold/stockfold/aggregates"

// Status of an order.
type Status uint8

const (
	StatusReceived Status = iota + 1
	StatusReserved
	StatusConfirmed
	StatusRejected
	StatusCancelled
	StatusClosed
	StatusAwaited
)

func (s Status) String() string {
	names := [...]string{"unknown", "received", "reserved", "confirmed", "rejected", "cancelled", "closed", "awaited"}
	if int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// View shows an order.
type View struct {
	Channel   string
	Status    Status
	Sold      bool
	ExpiresAt aggregates.Instant // of its holds; 0 when they have none
	Version   uint64
	Settled   bool
	Reason    string
	Short     []Shortage
	Oversold  []Oversold
	Lines     []LineView
	PlacedAt  aggregates.Instant
	FirstEnd  aggregates.Instant // of its holds, as it was placed
	Lapsed    bool               // cancelled, or about to be, because its holds ended
}

// LineView shows a line.
type LineView struct {
	Line
	Open, Fulfilled, Cut, Delivered, Returned int64
	Hold                                      Hold
	Parts                                     []PartView // of a kit's line, instead of a hold
}

// Show shows the order at an instant.
func Show(s *State, now aggregates.Instant) View {
	plan := s.Plan()
	v := View{
		Channel: s.channel, Status: s.Status(now), Sold: s.sold, Version: s.Version, Settled: plan.Done(), Reason: s.reason,
		Short: s.short, Oversold: append([]Oversold(nil), s.oversold...), Lines: make([]LineView, len(s.lines)), PlacedAt: s.placedAt, FirstEnd: s.placedUntil,
	}
	if v.Status == StatusReserved || v.Status == StatusReceived {
		v.ExpiresAt = s.expiresAt
	}
	v.Lapsed = v.Status == StatusCancelled && (s.reason == lapsed || s.phase == reserved && s.cancelled == 0 && now >= s.expiresAt && s.wanted() > 0)
	for i := range s.lines {
		l := &s.lines[i]
		v.Lines[i] = LineView{
			Line: l.Line, Open: s.open(l), Fulfilled: l.fulfilled, Cut: l.cut, Delivered: l.delivered, Returned: l.returned, Hold: s.holdOf(l), Parts: s.showParts(l),
		}
	}
	return v
}

// Status is how the order stands at an instant.
func (s *State) Status(now aggregates.Instant) Status {
	switch {
	case s.phase == awaited:
		return StatusAwaited
	case s.phase == rejected:
		return StatusRejected
	case s.phase == receiving:
		return StatusReceived
	case s.wanted() == 0 && s.sent() > 0:
		return StatusClosed
	case s.wanted() == 0, s.phase == reserved && now >= s.expiresAt:
		return StatusCancelled
	case s.phase == reserved:
		return StatusReserved
	}
	return StatusConfirmed
}

// wanted is how many units are still to be sent.
func (s *State) wanted() (sum int64) {
	for i := range s.groups {
		sum += s.groups[i].wanted
	}
	return sum
}

// sent is how many units were sent.
func (s *State) sent() (sum int64) {
	for i := range s.lines {
		sum += s.lines[i].fulfilled
	}
	return sum
}

// Due is when the order's holds end unless it is confirmed; 0 when they do not.
func (s *State) Due() aggregates.Instant {
	if s.phase == reserved && s.wanted() > 0 {
		return s.expiresAt
	}
	return 0
}

// Known tells whether the order was placed.
func (s *State) Known() bool { return s.phase != awaited }
