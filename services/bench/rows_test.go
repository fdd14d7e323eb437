package bench

import (
	"context"
	"errors"
	"github.com/cockroachdb/pebble/v2"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	getMethod     = pb.AvailabilityService_GetAvailability_FullMethodName
	batchMethod   = pb.AvailabilityService_BatchGetAvailability_FullMethodName
	bulkMethod    = pb.ReservationService_ReserveBatch_FullMethodName
	reserveMethod = pb.ReservationService_Reserve_FullMethodName
)

// near tells whether a figure is as expected, but for the resolution of latencies.
func near(got, want float64) bool { return math.Abs(got-want) <= want*0.002 }

func TestGetBesideTheEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.service.takes[getMethod], s.bare.takes[echoMethod] = 2*time.Millisecond, time.Millisecond
		f, err := s.measure(t, "get")
		if err != nil {
			t.Fatal(err)
		}
		if f.Value != 32_000 || f.Baseline != 64_000 || f.Ratio != 0.5 || *f.Met {
			t.Errorf("%g calls/s, echo %g, ratio %g, met %t", f.Value, f.Baseline, f.Ratio, *f.Met)
		}
		if !near(f.Latency.P50, 2) || !near(f.BaselineLatency.P99, 1) {
			t.Errorf("latency %+v, echo %+v", f.Latency, f.BaselineLatency)
		}
		// 20 ms of warm-up and three rounds of 100 ms, 64 in flight.
		if f.Calls != 64*(10+3*50) || f.Errors != 0 || len(f.Rounds) != 3 {
			t.Errorf("%d calls, %d errors, %d rounds", f.Calls, f.Errors, len(f.Rounds))
		}
		if f.Sizes.Request < 10 || f.Sizes.Request > 30 || f.Sizes.Reply < 15 || f.Sizes.Reply > 50 {
			t.Errorf("sizes: %+v", f.Sizes)
		}
	})
}

// The echo goes first in each round, right before the row: what disturbs one half is likely to disturb the other.
func TestRoundsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.service.takes[getMethod], s.bare.takes[echoMethod] = 10*time.Millisecond, 10*time.Millisecond
		var turns []string
		s.service.told, s.bare.told = &turns, &turns
		if _, err := s.measure(t, "get"); err != nil {
			t.Fatal(err)
		}
		want := []string{getMethod, echoMethod, echoMethod, getMethod, echoMethod, getMethod, echoMethod, getMethod}
		if !slices.Equal(turns, slices.Compact(want)) {
			t.Errorf("turns: %v", turns)
		}
	})
}

func TestATargetThatIsMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.service.takes[getMethod], s.bare.takes[echoMethod] = 10*time.Millisecond, 9*time.Millisecond
		if f, err := s.measure(t, "get"); err != nil || !near(f.Ratio, 10.0/11) || !*f.Met {
			t.Errorf("%+v (%v)", f, err)
		}
	})
}

func TestBatchGetCountsSKUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.service.takes[batchMethod], s.bare.takes[echoMethod] = 10*time.Millisecond, 5*time.Millisecond
		f, err := s.measure(t, "batchget")
		if err != nil || f.Value != 640_000 || f.Baseline != 1_280_000 || f.Ratio != 0.5 || *f.Met {
			t.Fatalf("%+v (%v)", f, err)
		}
		// A call in flight less would be 10,000 SKU-reads/s less.
		s.service.takes[batchMethod] = 6 * time.Millisecond
		if f, err := s.measure(t, "batchget"); err != nil || !near(f.Ratio, 16.0/20) || !*f.Met {
			t.Fatalf("%+v (%v)", f, err)
		}
	})
}

func TestReserveIsTheHighestRateSoFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.bare.takes[echoMethod] = time.Millisecond
		for _, c := range []struct {
			row        string
			takes      time.Duration
			rate, peak float64
		}{{"reserve", 4 * time.Millisecond, 16_000, 16_000}, {"hot", 2 * time.Millisecond, 32_000, 32_000}, {"reserve", 8 * time.Millisecond, 7_680, 32_000}} {
			s.service.takes[reserveMethod] = c.takes
			f, err := s.measure(t, c.row)
			if err != nil || f.Value != c.rate || s.peak != c.peak {
				t.Errorf("%s: %g calls/s, highest %g, expected %g and %g (%v)", c.row, f.Value, s.peak, c.rate, c.peak, err)
			}
		}
		if s.hotTaken != s.rounds+1 {
			t.Errorf("%d hot SKUs taken for %d rounds and a warm-up", s.hotTaken, s.rounds)
		}
	})
}

func TestReservationsThatFailAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, refusesSome)
		s.service.takes[reserveMethod], s.bare.takes[echoMethod] = 5*time.Millisecond, 5*time.Millisecond
		f, err := s.measure(t, "reserve")
		if err != nil {
			t.Fatal(err)
		}
		if f.Calls != 64*(4+3*20) || f.Errors != f.Calls/100 || f.Failures["ResourceExhausted: too much is waiting"] != f.Errors {
			t.Errorf("%d calls, %d errors: %v", f.Calls, f.Errors, f.Failures)
		}
	})
}

func TestARowWithoutAnyGoodAnswerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, refuses)
		s.service.takes[reserveMethod] = 5 * time.Millisecond
		if _, err := s.measure(t, "reserve"); err == nil || !strings.Contains(err.Error(), "x ResourceExhausted: too much is waiting") {
			t.Errorf("error: %v", err)
		}
	})
}

func TestAServiceThatLiesFailsTheRow(t *testing.T) {
	for _, c := range []struct {
		lie lie
		row string
	}{{wrongATS, "get"}, {wrongATS, "batchget"}, {forgetsReserved, "reserve"}, {doublesReserved, "reserve"}, {forgetsReserved, "bulk"}, {doublesReserved, "bulk"}, {forgetsReserved, "hot"},
		{doublesReserved, "hot"}, {forgetsReserved, "readable"}, {staleReads, "readable"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, c.lie)
			s.peak = 5_000
			for _, method := range []string{getMethod, batchMethod, reserveMethod, bulkMethod, echoMethod} {
				s.service.takes[method], s.bare.takes[method] = 5*time.Millisecond, 5*time.Millisecond
			}
			if _, err := s.measure(t, c.row); !errors.Is(err, ErrWrong) {
				t.Errorf("%s in %s: %v", c.lie, c.row, err)
			}
		})
	}
}

// A rival that cannot go on is left out and said to be; one whose sums are wrong fails the row.
func TestARivalThatFails(t *testing.T) {
	for _, c := range []struct {
		fails   error
		missing string
	}{{errors.New("no room"), "no room"}, {wrong("sums differ"), ""}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, honest)
			s.service.takes[getMethod], s.bare.takes[echoMethod] = 2*time.Millisecond, time.Millisecond
			q, err := newQuestions(s.catalogue, 100)
			if err != nil {
				t.Fatal(err)
			}
			f, asked := Figure{Against: []Against{{Name: "PostgreSQL", Target: 12}}}, 0
			err = duel{inFlight: 8, calls: q.get, rival: func(context.Context, time.Duration) (float64, error) {
				if asked++; asked == 2 {
					return 0, c.fails
				}
				return 1, nil
			}}.run(t.Context(), s.bench, &f)
			f.conclude()
			if errors.Is(err, ErrWrong) != (c.missing == "") || asked != 2 || c.missing != "" && (f.Against[0].Missing != c.missing || f.Against[0].Value != 0 || len(f.Rounds) != 3) {
				t.Errorf("%v: %v after %d; %+v", c.fails, err, asked, f.Against)
			}
		})
	}
}

