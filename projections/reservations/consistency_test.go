package reservations_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/reservations"
)

// What is read agrees with the domain's own state, after every few events.
func TestRecordsAgreeWithTheDomain(t *testing.T) {
	for _, cache := range []int64{0, 1} {
		s := prepare(t)
		s.cache = cache
		s.run()
		facts := viewtest.NewFacts(4)
		for range 25 {
			facts.Add(t, s.History, 20)
			s.wantOracle()
		}
		s.stop()
	}
}

// behind is a read model whose progress seems to have been lost: it is written by somebody who is ahead.
type behind struct{ reservations.ReadModel }

func (behind) Progress(context.Context) (projections.Progress, error) {
	return projections.Progress{Position: 150}, nil
}

func TestEventsThatARecordIncludesAreNotCountedAgain(t *testing.T) {
	s := start(t)
	facts := viewtest.NewFacts(12)
	s.SKU(t, "shoe", placed("long", 10, 0)) // before the position that it is taken back to
	facts.Add(t, s.History, 300)
	s.SKU(t, "shoe", released("long", 3, false))
	s.seen()
	s.wrap = func(m reservations.ReadModel) reservations.ReadModel { return behind{m} }
	s.restart()
	s.wantOracle()
	facts.Add(t, s.History, 50)
	s.wantOracle()
}

func TestSameEventsSameRecords(t *testing.T) {
	s := prepare(t)
	viewtest.NewFacts(8).Add(t, s.History, 800)
	var first string
	for _, workers := range []int{1, 8} {
		s.workers = workers
		s.run()
		got := s.dump()
		s.wantOracle()
		if err := s.db.Reservations().Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.stop()
		if first != "" && got != first {
			t.Fatalf("%d workers:\n%s\nelse:\n%s", workers, got, first)
		}
		first = got
	}
}

// Stopped or cut off at any moment, the projection comes to the same records as if nothing had happened.
func TestRestartsAndCrashesChangeNothing(t *testing.T) {
	for _, cache := range []int64{0, 1} {
		s := prepare(t)
		s.cache = cache
		s.run()
		facts, random := viewtest.NewFacts(6), rand.New(rand.NewPCG(2, 2))
		for range 40 {
			facts.Add(t, s.History, 1+random.IntN(30))
			s.workers = 1 + random.IntN(8)
			switch random.IntN(3) {
			case 0:
				s.restart()
			case 1:
				s.crash(random.IntN(101), random)
			default:
				s.seen()
			}
		}
		got := s.dump()
		s.wantOracle()
		s.stop()
		fresh := prepare(t)
		fresh.History = s.History
		fresh.run()
		if want := fresh.dump(); got != want {
			t.Fatalf("built in steps:\n%s\nbuilt at once:\n%s", got, want)
		}
		fresh.stop()
	}
}
