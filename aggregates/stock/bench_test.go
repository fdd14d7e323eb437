package stock

import (
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

const benchStart = aggregates.Instant(1_767_600_000) * aggregates.Second

// benchState is a SKU with ten locations that are stocked well, and some sales.
func benchState(b testing.TB) (*State, *Policy) {
	b.Helper()
	s := &State{}
	var sites []string
	for i := range 10 {
		site := fmt.Sprintf("store-%03d", i)
		sites = append(sites, site)
		m := aggregates.Metadata{OccurredAt: benchStart, RecordedAt: benchStart, IdempotencyKey: fmt.Sprint("count", i)}
		benchFold(b, s, Movement{Kind: KindCounted, Location: site, Quantity: MaxQuantity}, m)
	}
	return s, NewPolicy("web", sites, 0, 900)
}

func benchFold(b testing.TB, s *State, r Movement, m aggregates.Metadata) {
	b.Helper()
	_, events, err := Move(s, r, m, m.RecordedAt)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range events {
		s.Evolve(e, m)
	}
}

// keys are made before the clock starts: a caller has them already.
func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("pos-berlin|%012d|1", i)
	}
	return keys
}

func BenchmarkMove(b *testing.B) {
	s, _ := benchState(b)
	keys := benchKeys(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		at := benchStart + aggregates.Instant(i+1)*aggregates.Second/10
		m := aggregates.Metadata{
			OccurredAt: at, RecordedAt: at, IdempotencyKey: keys[i], Fingerprint: 1,
			Source: aggregates.Source{Topic: "sales", Partition: 3, Offset: int64(i)},
		}
		benchFold(b, s, Movement{Kind: KindSold, Location: "store-004", Quantity: 1}, m)
	}
}

func BenchmarkReserveConfirm(b *testing.B) {
	for _, holds := range []int{10, 100_000} {
		for _, spread := range []int64{4500, MaxHoldSeconds} {
			b.Run(fmt.Sprintf("holds=%d/ends-within=%ds", holds, spread), func(b *testing.B) {
				s, p := benchState(b)
				for i := range holds {
					seconds := int64(i)*7919%(spread-3600) + 1
					benchReserve(b, s, p, fmt.Sprint("held", i), seconds+3600, benchStart)
				}
				keys := benchKeys(b.N)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					now := benchStart + aggregates.Instant(i)*aggregates.Second/1000
					benchReserve(b, s, p, keys[i], 900, now)
					benchCall(b, s, keys[i], now)
				}
			})
		}
	}
}

func benchReserve(b testing.TB, s *State, p *Policy, id string, seconds int64, now aggregates.Instant) {
	b.Helper()
	m := aggregates.Metadata{OccurredAt: now, RecordedAt: now, IdempotencyKey: id, Fingerprint: 7}
	_, events, err := Reserve(s, ReserveRequest{ReservationID: id, Quantity: 1, HoldSeconds: seconds}, m, p, now)
	if err != nil || len(events) != 1 {
		b.Fatal(err, events)
	}
	s.Evolve(events[0], m)
}

// What is allocated is the events: their list, the event, and the splits of a reservation. However many holds there are.
func TestDecisionsAllocateTheirEventsOnly(t *testing.T) {
	for _, holds := range []int{10, 20_000} {
		s, p := benchState(t)
		for i := range holds {
			benchReserve(t, s, p, fmt.Sprint("held", i), int64(i)+1, benchStart)
		}
		m := aggregates.Metadata{OccurredAt: benchStart, RecordedAt: benchStart, IdempotencyKey: "pos-berlin|000000000042|1"}
		decisions := map[string]struct {
			most float64
			do   func() error
		}{
			"sale": {2, func() error {
				_, _, err := Move(s, Movement{Kind: KindSold, Location: "store-004", Quantity: 1}, m, benchStart)
				return err
			}},
			"reservation": {3, func() error {
				_, _, err := Reserve(s, ReserveRequest{ReservationID: "cart", Quantity: 1}, m, p, benchStart)
				return err
			}},
			"confirmation": {3, func() error {
				_, _, err := Confirm(s, ConfirmRequest{ReservationID: "held5"}, m, benchStart)
				return err
			}},
		}
		for what, x := range decisions {
			allocations := testing.AllocsPerRun(100, func() {
				if err := x.do(); err != nil {
					t.Fatal(err)
				}
			})
			if allocations > x.most {
				t.Errorf("a %s among %d holds allocates %g times", what, holds, allocations)
			}
		}
	}
}

// benchCall confirms and hands over, so that the number of live reservations stays.
func benchCall(b testing.TB, s *State, id string, now aggregates.Instant) {
	b.Helper()
	m := aggregates.Metadata{OccurredAt: now, RecordedAt: now, IdempotencyKey: id + "c", Fingerprint: 8}
	_, events, err := Confirm(s, ConfirmRequest{ReservationID: id}, m, now)
	if err != nil || len(events) != 1 {
		b.Fatal(err, events)
	}
	s.Evolve(events[0], m)
}

func BenchmarkAvailable(b *testing.B) {
	for _, locations := range []int{1, 10, 2000} {
		b.Run(fmt.Sprintf("locations=%d", locations), func(b *testing.B) {
			var balances Balances
			var sites []string
			for i := range locations {
				site := fmt.Sprintf("store-%04d", i)
				sites = append(sites, site)
				balances.Evolve(&StockReceived{Location: site, Quantity: 5})
			}
			p := NewPolicy("web", sites, 1, 900)
			b.ReportAllocs()
			for b.Loop() {
				if balances.Available(p, benchStart) != int64(5*locations-1) {
					b.Fatal("wrong")
				}
			}
		})
	}
}

// benchSpread is a SKU that lies at so many of the 2,000 locations that a channel sells from, from the first choice on.
func benchSpread(b testing.TB, locations int, each func(i int) int64) (*State, *Policy) {
	b.Helper()
	s, sites := &State{}, make([]string, 2000)
	for i := range sites {
		sites[i] = fmt.Sprintf("store-%04d", i*7919%len(sites)) // the order of choice is not that of names
		if i < locations {
			s.Evolve(&StockReceived{Location: sites[i], Quantity: each(i)}, aggregates.Metadata{RecordedAt: benchStart})
		}
	}
	return s, NewPolicy("web", sites, 1, 900)
}

// BenchmarkReserve decides reservations of a SKU that lies at more and more locations: where the first choice has the units, where the last
// tenth has them, and where nothing is left.
func BenchmarkReserve(b *testing.B) {
	for _, locations := range []int{1, 50, 500, 2000} {
		for _, x := range []struct {
			name string
			each func(i int) int64
		}{
			{"first", func(int) int64 { return MaxQuantity }},
			{"last", func(i int) int64 {
				if i < locations*9/10 {
					return 0
				}
				return MaxQuantity
			}},
			{"none", func(int) int64 { return 0 }},
		} {
			b.Run(fmt.Sprintf("locations=%d/%s", locations, x.name), func(b *testing.B) {
				s, p := benchSpread(b, locations, x.each)
				m := aggregates.Metadata{OccurredAt: benchStart, RecordedAt: benchStart, IdempotencyKey: "cart", Fingerprint: 7}
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := Reserve(s, ReserveRequest{ReservationID: "cart", Quantity: 1}, m, p, benchStart); err != nil != (x.name == "none") {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s, p := benchState(b)
	for i := range 10_000 {
		benchReserve(b, s, p, fmt.Sprint("held", i), 900, benchStart)
	}
	data, _ := s.MarshalBinary()
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := s.MarshalBinary(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var restored State
			if err := restored.UnmarshalBinary(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
