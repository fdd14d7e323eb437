package stock

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestBookAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b book
		model := map[string]*kept{}
		for i := range rapid.IntRange(1, 300).Draw(t, "changes") {
			id := fmt.Sprint("cart ", rapid.IntRange(0, 100).Draw(t, "id"))
			if b.find(id) != model[id] {
				t.Fatalf("%q is not found as it was kept", id)
			}
			if k := model[id]; k != nil {
				b.remove(k)
				delete(model, id)
			} else {
				model[id] = b.put(&reservation{id: id, revision: uint64(i)})
			}
			if n := len(slices.Collect(b.each)); n != len(model) || b.len() != n {
				t.Fatalf("%d of %d reservations", n, len(model))
			}
		}
		for id, k := range model {
			if b.find(id) != k {
				t.Fatalf("%q is lost", id)
			}
			b.remove(k)
		}
		if b.bytes != 0 || b.len() != 0 || cap(b.buckets) > tightUpTo {
			t.Fatalf("an empty book has %d bytes and room for %d", b.bytes, cap(b.buckets))
		}
	})
}

// What is kept of a reservation is all that was known of it, however it was placed and whatever became of it.
func TestKeptReservationsAreRead(t *testing.T) {
	berlin, split := []Split{{"berlin", 5, false}}, []Split{{"berlin", 2, false}, {"munich", 3, true}}
	tests := map[string]reservation{
		"a hold":            {quantity: 5, placed: berlin, splits: berlin, until: clock("13:00"), placedUntil: clock("13:00")},
		"back-ordered":      {quantity: 3, placed: split[1:], splits: split[1:], method: "pickup", bound: true},
		"at two locations":  {quantity: 5, placed: split, splits: split},
		"released":          {quantity: 5, placed: berlin, released: 5, end: endedByRelease},
		"partly fulfilled":  {quantity: 5, placed: split, splits: split[:1], fulfilled: 3},
		"ended in two ways": {quantity: 5, placed: berlin, fulfilled: 3, expired: 2, end: endedByExpiry},
		"with fewer units":  {quantity: 5, placed: berlin, splits: []Split{{"berlin", 1, false}}, released: 4},
		"with more units":   {quantity: 7, placed: berlin, splits: []Split{{"berlin", 7, false}}, policy: 9},
		"moved":             {quantity: 5, placed: berlin, splits: []Split{{"munich", 5, false}}, policy: 9},
		"of an order":       {quantity: 5, placed: berlin, splits: berlin, order: "order 1", asked: 4},
		"barred":            {end: endedByRelease, order: "order 1", asked: 4},
		"for a date":        {quantity: 5, placed: berlin, splits: berlin, promiseAt: day(2), supply: []SupplyUse{{Document: "po-1", Quantity: 1}}},
	}
	for what, want := range tests {
		t.Run(what, func(t *testing.T) {
			want.id, want.channel, want.placedUnder = "cart", "web", 3
			want.policy = max(want.policy, want.placedUnder)
			var b book
			if got := b.put(&want).reservation(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Fatalf("%+v\n%+v", got, want)
			}
			k := b.put(&reservation{id: "cart", channel: "web", placedUnder: 3, placed: want.placed, placedUntil: want.placedUntil,
				method: want.method, bound: want.bound})
			if b.set(k, &want); want.promiseAt == 0 && fmt.Sprintf("%+v", k.reservation()) != fmt.Sprintf("%+v", want) {
				t.Fatalf("%+v\n%+v", k.reservation(), want)
			}
		})
	}
}
