package stock

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

// An error says what, where, which limit and what next.
func TestErrorsTellWhatIsWrong(t *testing.T) {
	tests := []struct {
		err  error
		says []string
	}{
		{&InsufficientError{Requested: 7, Available: 6}, []string{"7 requested", "6 available"}},
		{&KeyReusedError{Key: "pos|1"}, []string{`"pos|1"`, "other contents", "use a new key"}},
		{&NotLiveError{"cart", StatusExpired}, []string{`"cart"`, "no longer live", "expired"}},
		{&NotHeldError{"cart"}, []string{`"cart"`, "confirmed"}},
		{&ExceedsError{"cart", 5, 4}, []string{`"cart"`, "holds 4", "5 asked for"}},
		{&ExpiryError{ExpiresAt: clock("11:00"), Now: clock("12:00")}, []string{"after 2026-01-05T12:00:00.000000Z", "at most 2592000 s", "not at 2026-01-05T11"}},
		{&HoldSecondsError{Seconds: -3}, []string{"1 to 2592000 seconds", "-3"}},
		{&QuantityError{Quantity: -1, Min: 0, Max: 9}, []string{"-1", "0 to 9", "base units"}},
		{&NumberError{Text: "five", Rule: "is not a decimal number"}, []string{`"five" is not`}},
		{&DecimalsError{Text: "5.5", Decimals: 0}, []string{`"5.5"`, "0 decimals", "never rounded"}},
		{&DecimalsFixedError{Decimals: 2, Requested: 3}, []string{"has 2 decimals", "cannot become 3"}},
		{&DecimalsFixedError{Decimals: 2, Requested: 10}, []string{"0 to 9 decimals", "not 10"}},
		{&OverflowError{Location: "berlin", What: "stock on hand"}, []string{"stock on hand", `"berlin"`, "64 bits"}},
		{&TooManyError{Limit: 5}, []string{"5 live reservations", "wait"}},
		{&NeedHistory{Location: "berlin", Since: clock("12:00")}, []string{`"berlin"`, "since 2026-01-05T12"}},
	}
	for _, x := range tests {
		for _, part := range x.says {
			if !strings.Contains(x.err.Error(), part) {
				t.Errorf("%q does not say %q", x.err, part)
			}
		}
	}
}

func TestNamesOfStatuses(t *testing.T) {
	want := []string{"unknown", "held", "confirmed", "fulfilled", "released", "expired", "unknown"}
	for i, name := range want {
		if got := Status(i).String(); got != name {
			t.Errorf("%d is %q", i, got)
		}
	}
}

// The names are a contract: stored events are told by them.
func TestNamesOfEvents(t *testing.T) {
	want := map[string]aggregates.Event{
		"ItemRegistered": &ItemRegistered{}, "StockCounted": &StockCounted{}, "StockReceived": &StockReceived{},
		"StockSold": &StockSold{}, "StockReturned": &StockReturned{}, "StockAdjusted": &StockAdjusted{},
		"StockConditionChanged": &StockConditionChanged{}, "TransferShipped": &TransferShipped{},
		"TransferReceived": &TransferReceived{}, "ReservationPlaced": &ReservationPlaced{},
		"ReservationConfirmed": &ReservationConfirmed{}, "ReservationExtended": &ReservationExtended{},
		"ReservationFulfilled": &ReservationFulfilled{}, "ReservationReleased": &ReservationReleased{},
		"ReservationExpired": &ReservationExpired{}, "OversoldDetected": &OversoldDetected{}, "SafetyStockSet": &SafetyStockSet{},
		"ReservationReallocated": &ReservationReallocated{}, "ReservationChanged": &ReservationChanged{},
		"ReservationBarred": &ReservationBarred{}, "ReservationOrdered": &ReservationOrdered{},
		"ObservationRecorded": &ObservationRecorded{},
	}
	for name, e := range want {
		if e.EventType() != name {
			t.Errorf("%q for %q", e.EventType(), name)
		}
	}
}

