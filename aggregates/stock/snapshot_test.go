package stock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

// full is a state with something of everything.
func full(t testing.TB) *world {
	g := scenario(t).under(NewPolicy("web", []string{"berlin", "hamburg"}, 0, 900))
	g.given(registered(RegisterRequest{Name: "Tea", Unit: "kg", Category: "drinks", SafetyStock: []SafetyStock{{"munich", 3}}}))
	g.given(counted("berlin", 1000).at("08:00"), counted("hamburg", 500).at("08:00")).given(busy("berlin", "09:00")...)
	for i := range 30 {
		g.given(reserve(fmt.Sprint("cart ", i), int64(1+i)).offset("orders", 2, int64(i)))
	}
	g.given(reserve("wide", 800), release("wide", 10), fulfil("cart 1", 1).key("k", "1"), confirm("cart 2"), extend("cart 3", "15:00"))
	g.given(fulfil("cart 5", 0), wait(time.Hour), expire(3), sold("berlin", 2).offset("sales", 1, 77))
	g.given(move(Movement{Kind: KindTransferShipped, Location: "hamburg", Other: "munich", Quantity: 5}))
	g.given(shipped("t-1", "hamburg", "berlin", 20, day(2)), arrived("t-1", "hamburg", "berlin", 4), transferCancelled("t-2"))
	g.given(expected("po-1", "berlin", 3000, day(4)), expected("po-2", "berlin", 9, day(4)), receivedFor("po-2", "1", "berlin", 4))
	g.given(cancelled("po-3"), receivedFor("po-4", "7", "berlin", 1), rescheduled("po-2", day(3)))
	g.given(reserveFor("dated", 2500, day(6)), reserveAs(ReserveRequest{ReservationID: "dated hold", Quantity: 3, PromiseAt: day(6)}))
	g.given(release("dated", 5), named("bundle", 2), named("another", 1))
	return g.w
}

func TestSnapshotRestoresEverything(t *testing.T) {
	w := full(t)
	w.same()
	var restored State
	if err := restored.UnmarshalBinary(encoded(t, w.state)); err != nil {
		t.Fatal(err)
	}
	if err := restored.Check(); err != nil {
		t.Fatal(err)
	}
	if restored.Version != w.state.Version || restored.Size() != w.state.Size() || restored.Live() != w.state.Live() {
		t.Fatal("the restored state is another")
	}
	x, y := Expire(w.state, w.now, 1000), Expire(&restored, w.now, 1000)
	if shown(x) != shown(y) || len(x) == 0 {
		t.Fatalf("%s\n%s", shown(x), shown(y))
	}
	// It goes on like the first.
	w.state = &restored
	given{w}.given(received("berlin", 5).at("08:30"), reserve("more", 1), release("wide", 0), sold("hamburg", 1), expire(9))
	w.same()
}

func TestSnapshotOfNothing(t *testing.T) {
	var s, restored State
	if err := restored.UnmarshalBinary(encoded(t, &s)); err != nil || restored.Version != 0 {
		t.Fatal(err)
	}
}

func TestDamagedSnapshots(t *testing.T) {
	data := encoded(t, full(t).state)
	var s State
	refuse := func(data []byte, what string) {
		t.Helper()
		if err := s.UnmarshalBinary(data); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s: %v", what, err)
		}
		if s.Version != 0 || s.Len() != 0 {
			t.Fatalf("%s: the state was changed", what)
		}
	}
	refuse(nil, "nothing")
	for n := range len(data) {
		refuse(data[:n], fmt.Sprintf("%d bytes", n))
	}
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= byte(1 << (i % 8))
		refuse(damaged, fmt.Sprintf("byte %d", i))
	}
}

// Bytes that pass for a snapshot may restore to anything, but neither crash nor use memory beyond their measure.
func TestForgedSnapshotsDoNotCrash(t *testing.T) {
	body := encoded(t, full(t).state)
	body = body[:len(body)-crc32.Size]
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		forged := bytes.Clone(body[:len(body)-random.IntN(len(body))])
		for range 1 + random.IntN(4) {
			forged[random.IntN(len(forged))] = byte(random.Uint32())
		}
		tryRestore(t, forged)
	}
}

func FuzzSnapshot(f *testing.F) {
	data := encoded(f, full(f).state)
	f.Add(data[:len(data)-crc32.Size])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) { tryRestore(t, body) })
}

