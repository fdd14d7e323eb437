package commands

import (
	"math/rand/v2"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

// Twice as much is asked for as can be done, for a minute: what waits stays near what is done in a second, and nearly all that can be done is.
func TestWhatWaitsUnderOverloadIsAboutASecondsWork(t *testing.T) {
	for _, perSecond := range []uint64{2_000, 20_000, 60_000} {
		var a admission
		var answered, waiting, most uint64
		const step, bound = aggregates.Second / 1000, 65_536
		random := rand.New(rand.NewPCG(1, perSecond))
		now := aggregates.Instant(1)
		for ; now < 60*aggregates.Second; now += step {
			for range 2*perSecond/1000 + random.Uint64N(2) {
				if waiting+1 <= freelyAdmitted || int64(waiting+1) <= a.limit(now, answered, bound) {
					waiting++
				}
			}
			done := min(waiting, perSecond/1000)
			waiting, answered = waiting-done, answered+done
			if now > 20*aggregates.Second { // it has measured
				most = max(most, waiting)
			}
		}
		if limit := max(freelyAdmitted, perSecond+perSecond/10); most > limit {
			t.Errorf("%d a second: %d wait, want at most %d", perSecond, most, limit)
		}
		if could := perSecond * 59; answered < could {
			t.Errorf("%d a second: %d are done in a minute, could be %d", perSecond, answered, could)
		}
	}
}

// A burst that comes after a quiet time waits: nobody knows yet how long that takes. A clock that goes back forgets what was measured.
func TestABurstAfterAQuietTimeWaits(t *testing.T) {
	var a admission
	const bound = 65_536
	now := aggregates.Instant(10 * aggregates.Second)
	measure := func() int64 {
		a.limit(now, 0, bound)
		now += rateWindow
		return a.limit(now, 100, bound)
	}
	if got := measure(); got != freelyAdmitted {
		t.Fatalf("a slow service lets %d wait, want %d", got, freelyAdmitted)
	}
	now += rateStale + 1
	if got := a.limit(now, 200, bound); got != bound {
		t.Fatalf("after a quiet time %d may wait, want %d", got, bound)
	}
	if got := measure(); got != freelyAdmitted {
		t.Fatalf("then %d, want %d", got, freelyAdmitted)
	}
	if got := a.limit(now-aggregates.Second, 300, bound); got != bound {
		t.Fatalf("when the clock went back %d may wait, want %d", got, bound)
	}
	if got := a.limit(now, 0, 5); got > 5 {
		t.Fatalf("%d may wait, beyond the bound of 5", got)
	}
}