func TestSumsNeverWrap(t *testing.T) {
	const most = math.MaxInt64
	early := aggregates.Metadata{OccurredAt: clock("09:00"), RecordedAt: clock("09:00")}
	tests := []struct {
		what  string
		given []aggregates.Event
		move  Movement
		want  *OverflowError
	}{
		{
			"on hand", []aggregates.Event{&StockReceived{Location: "berlin", Quantity: most}},
			Movement{Kind: KindReceived, Location: "berlin", Quantity: 1}, &OverflowError{"berlin", "stock on hand"},
		},
		{
			"in transit", []aggregates.Event{&TransferShipped{Location: "berlin", Destination: "munich", Quantity: most}},
			Movement{Kind: KindTransferShipped, Location: "hamburg", Other: "munich", Quantity: 1}, &OverflowError{"munich", "stock in transit"},
		},
		{
			"no longer in transit", []aggregates.Event{&TransferReceived{Location: "berlin", Quantity: most, Condition: Damaged}},
			Movement{Kind: KindTransferReceived, Location: "berlin", Other: "munich", Quantity: 2}, &OverflowError{"berlin", "stock in transit"},
		},
		{
			"the difference of a count", []aggregates.Event{&StockSold{Location: "berlin", Quantity: most}},
			Movement{Kind: KindCounted, Location: "berlin", Quantity: MaxQuantity}, &OverflowError{"berlin", "difference of the count"},
		},
	}
	for _, x := range tests {
		t.Run(x.what, func(t *testing.T) {
			s := &State{}
			s.Evolve(&ItemRegistered{Unit: "each"}, early)
			for _, e := range x.given {
				s.Evolve(e, early)
			}
			_, _, err := Move(s, x.move, at("10:00"), clock("12:00"))
			refused(x.want)(&world{t: t, err: err})
		})
	}
}

func TestBalancesBeforeACountNeverWrap(t *testing.T) {
	const most = math.MaxInt64
	s := &State{}
	var log []logged
	evolve := func(e aggregates.Event, m aggregates.Metadata) {
		s.Evolve(e, m)
		log = append(log, logged{e, m})
	}
	// By now it all adds up to nothing, but not by the time of the count.
	evolve(&StockReceived{Location: "berlin", Quantity: most, Absorbed: AbsorbedBy{AsOf: clock("14:00")}}, at("09:00"))
	evolve(&StockReceived{Location: "berlin", Quantity: most, Absorbed: AbsorbedBy{AsOf: clock("14:00")}}, at("09:30"))
	count := Movement{Kind: KindCounted, Location: "berlin", Quantity: 1}
	_, _, err := Move(s, count, at("10:00"), clock("12:00"))
	refused(&OverflowError{"berlin", "balance"})(&world{t: t, err: err})

	for i := range journalMost + 1 {
		later := at("15:00")
		later.OccurredAt += aggregates.Instant(i)
		evolve(&StockReceived{Location: "berlin", Quantity: 1}, later)
	}
	_, _, err = Move(s, count, at("10:00"), clock("12:00"))
	var need *NeedHistory
	if !errors.As(err, &need) {
		t.Fatal(err)
	}
	feed(need.History, log)
	count.History = need.History
	_, _, err = Move(s, count, at("10:00"), clock("12:00"))
	refused(&OverflowError{"berlin", "balance"})(&world{t: t, err: err})
}

func TestPromisesNeverWrap(t *testing.T) {
	s := &State{}
	s.Evolve(&StockReceived{Location: "berlin", Quantity: math.MaxInt64}, at("09:00"))
	// Over, but not recorded so: it still counts among what is reserved.
	over := &ReservationPlaced{
		ReservationID: "over", Quantity: math.MaxInt64, Splits: []Split{{Location: "berlin", Quantity: math.MaxInt64}}, ExpiresAt: clock("10:00"),
	}
	s.Evolve(over, at("09:00"))
	p := NewPolicy("web", []string{"berlin"}, 0, 0)
	_, _, err := Reserve(s, ReserveRequest{ReservationID: "cart", Quantity: 1}, at("12:00"), p, clock("12:00"))
	refused(&OverflowError{"berlin", "reserved stock"})(&world{t: t, err: err})
	if got := s.Available(p, clock("12:00")); got != math.MaxInt64 {
		t.Fatal(got)
	}
}
