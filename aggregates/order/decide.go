package order

import (
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// Receive places an order or cart that is to be promised. The same again, by fingerprint, yields no events; other contents
// *ReusedError. It also returns *TooManyError.
func Receive(s *State, r Received, m aggregates.Metadata) ([]aggregates.Event, error) {
	if s.phase != awaited {
		if s.placed != m.Fingerprint {
			return nil, &ReusedError{What: "the order's id"}
		}
		return nil, nil
	}
	if err := s.roomFor(len(r.Lines), lineKeys(r.Lines)); err != nil {
		return nil, err
	}
	return []aggregates.Event{&r}, nil
}

// Place takes in an order as a channel says it was placed. For one that is held already, with the same lines, it is the
// confirmation; for one that was placed already with the same lines it yields no events, whoever says it again. Errors: *ReusedError
// for other lines, *NotLiveError when what was held has ended, *TooManyError.
func Place(s *State, r Received, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	if s.phase == awaited {
		return Receive(s, r, m)
	}
	if !s.sameLines(&r) {
		return nil, &ReusedError{What: "the order's id"}
	}
	if s.confirm || s.phase == confirmed || s.phase == receiving || s.cancelled > 0 && s.reason != lapsed {
		return nil, nil
	}
	return Confirm(s, now)
}

// sameLines tells whether the order was placed with these lines; what messages have changed since does not count.
func (s *State) sameLines(r *Received) bool {
	if s.channel != r.Channel {
		return false
	}
	named := 0
	for i := range s.lines {
		if s.lines[i].named && s.lines[i].version == 0 {
			named++
		}
	}
	for i := range r.Lines {
		x := &r.Lines[i]
		at, ok := s.lineAt[lineKey{x.ID, x.SKU}]
		if !ok {
			return false
		}
		l := &s.lines[at]
		if l.version != 0 {
			continue
		}
		if named--; l.Quantity != x.Quantity {
			return false
		}
	}
	return named == 0
}

// Accept decides what follows once every SKU was asked, on the state they were asked for: the order is reserved, but for the lines
// that are short, or rejected when none, or not all as they should, can be had. It returns no events when the state has moved on.
func Accept(s *State, version uint64, short []Shortage) []aggregates.Event {
	if s.Version != version || s.phase != receiving {
		return nil
	}
	if len(short) > 0 && (!s.partial || s.allShort(short)) {
		return []aggregates.Event{&Rejected{Short: short}}
	}
	events := []aggregates.Event{&Reserved{Short: short, Version: version}}
	if s.confirm {
		events = append(events, &Confirmed{})
	}
	return events
}

func (s *State) allShort(short []Shortage) bool {
	wanted := 0
	for i := range s.lines {
		if s.open(&s.lines[i]) > 0 {
			wanted++
		}
	}
	return len(short) >= wanted
}

// Settle records that the SKUs were told everything up to a version, with what that oversold, and that nothing is left to do
// when so. It returns no events when it is recorded already.
func Settle(s *State, version uint64, oversold []Oversold) []aggregates.Event {
	if version <= s.settled || version > s.Version {
		return nil
	}
	var events []aggregates.Event
	for i := range oversold {
		events = append(events, &oversold[i])
	}
	events = append(events, &Settled{Version: version})
	if version == s.Version && s.phase != awaited && s.phase != receiving && s.wanted() == 0 {
		events = append(events, &Closed{})
	}
	return events
}

// LoseHold records that a hold has ended before it was confirmed, so that its units are taken under another id. It returns no events
// when the state has moved on.
func LoseHold(s *State, version uint64, sku, reservation string) []aggregates.Event {
	if s.Version != version {
		return nil
	}
	return []aggregates.Event{&HoldLost{SKU: sku, ReservationID: reservation}}
}

// Confirm takes the end off the order's holds. Confirming again yields no events. It returns ErrUnknown or *NotLiveError.
func Confirm(s *State, now aggregates.Instant) ([]aggregates.Event, error) {
	switch status := s.Status(now); {
	case status == StatusAwaited:
		return nil, ErrUnknown
	case s.phase == confirmed:
		return nil, nil
	case status == StatusReserved:
		return []aggregates.Event{&Confirmed{}}, nil
	default:
		return nil, &NotLiveError{Status: status}
	}
}

// Extend moves the end of the order's holds. It returns ErrUnknown, *NotLiveError, *NotHeldError, *stock.ExpiryError, *ReusedError.
func Extend(s *State, until aggregates.Instant, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	if done, err := s.again(&m); done || err != nil {
		return nil, err
	}
	switch status := s.Status(now); {
	case status == StatusAwaited:
		return nil, ErrUnknown
	case status == StatusConfirmed:
		return nil, &NotHeldError{}
	case status != StatusReserved:
		return nil, &NotLiveError{Status: status}
	}
	if until <= now || until > (now+aggregates.Instant(stock.MaxHoldSeconds)*aggregates.Second).CeilSecond() {
		return nil, &stock.ExpiryError{ExpiresAt: until, Now: now}
	}
	if until = until.CeilSecond(); until == s.expiresAt {
		return nil, nil
	}
	return []aggregates.Event{&Extended{ExpiresAt: until}}, nil
}

// lapsed is why an order is cancelled that was not confirmed in time.
const lapsed = "its holds ended"

// Lapse ends an order whose holds have ended, so that nothing of it stays promised.
func Lapse(s *State, now aggregates.Instant) []aggregates.Event {
	if due := s.Due(); due == 0 || due > now {
		return nil
	}
	return []aggregates.Event{&Cancelled{Reason: lapsed}}
}

// Cancel ends an order, or the lines up to a version of it, as far as it was not sent. Cancelling again yields no events. An order that
// nobody has placed yet may be cancelled by a message that comes first.
func Cancel(s *State, c Cancelled, m aggregates.Metadata) ([]aggregates.Event, error) {
	if done, err := s.again(&m); done || err != nil {
		return nil, err
	}
	if s.phase == rejected || s.cancelled >= upTo(c.OrderVersion) {
		return nil, nil
	}
	return []aggregates.Event{&c}, nil
}

// Change says what is ordered of lines. What an older version says of a line yields no events; the same version with another quantity
// is *ReusedError. It also returns *TooManyError.
func Change(s *State, version uint64, lines []Line, m aggregates.Metadata) ([]aggregates.Event, error) {
	if done, err := s.again(&m); done || err != nil {
		return nil, err
	}
	return s.changes(version, lines)
}

func (s *State) changes(version uint64, lines []Line) (events []aggregates.Event, err error) {
	for _, x := range lines {
		if at, ok := s.lineAt[lineKey{x.ID, x.SKU}]; ok && s.lines[at].named && s.lines[at].version >= version {
			if l := &s.lines[at]; l.version == version && l.Quantity != x.Quantity {
				return nil, &ReusedError{What: fmt.Sprintf("version %d of line %q", version, x.ID)}
			}
			continue
		}
		x.ReservationID = "" // only what is placed takes a hold over
		events = append(events, &LineChanged{Line: x, OrderVersion: version})
	}
	return events, s.roomFor(len(events), lineKeys(lines))
}

// Cut takes units of lines out for good.
func Cut(s *State, parts []Part, reason string, m aggregates.Metadata) ([]aggregates.Event, error) {
	return s.each(parts, &m, func(p Part) aggregates.Event { return &LineCut{Part: p, Reason: reason} })
}

// Ship says that units left.
func Ship(s *State, parts []Part, location, shipment string, m aggregates.Metadata) ([]aggregates.Event, error) {
	return s.each(parts, &m, func(p Part) aggregates.Event {
		return &LineFulfilled{Part: p, Location: location, Shipment: shipment}
	})
}

// Deliver says that units reached the customer.
func Deliver(s *State, parts []Part, shipment string, m aggregates.Metadata) ([]aggregates.Event, error) {
	return s.each(parts, &m, func(p Part) aggregates.Event { return &LineDelivered{Part: p, Shipment: shipment} })
}

// ReturnRequest says that units came back.
type ReturnRequest struct {
	Parts     []Part
	Location  string
	Condition stock.Condition // in which they lie now; stock.Inspection until somebody has looked, unless the message says otherwise
	ReturnID  string
	Reason    string
	// Rule says in which condition units lie that were sold on a channel, in place of Condition, and whether a rule says so; nil without rules. PolicyPosition is
	// the position of the rules.
	Rule           func(p Part, channel string) (condition stock.Condition, ruled bool)
	PolicyPosition uint64
	// Instead is what is sent in exchange, as of a version of the order.
	Instead []Line
	Version uint64
}

// Return takes units back.
func Return(s *State, r ReturnRequest, m aggregates.Metadata) ([]aggregates.Event, error) {
	if done, err := s.again(&m); done || err != nil {
		return nil, err
	}
	events, err := s.each(r.Parts, &m, func(p Part) aggregates.Event {
		e := &LineReturned{Part: p, Location: r.Location, Condition: r.Condition, ReturnID: r.ReturnID, Reason: r.Reason}
		if r.Rule != nil {
			if condition, ruled := r.Rule(p, s.channel); ruled {
				e.Condition, e.PolicyPosition = condition, r.PolicyPosition
			}
		}
		return e
	})
	if err != nil || len(r.Instead) == 0 {
		return events, err
	}
	instead, err := s.changes(r.Version, r.Instead)
	if err != nil {
		return nil, err
	}
	return append(events, instead...), nil
}

// Inspect says what returned units turned out to be.
func Inspect(s *State, parts []Part, location string, c stock.Condition, returnID string, m aggregates.Metadata) ([]aggregates.Event, error) {
	return s.each(parts, &m, func(p Part) aggregates.Event {
		return &Inspected{Part: p, Location: location, Condition: c, ReturnID: returnID}
	})
}

// each makes an event for each part, unless the message was taken in before.
func (s *State) each(parts []Part, m *aggregates.Metadata, event func(Part) aggregates.Event) ([]aggregates.Event, error) {
	if done, err := s.again(m); done || err != nil {
		return nil, err
	}
	keys := make([]lineKey, len(parts))
	events := make([]aggregates.Event, len(parts))
	for i, p := range parts {
		keys[i], events[i] = lineKey{p.Line, p.SKU}, event(p)
	}
	return events, s.roomFor(len(parts), keys)
}

// Again tells whether a message or call was taken in before, for those who decide more than this package does. It returns *ReusedError.
func (s *State) Again(m *aggregates.Metadata) (bool, error) { return s.again(m) }

// again tells whether a message or call was taken in before.
func (s *State) again(m *aggregates.Metadata) (bool, error) {
	was, ok := s.seen[m.IdempotencyKey]
	if ok && was != m.Fingerprint {
		return false, &ReusedError{What: "the message's id"}
	}
	return ok, nil
}

// roomFor checks the bounds of one order for more events, about some lines.
func (s *State) roomFor(events int, lines []lineKey) error {
	if s.facts+events > MaxFacts {
		return &TooManyError{What: "events", Limit: MaxFacts}
	}
	more := len(s.lines)
	for i, k := range lines {
		if _, ok := s.lineAt[k]; !ok && !contains(lines[:i], k) {
			more++
		}
	}
	if more > MaxLines {
		return &TooManyError{What: "lines", Limit: MaxLines}
	}
	return nil
}

func contains(list []lineKey, k lineKey) bool {
	for _, x := range list {
		if x == k {
			return true
		}
	}
	return false
}

func lineKeys(lines []Line) []lineKey {
	keys := make([]lineKey, len(lines))
	for i, x := range lines {
		keys[i] = lineKey{x.ID, x.SKU}
	}
	return keys
}
