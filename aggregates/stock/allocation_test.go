package stock

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

func fence(channel string, quantity int64, locations ...string) step {
	return allocated(AllocationRequest{Channel: channel, Fence: quantity, Locations: locations})
}

func TestARingFenceIsKeptFromOthers(t *testing.T) {
	m := market() // munich, berlin
	dairy(t, shop(Terms{})).
		when(fence("market", 4, "munich", "berlin")).then(ats(6+7), atsOn(m, 10)).
		when(reserve("a", 13)).then(ats(0), atsOn(m, 4)).
		when(on(m, reserve("b", 3))).then(ats(0), atsOn(m, 1)).
		when(on(m, reserve("c", 1))).then(ats(0), atsOn(m, 0)).
		when(release("b", 0)).then(ats(0), atsOn(m, 3)).
		when(release("a", 0)).then(ats(13), atsOn(m, 9))
}

// What is kept for another channel is kept where that one can sell it, though the asking one would rather take from there.
func TestARingFenceIsKeptWhereItsChannelSells(t *testing.T) {
	p := NewPolicy("web", []string{"berlin", "hamburg"}, 0, 900)
	dairy(t, p).given(fence("market", 8, "berlin", "munich")).
		when(reserve("a", 9)).then(ats(0), atsOn(market(), 8), reservationIs("a", func(r Reservation) bool {
		return fmt.Sprint(r.Splits) == "[{berlin 2 false} {hamburg 7 false}]"
	}))
	// With units elsewhere that only the other channel sells, more of Berlin can be taken: what is kept moves there.
	dairy(t, p).given(counted("munich", 5), fence("market", 8, "berlin", "munich")).
		when(wait(time.Second)).then(ats(7+7), atsOn(market(), 15)).
		when(reserve("a", 9)).then(atsOn(market(), 8))
}

func TestARingFenceMovesAlongAChainOfOthers(t *testing.T) {
	g := scenario(t).under(NewPolicy("web", []string{"a"}, 0, 900)).given(counted("a", 5), counted("b", 5), counted("c", 5),
		fence("x", 5, "a", "b"), fence("y", 5, "b", "c"))
	g.when(wait(time.Second)).then(ats(5))
	g.when(reserve("r", 5)).then(atsOn(NewPolicy("x", []string{"a", "b"}, 0, 0), 5), atsOn(NewPolicy("y", []string{"b", "c"}, 0, 0), 5))
}

func TestACapBoundsWhatAChannelTakes(t *testing.T) {
	capOf := func(n int64) step { return allocated(AllocationRequest{Channel: "web", Capped: true, Cap: n}) }
	dairy(t, shop(Terms{})).
		when(capOf(6)).then(ats(6), atsOn(market(), 10)).
		when(reserve("a", 4)).then(ats(2)).
		when(reserve("b", 3)).then(refused(&InsufficientError{Requested: 3, Available: 2})).
		when(fulfil("a", 4)).then(ats(2)).             // what has left counts on
		when(soldOn("web", "berlin", 1)).then(ats(1)). // by whatever way
		when(soldOn("pos", "berlin", 1)).then(ats(1)).
		when(capOf(4)).then(refused(&AllocationUsedError{Channel: "web", Capped: true, Cap: 4, Used: 5})).
		when(capOf(5)).then(ats(0)).
		when(allocated(AllocationRequest{Channel: "web", Capped: true, Cap: 5, Restart: true})).then(ats(5)).
		when(allocated(AllocationRequest{Channel: "web"})).then(ats(11)).
		when(allocated(AllocationRequest{Channel: "web"})).then(nothingRecorded())
}

func TestAnAllocationBelowWhatIsUsedIsRefusedWithTheNumbers(t *testing.T) {
	dairy(t, shop(Terms{})).given(reserve("a", 5), fence("web", 8, "berlin")).
		when(fence("web", 4, "berlin")).then(refused(&AllocationUsedError{Channel: "web", Fence: 4, Used: 5})).
		when(fence("web", 5, "berlin")).then(recorded(&AllocationSet{Channel: "web", Locations: []string{"berlin"}, Fence: 5})).
		when(fence("web", 5, "berlin")).then(nothingRecorded()).
		when(fence("web", 0)).then(recorded(&AllocationSet{Channel: "web"}))
}

