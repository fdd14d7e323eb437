package reservations

import (
	"math"
	"testing"
)

func TestAHoldThatIsPublishedDuringASearchIsNotBehindTheHorizon(t *testing.T) {
	var h horizon
	_, before := h.now()
	h.lower(5) // the search did not see this one
	h.raise(math.MaxInt64, before)
	if at, _ := h.now(); at > 5 {
		t.Errorf("horizon at %d", at)
	}
	_, before = h.now()
	h.raise(7, before)
	if at, _ := h.now(); at != 7 {
		t.Errorf("horizon at %d", at)
	}
	h.lower(6)
	if at, _ := h.now(); at != 6 {
		t.Errorf("horizon at %d", at)
	}
	_, before = h.now()
	h.reset()
	h.raise(9, before)
	if at, _ := h.now(); at != 0 {
		t.Errorf("horizon at %d", at)
	}
}
