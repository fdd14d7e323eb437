package stock

import "github.com/stockfold/stockfold/aggregates"

// Expire records the end of holds whose time is over at now, the first to end first, at most so many. No decision waits
// for it; it keeps the record straight and the state small.
func Expire(s *State, now aggregates.Instant, most int) []aggregates.Event {
	var events []aggregates.Event
	for _, k := range s.due.first(now, most) {
		r := k.reservation()
		events = append(events, &ReservationExpired{ReservationID: r.id, Splits: r.splits, ExpiresAt: r.until,
			PromiseAt: r.promiseAt, Channel: s.tallyOf(&r)})
	}
	return events
}