func TestGroupsOfOneChannel(t *testing.T) {
	in := func(group string, fence, most int64, locations ...string) step {
		return allocated(AllocationRequest{Channel: "market", Group: group, Locations: locations, Fence: fence, Capped: most >= 0, Cap: max(0, most)})
	}
	m := market()
	dairy(t, shop(Terms{})).given(counted("munich", 9)).
		when(in("north", 3, 4, "berlin", "hamburg")).then(ats(23), atsOn(m, 4+9)).
		when(fence("market", 8, "munich", "berlin")).then(ats(18)). // 3 of the 8 are those of the north
		when(on(m, reserve("a", 13))).then(ats(13), atsOn(m, 0)).
		when(in("all", 1, -1, "munich", "berlin")).then(refused(&OverlapError{Channel: "market", Group: "all", Other: "north", Location: "berlin"})).
		when(in("south", 0, 20, "munich")).then(atsOn(m, 0))
}

func TestCountingByChannelBeginsWithWhatIsReserved(t *testing.T) {
	dairy(t, shop(Terms{})).given(reserve("held", 2), reserveAs(ReserveRequest{ReservationID: "firm", Quantity: 9, Confirmed: true})).
		when(fence("web", 12, "berlin")).
		then(recorded(&AllocationSet{Channel: "web", Locations: []string{"berlin"}, Fence: 12, Opening: []Opening{
			{Channel: "web", Location: "berlin", Quantity: 8}, {Channel: "web", Location: "berlin", Until: clock("12:15:04"), Quantity: 2},
			{Channel: "web", Location: "hamburg", Quantity: 1}}})).
		then(atsOn(market(), 0)).
		when(extend("held", "12:30")).then(nothingOpen).
		when(confirm("held")).then(nothingOpen).
		when(release("firm", 1)).then(nothingOpen).
		when(wait(time.Hour)).then(nothingOpen)
	dairy(t, shop(Terms{})).given(reserve("held", 2), fence("web", 4, "berlin"), wait(time.Hour)).
		when(expire(5)).then(recorded(&ReservationExpired{ReservationID: "held", Splits: []Split{{Location: "berlin", Quantity: 2}},
		ExpiresAt: clock("12:15:04"), Channel: "web"}))
}

func nothingOpen(w *world) {
	w.t.Helper()
	for _, e := range w.events {
		if a, ok := e.(*AllocationSet); ok && a.Opening != nil {
			w.t.Fatalf("opened again: %+v", a)
		}
	}
}

func TestAHoldThatEndedDoesNotUseAnAllocation(t *testing.T) {
	dairy(t, shop(Terms{})).given(allocated(AllocationRequest{Channel: "web", Capped: true, Cap: 3}), reserve("a", 3)).
		when(wait(time.Minute)).then(ats(0)).
		when(wait(time.Hour)).then(ats(3)).
		when(reserve("b", 3)).then(ats(0))
}

func TestAllocationsAreBounded(t *testing.T) {
	g := dairy(t, shop(Terms{}))
	for i := range MaxAllocations {
		g.given(fence(fmt.Sprint("channel ", i), 1, "berlin"))
	}
	g.when(fence("one more", 1, "berlin")).then(refused(&BoundError{What: "allocations of the SKU", Limit: MaxAllocations}))
	g.when(fence("channel 0", -1)).then(refused(&QuantityError{Quantity: -1, Max: MaxQuantity}))
	if _, _, err := Allocate(&State{}, AllocationRequest{}, aggregates.Metadata{}, 1); !errors.Is(err, ErrUnknownSKU) {
		t.Error(err)
	}
}

// Taking in any order of choice leads to all there is, also where a cap in a group would lead the first choice astray.
func TestCapsInGroupsDoNotHideWhatThereIs(t *testing.T) {
	p := NewPolicy("web", []string{"a", "b", "c"}, 0, 900)
	scenario(t).under(p).given(counted("a", 1), counted("b", 1), counted("c", 1), fence("x", 1, "a", "c"),
		allocated(AllocationRequest{Channel: "web", Group: "g", Locations: []string{"a", "b"}, Capped: true, Cap: 1})).
		when(wait(time.Second)).then(ats(2)).
		when(reserve("r", 2)).then(ats(0), atsOn(NewPolicy("x", []string{"a", "c"}, 0, 0), 1))
}