func tryRestore(t *testing.T, body []byte) {
	t.Helper()
	signed := binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))
	var s State
	if err := s.UnmarshalBinary(signed); err != nil && !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	s.Available(NewPolicy("web", []string{"berlin"}, 0, 0), clock("12:00"))
	s.Evolve(&StockReceived{Location: "berlin", Quantity: 1}, aggregates.Metadata{RecordedAt: clock("12:00")})
}

func TestSizeIsAboutRight(t *testing.T) {
	sizes := map[string]func(s *State, i int){
		"movements": func(s *State, i int) {
			m := at("12:00")
			m.IdempotencyKey = fmt.Sprint("pos-berlin|", i)
			m.OccurredAt += aggregates.Instant(i)
			s.Evolve(&StockSold{Location: "berlin", Quantity: 1}, m)
		},
		"holds": func(s *State, i int) {
			s.Evolve(&ReservationPlaced{
				ReservationID: fmt.Sprintf("cart-%019d", i), Channel: "web", Quantity: 1,
				Splits: []Split{{Location: "berlin", Quantity: 1}}, ExpiresAt: clock("12:00") + aggregates.Instant(i%900)*aggregates.Second,
			}, at("12:00"))
		},
		"documents": func(s *State, i int) {
			m := at("12:00")
			s.Evolve(&SupplyExpected{Document: fmt.Sprintf("po-%06d", i), Line: "1", Location: "berlin", Quantity: 1, DueAt: day(1)}, m)
		},
		"locations": func(s *State, i int) {
			s.Evolve(&StockSold{Location: fmt.Sprintf("location-%06d", i), Quantity: 1}, at("12:00"))
		},
	}
	for what, evolve := range sizes {
		t.Run(what, func(t *testing.T) {
			const n = 3000
			var kept [8]*State
			before := heapInUse()
			for k := range kept {
				kept[k] = &State{}
				for i := range n {
					evolve(kept[k], i)
				}
			}
			actual := float64(heapInUse()-before) / float64(len(kept))
			if ratio := float64(kept[0].Size()) / actual; ratio < 0.6 || ratio > 1.7 {
				t.Errorf("size %d, takes %.0f bytes", kept[0].Size(), actual)
			}
			runtime.KeepAlive(kept)
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestCheckFindsDamage(t *testing.T) {
	change := func(do func(r *reservation)) func(s *State) {
		return func(s *State) {
			k := s.reservations.find("cart 7")
			r := k.reservation()
			do(&r)
			s.reservations.set(k, &r)
		}
	}
	damage := map[string]func(s *State){
		"reserved":           func(s *State) { s.At("berlin").Reserved++ },
		"reserved elsewhere": func(s *State) { s.At("munich").Reserved = 1 },
		"end of a hold":      func(s *State) { s.At("berlin").Holds.Add(clock("23:00"), 1) },
		"what ends":          func(s *State) { s.At("berlin").Holds.Add(s.reservations.find("cart 7").until, 1) },
		"remaining":          change(func(r *reservation) { r.released++ }),
		"negative":           change(func(r *reservation) { r.released, r.fulfilled = -1, 1 }),
		"split": change(func(r *reservation) {
			r.splits = []Split{{Location: "berlin", Quantity: 9}, {Location: "munich", Quantity: -1}}
		}),
		"ended and remaining": change(func(r *reservation) { r.end = endedByRelease }),
		"name":                func(s *State) { s.reservations.find("cart 7").id = "cart 8" },
		"part of a second":    func(s *State) { s.reservations.find("cart 7").until++ },
		"due":                 func(s *State) { s.due = s.due[1:] },
		"in line":             func(s *State) { s.ended.pop() },
		"open supply":         func(s *State) { s.At("berlin").Later.Incoming.Add(day(4), 1) },
		"supply of nobody":    func(s *State) { s.At("hamburg").later().Incoming.Add(day(4), 1) },
		"no supply":           func(s *State) { s.At("berlin").Later.Incoming = Holds{} },
		"later promise":       func(s *State) { s.At("berlin").Later.Promises[0].Quantity++ },
		"later hold":          func(s *State) { s.At("berlin").Later.Promises[0].Holds.Add(day(1), 1) },
		"no future":           func(s *State) { s.At("berlin").Later = nil },
		"empty future":        func(s *State) { s.At("hamburg").later() },
		"settled":             func(s *State) { s.supply.get(supplyKey{document: "po-3"}).settled = nil },
		"number of lines":     func(s *State) { s.supply.lines++ },
		"no balance":          func(s *State) { s.list = s.list[1:] },
	}
	for what, do := range damage {
		t.Run(what, func(t *testing.T) {
			s := full(t).state
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			do(s)
			if s.Check() == nil {
				t.Fatal("not found")
			}
		})
	}
}
