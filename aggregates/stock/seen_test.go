package stock

import (
	"fmt"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

func TestMovementArrivesTwice(t *testing.T) {
	twice := received("berlin", 5).key("wms|1", "five")
	scenario(t).
		when(twice).then(effect(5)).
		when(twice).then(nothingRecorded(), result(Moved{Effect: 5, Duplicate: true}), onHand("berlin", 5)).
		when(received("berlin", 6).key("wms|1", "six")).then(refused(&KeyReusedError{Key: "wms|1"})).
		when(received("berlin", 5).key("wms|2", "five")).then(onHand("berlin", 10))
}

func TestTheFirstResultIsKeptWhole(t *testing.T) {
	g := scenario(t).given(counted("berlin", 5), reserve("cart", 3))
	both := soldFor("berlin", 6, "cart").key("pos|1", "six")
	g.when(both).then(result(Moved{Effect: -6, Oversold: true})).
		when(both).then(nothingRecorded(), result(Moved{Effect: -6, Oversold: true, Duplicate: true}))
	change := move(Movement{Kind: KindConditionChanged, Location: "berlin", Quantity: 2, To: Damaged}).key("wms|9", "two")
	g.when(change).then(result(Moved{Effect: -2, Oversold: true})).
		when(change).then(result(Moved{Effect: -2, Oversold: true, Duplicate: true}))
	late := sold("berlin", 1).at("11:00").key("pos|2", "one")
	g.when(late).then(effect(0)).when(late).then(result(Moved{Duplicate: true}))
}

func TestCallsOnReservationsArriveTwice(t *testing.T) {
	held := func(t *testing.T) given { return scenario(t).given(counted("berlin", 10), reserve("cart", 6)) }
	tests := map[string]struct {
		call  step
		other step
	}{
		"release": {release("cart", 2).key("k", "2"), release("cart", 3).key("k", "3")},
		"fulfil":  {fulfil("cart", 2).key("k", "2"), fulfil("cart", 3).key("k", "3")},
		"extend":  {extend("cart", "13:00").key("k", "13"), extend("cart", "14:00").key("k", "14")},
	}
	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			g := held(t).given(x.call)
			first := g.w.result
			g.when(x.call).then(nothingRecorded(), result(first)).
				when(x.other).then(refused(&KeyReusedError{Key: "k"}))
			g.given(extend("cart", "15:00"), confirm("cart"), release("cart", 1), fulfil("cart", 0))
			g.when(x.call).then(nothingRecorded(), result(first))
		})
	}
	t.Run("the last part", func(t *testing.T) {
		last := fulfil("cart", 6).key("k", "6")
		g := held(t).given(last)
		g.when(last).then(nothingRecorded(), result(g.w.result))
	})
}

func TestACallCannotTakeAMovementsKey(t *testing.T) {
	scenario(t).given(counted("berlin", 10), reserve("cart", 6), received("berlin", 1).key("k", "received")).
		when(release("cart", 1).key("k", "released")).then(refused(&KeyReusedError{Key: "k"}))
}

func TestRefusedCallsMayBeRepeated(t *testing.T) {
	scenario(t).given(counted("berlin", 10), reserve("cart", 6)).
		when(release("cart", 7).key("k", "7")).then(refused(&ExceedsError{"cart", 7, 6})).
		when(release("cart", 6).key("k", "6")).then(ats(10))
}

func TestKeysAreForgottenAfterADay(t *testing.T) {
	first := received("berlin", 5).key("wms|1", "five")
	g := scenario(t).given(first, wait(24*time.Hour), received("berlin", 1).with(func(m *aggregates.Metadata) { m.RecordedAt = clock("12:00:01") + KeepSeen }))
	g.when(first).then(result(Moved{Effect: 5, Duplicate: true}))
	g.given(received("berlin", 1).with(func(m *aggregates.Metadata) { m.RecordedAt = clock("12:00:01") + KeepSeen + 1 }))
	g.when(first).then(onHand("berlin", 12))
}