// From a write's reply until a read with its token, while reservations come at half of the highest rate.
func TestCommitToReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.peak = 10_000
		s.service.takes[reserveMethod], s.service.takes[getMethod] = 3*time.Millisecond, time.Millisecond
		s.service.slowToken = 2 * time.Millisecond
		f, err := s.measure(t, "readable")
		if err != nil {
			t.Fatal(err)
		}
		if !near(f.Value, 3) || !near(f.Baseline, 1) || !near(f.Ratio, 3) || !near(f.Latency.P99, 3) || !near(f.BaselineLatency.P50, 1) {
			t.Errorf("%+v", f)
		}
		if *f.Met {
			t.Errorf("a p50 of 3 ms meets %s", f.Target)
		}
		if len(f.Notes) != 2 || !strings.HasSuffix(f.Notes[0], "of 5,000 asked for") || f.Notes[1] != "Reserve itself meanwhile: p50 3.00 ms, p99 3.00 ms" {
			t.Errorf("notes: %q", f.Notes)
		}
		// 5,000/s for 300 ms, but for the ticks of the last millisecond of each round.
		if f.Calls < 1_450 || f.Calls > 1_500 || f.Errors != 0 {
			t.Errorf("%d calls behind it, %d errors", f.Calls, f.Errors)
		}
		if s.hotTaken != probes {
			t.Errorf("%d SKUs taken for %d probes", s.hotTaken, probes)
		}
	})
}

func TestCommitToReadableFindsTheHighestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.service.takes[reserveMethod] = 10 * time.Millisecond
		f, err := s.measure(t, "readable")
		if err != nil || s.peak != 6_400 || !strings.HasSuffix(f.Notes[0], "of 3,200 asked for") {
			t.Errorf("highest %g: %q (%v)", s.peak, f.Notes, err)
		}
	})
}

// The stock is counted once, however many rows ask for it.
func TestTheStockIsPutInPlaceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		for range 3 {
			if _, err := s.stocked(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if want := uint64(300+reserveSKUs+hotSKUs) * shelvesPerSKU; s.service.Events != want {
			t.Errorf("%d events, expected %d", s.service.Events, want)
		}
		if err := s.checkReadable(t.Context(), s.service); err != nil {
			t.Error(err)
		}
		s.catalogue.onHand[7][s.catalogue.shelves[7][0]]++
		if err := s.checkReadable(t.Context(), s.service); !errors.Is(err, ErrWrong) {
			t.Errorf("one unit too few: %v", err)
		}
	})
}

// What is recorded to have enough to replay must be in the sums.
func TestToppingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		if _, err := s.stocked(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := int(s.service.Events)
		var f Figure
		s.replay = before
		if err := s.topUp(t.Context(), &f); err != nil || int(s.service.Events) != before || len(f.Notes) != 0 {
			t.Errorf("%d events, there were enough with %d (%v)", s.service.Events, before, err)
		}
		s.replay = before + 2_345
		if err := s.topUp(t.Context(), &f); err != nil || int(s.service.Events) != s.replay || len(f.Notes) != 1 {
			t.Errorf("%d events, %d are needed; notes %q (%v)", s.service.Events, s.replay, f.Notes, err)
		}
		if err := s.checkReadable(t.Context(), s.service); err != nil {
			t.Error(err)
		}
	})
}

// Reservations of all calls in flight count, beside what Pebble alone syncs.
func TestReservationsInBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		s.service.takes[bulkMethod] = 5 * time.Millisecond
		f, err := s.measure(t, "bulk")
		if err != nil {
			t.Fatal(err)
		}
		if !near(f.Value, bulkSize*bulkInFlight/0.005) || !near(f.Baseline, bulkSize/0.002) || *f.Met != true {
			t.Errorf("%+v", f)
		}
	})
}

// Pebble alone holds what it was given, after a restart too.
func TestPebbleAloneKeepsWhatItSyncs(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		append, closing, err := openAlone(dir)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := append(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := closing(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	it, _ := db.NewIter(nil)
	defer it.Close()
	n, bytes := 0, 0
	for ok := it.First(); ok; ok = it.Next() {
		n, bytes = n+1, bytes+len(it.Key())+len(it.Value())
	}
	if n != 2*bulkSize || bytes != bulkSize*(9+bulkEvent+bulkIndex) {
		t.Errorf("%d keys of %d bytes", n, bytes)
	}
}
