package stock

import (
	"testing"
	"time"
)

func TestBackOrdersGoBeyondTheStockAndAreShown(t *testing.T) {
	dairy(t, shop(Terms{})).
		when(selling(SellingRule{Backorders: 5})).then(offers(Offer{ATS: 17, Beyond: 5, Standing: InStock})).
		when(reserve("a", 23)).then(refused(&InsufficientError{Requested: 23, Available: 17, Beyond: 5})).
		when(reserve("a", 20)).then(offers(Offer{Beyond: 2, Standing: OnBackorder}), reservationIs("a", func(r Reservation) bool {
		return len(r.Splits) == 3 && r.Splits[2] == Split{Location: "berlin", Quantity: 3, Backordered: true}
	})).
		when(counted("berlin", 12)).then(ats(0)). // two of the three have come
		when(counted("berlin", 14)).then(offers(Offer{ATS: 1, Beyond: 2, Standing: InStock})).
		when(release("a", 4)).then(offers(Offer{ATS: 5, Beyond: 5, Standing: InStock})). // the last choice first: those yet to come
		when(release("a", 0)).then(offers(Offer{ATS: 21, Beyond: 5, Standing: InStock}))
}

func TestUnitsThatWaitAreNotOversold(t *testing.T) {
	dairy(t, shop(Terms{})).given(selling(SellingRule{Backorders: Unlimited}), reserve("a", 30)).
		when(sold("berlin", 1)).then(func(w *world) {
		w.t.Helper()
		if len(w.events) != 2 || *w.events[1].(*OversoldDetected) != (OversoldDetected{Location: "berlin", OnHand: 9, Reserved: 10}) {
			w.t.Fatal(shown(w.events))
		}
	}).
		when(counted("berlin", 10)).then(func(w *world) {
		w.t.Helper()
		if len(w.events) != 1 {
			w.t.Fatal(shown(w.events)) // 23 are promised from Berlin, 13 of them wait
		}
	}).
		when(received("berlin", 13)).then(ats(0)).
		when(fulfil("a", 0)).then(ats(0), onHand("berlin", 0), reserved("berlin", 0), offers(Offer{Beyond: Unlimited, Standing: OnBackorder}))
}

func TestLimitsOfBackOrdersArePerChannelOrShared(t *testing.T) {
	m := market()
	empty := scenario(t).under(shop(Terms{})).given(registered(RegisterRequest{Name: "Tea"}))
	empty.when(reserve("a", 1)).then(refused(&InsufficientError{Requested: 1})).
		when(selling(SellingRule{Backorders: 5})).then(offers(Offer{Beyond: 5, Standing: OnBackorder})).
		when(on(m, reserve("b", 2))).then(offers(Offer{Beyond: 3, Standing: OnBackorder})).
		when(selling(SellingRule{Channel: "web", Backorders: 4})).then(offers(Offer{Beyond: 4, Standing: OnBackorder})).
		when(reserve("c", 4)).then(offers(Offer{Standing: OutOfStock})).
		when(on(m, reserve("d", 4))).then(refused(&InsufficientError{Requested: 4, Beyond: 3})).
		when(selling(SellingRule{Channel: "web", Backorders: 3})).then(refused(&BackordersUsedError{Channel: "web", Limit: 3, Used: 4})).
		when(selling(SellingRule{Channel: "web", Backorders: 4})).then(nothingRecorded())
}

func TestPreOrdersUntilTheRelease(t *testing.T) {
	rule := SellingRule{ReleaseAt: clock("13:00"), Preorders: 15}
	dairy(t, shop(Terms{})).
		when(selling(rule)).then(offers(Offer{Beyond: 15, Standing: OnPreorder, NextAt: clock("13:00")})).
		when(reserveAs(ReserveRequest{ReservationID: "a", Quantity: 12, Confirmed: true})).
		then(offers(Offer{Beyond: 3, Standing: OnPreorder, NextAt: clock("13:00")})).
		when(reserve("b", 4)).then(refused(&InsufficientError{Requested: 4, Beyond: 3})).
		when(reserveAs(ReserveRequest{ReservationID: "c", Quantity: 3, Confirmed: true})).
		then(offers(Offer{Standing: OutOfStock, NextAt: clock("13:00")})).
		when(wait(time.Hour)).then(offers(Offer{ATS: 7, Standing: InStock})) // 10 of Berlin are owed, 5 more wait
}

func TestAChannelThatDoesNotSellIt(t *testing.T) {
	dairy(t, shop(Terms{})).
		when(selling(SellingRule{Channel: "web", Unsold: true})).then(offers(Offer{Standing: NotSoldHere}), atsOn(market(), 10)).
		when(reserve("a", 1)).then(refused(&NotSoldError{Channel: "web"})).
		when(selling(SellingRule{Unsold: true})).then(atsOn(market(), 0)).
		when(selling(SellingRule{Channel: "web"})).then(offers(Offer{Standing: NotSoldHere})).
		when(selling(SellingRule{})).then(ats(17))
}

// Back orders take nothing that is ring-fenced for another channel, nor what a buffer keeps for others.
func TestBackOrdersTouchNoRingFence(t *testing.T) {
	m := market()
	dairy(t, NewPolicy("web", []string{"berlin"}, 0, 900)).given(fence("market", 10, "berlin"), selling(SellingRule{Channel: "web", Backorders: 9})).
		when(reserve("a", 9)).then(ats(0), atsOn(m, 10)).
		when(received("berlin", 9)).then(ats(0), atsOn(m, 10)).
		when(received("berlin", 2)).then(ats(2), atsOn(m, 12))
}

func TestWhatIsWrongWithASellingRule(t *testing.T) {
	for _, r := range []SellingRule{{Backorders: -2}, {Preorders: MaxQuantity + 1}, {LowStock: -1}, {SellOut: MaxQuantity + 1}} {
		dairy(t, shop(Terms{})).when(selling(r)).then(func(w *world) {
			if w.err == nil {
				t.Errorf("%+v is accepted", r)
			}
		})
	}
}