func TestOldMessagesAreToldByTheirOffset(t *testing.T) {
	message := func(n int64) step {
		return received("berlin", 1).key(fmt.Sprint("wms|", n), "one").offset("movements", 3, n)
	}
	g := scenario(t).given(message(7), message(5), wait(25*time.Hour), message(9))
	if offset, ok := g.w.state.Applied("movements", 3); !ok || offset != 9 {
		t.Fatal(offset, ok)
	}
	if _, ok := g.w.state.Applied("movements", 4); ok {
		t.Fatal("knows a partition that never came")
	}
	again := func(n int64) step { return message(n).at("12:00:01") }
	g.when(again(7)).then(nothingRecorded(), result(Moved{Duplicate: true, ByOffset: true})).
		when(again(5)).then(nothingRecorded(), result(Moved{Duplicate: true, ByOffset: true})).
		when(message(9)).then(nothingRecorded(), result(Moved{Effect: 1, Duplicate: true})).
		// One that failed and is tried again after its successor was applied is not lost.
		when(message(8)).then(effect(1)).
		// Nor is one of another partition.
		when(received("berlin", 1).key("other", "one").offset("movements", 4, 2)).then(effect(1))
}

func TestADeadLetterReplayedDaysLaterCounts(t *testing.T) {
	g := scenario(t).given(received("berlin", 1).offset("movements", 3, 9), wait(25*time.Hour), received("berlin", 1).offset("movements", 3, 12))
	late := Movement{Kind: KindReceived, Location: "berlin", Quantity: 4}
	g.when(move(late).key("late", "4").offset("movements", 3, 8).at("11:50")).then(result(Moved{Duplicate: true, ByOffset: true}))
	late.Replayed = true
	replayed := move(late).key("late", "4").offset("movements", 3, 8).at("11:50")
	g.when(replayed).then(effect(4), onHand("berlin", 6)).
		when(replayed).then(result(Moved{Effect: 4, Duplicate: true}))
}

func TestATopicMadeAnewIsNotTakenForOldMessages(t *testing.T) {
	g := scenario(t).given(received("berlin", 1).offset("movements", 3, 900), wait(25*time.Hour), received("berlin", 1))
	g.when(received("berlin", 1).offset("movements", 3, 0)).then(effect(1)).
		when(received("berlin", 1).offset("movements", 3, 1).at("12:10:01")).then(result(Moved{Duplicate: true, ByOffset: true})).
		when(received("berlin", 1).offset("movements", 3, 1).at("12:10:02")).then(effect(1))
}

func TestMemoryOfKeysIsBounded(t *testing.T) {
	s := &State{}
	m := at("12:00")
	for i := range MaxSeen + 10 {
		m.IdempotencyKey, m.Source = fmt.Sprint(i), aggregates.Source{Topic: "movements", Offset: int64(i)}
		s.Evolve(&StockReceived{Location: "berlin", Quantity: 1}, m)
	}
	if s.facts.len() != MaxSeen || len(s.facts.index) != MaxSeen {
		t.Fatal(s.facts.len(), len(s.facts.index))
	}
	for _, i := range []int{0, 9, 10, MaxSeen + 9} {
		m.IdempotencyKey, m.Source.Offset = fmt.Sprint(i), int64(i)
		moved, events, err := Move(s, Movement{Kind: KindReceived, Location: "berlin", Quantity: 1}, m, m.RecordedAt)
		if err != nil || !moved.Duplicate || len(events) > 0 {
			t.Fatal(i, moved, events, err)
		}
		if remembered := i >= 10; remembered != (moved.Effect == 1) {
			t.Fatal(i, moved)
		}
	}
	if cap(s.facts.queue) > 4*MaxSeen {
		t.Fatal(cap(s.facts.queue))
	}
}

func TestCartsDoNotPushOutMovements(t *testing.T) {
	s := &State{}
	m := at("12:00")
	m.IdempotencyKey = "movement"
	s.Evolve(&StockReceived{Location: "berlin", Quantity: MaxQuantity}, m)
	m.IdempotencyKey = "cart"
	s.Evolve(&ReservationPlaced{ReservationID: "cart", Quantity: MaxSeen + 10, Splits: []Split{{Location: "berlin", Quantity: MaxSeen + 10}}, ExpiresAt: clock("13:00")}, m)
	for i := range MaxSeen + 1 {
		m.IdempotencyKey = fmt.Sprint("release", i)
		s.Evolve(&ReservationReleased{ReservationID: "cart", Splits: []Split{{Location: "berlin", Quantity: 1}}, ExpiresAt: clock("13:00")}, m)
	}
	m.IdempotencyKey = "movement"
	if moved, _, err := Move(s, Movement{Kind: KindReceived, Location: "berlin", Quantity: 1}, m, m.RecordedAt); err != nil || !moved.Duplicate {
		t.Fatal(moved, err)
	}
	if s.calls.len() != MaxSeen || s.remembered(hashKey("release0")) != nil || s.remembered(hashKey("release1")) == nil {
		t.Fatal(s.calls.len())
	}
}

func TestEndedReservationsAreBounded(t *testing.T) {
	s := &State{}
	m := at("12:00")
	for i := range MaxSeen + 10 {
		id := fmt.Sprint(i)
		s.Evolve(&ReservationPlaced{ReservationID: id, Quantity: 1, Splits: []Split{{Location: "berlin", Quantity: 1}}, ExpiresAt: clock("12:15")}, m)
		s.Evolve(&ReservationExpired{ReservationID: id, Splits: []Split{{Location: "berlin", Quantity: 1}}, ExpiresAt: clock("12:15")}, m)
	}
	if err := s.Check(); err != nil || s.reservations.len() != MaxSeen || s.Live() != 0 || s.reservations.find("9") != nil || s.reservations.find("10") == nil {
		t.Fatal(err, s.reservations.len())
	}
}

func TestOriginsAreBounded(t *testing.T) {
	s := &State{}
	m := at("12:00")
	for i := range MaxOrigins + 10 {
		m.IdempotencyKey, m.Source = fmt.Sprint(i), aggregates.Source{Topic: "movements", Partition: int32(i), Offset: 1}
		s.Evolve(&StockReceived{Location: "berlin", Quantity: 1}, m)
	}
	if len(s.origins) != MaxOrigins {
		t.Fatal(len(s.origins))
	}
	if _, ok := s.Applied("movements", MaxOrigins); ok {
		t.Fatal("one more than the bound is kept")
	}
	m.RecordedAt, m.IdempotencyKey = m.RecordedAt+KeepSeen+1, "a day later"
	s.Evolve(&StockReceived{Location: "berlin", Quantity: 1}, m) // forgets all of them
	if s.facts.len() != 1 || s.origins[5].forgotten != 2 {
		t.Fatal(s.facts.len(), s.origins[5])
	}
}

func TestSeenFindsKeysAtAnySize(t *testing.T) {
	var s seen
	hash := func(i int) keyHash { return hashKey(fmt.Sprint(i)) }
	lowest := 0
	for i := range 5000 {
		s.add(seenKey{hash: hash(i), revision: uint64(i)})
		for ; i%7 == 3 && lowest < i-i%100; lowest++ {
			if k := s.pop(); k.revision != uint64(lowest) {
				t.Fatalf("%d came out for %d", k.revision, lowest)
			}
		}
		for _, n := range []int{lowest - 1, lowest, (lowest + i) / 2, i, i + 1} {
			k := s.find(hash(n))
			if in := n >= lowest && n <= i; in != (k != nil) || in && k.revision != uint64(n) {
				t.Fatalf("%d among %d to %d: %+v", n, lowest, i, k)
			}
		}
	}
}

func TestCommandsWithoutAKeyEachCount(t *testing.T) {
	none := received("berlin", 5).with(func(m *aggregates.Metadata) { m.IdempotencyKey = "" })
	scenario(t).when(none).when(none).then(onHand("berlin", 10))
}
