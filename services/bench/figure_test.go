package bench

import "testing"

func TestAComparisonIsTold(t *testing.T) {
	f := Figure{Against: []Against{{Name: "PostgreSQL 15", Target: 1.5, rounds: []Round{newRound(300, 100), newRound(500, 100), newRound(200, 100)}}}}
	f.conclude()
	if got := f.Against[0].String(); got != "PostgreSQL 15 100: 3.00 times as many, target ≥ 1.5: yes" {
		t.Error(got)
	}
	f.Against[0].Target = 12
	if got := f.Against[0].String(); got != "PostgreSQL 15 100: 3.00 times as many, target ≥ 12.0: NO" {
		t.Error(got)
	}
	if got := (&Against{Name: "PostgreSQL", Missing: errNoPostgres.Error()}).String(); got != "not compared with PostgreSQL: PostgreSQL is not installed here" {
		t.Error(got)
	}
}

func TestABoundIsTold(t *testing.T) {
	b := Bound{Name: "memory", Unit: "MiB", Value: 120.4, Most: 500}
	if got := b.String(); got != "memory: 120 MiB, target ≤ 500: yes" {
		t.Error(got)
	}
	b.Value = 501
	if got := b.String(); got != "memory: 501 MiB, target ≤ 500: NO" {
		t.Error(got)
	}
	b.Most = 0
	if got := b.String(); got != "memory: 501 MiB" {
		t.Error(got)
	}
}

// A row's target is met when all of its parts are.
func TestAllPartsOfATargetCount(t *testing.T) {
	slow, fast := Against{Name: "x", Target: 12, rounds: []Round{newRound(11, 1)}}, Against{Name: "x", Target: 12, rounds: []Round{newRound(12, 1)}}
	large, small := Bound{Value: 501, Most: 500}, Bound{Value: 500, Most: 500}
	for _, c := range []struct {
		against []Against
		bounds  []Bound
		met     bool
	}{
		{nil, nil, true}, {[]Against{fast}, []Bound{small}, true}, {[]Against{fast, slow}, nil, false}, {[]Against{fast}, []Bound{large}, false},
		{[]Against{{Name: "x", Target: 12, Missing: "not installed"}}, []Bound{{Value: 501}}, true},
	} {
		f := Figure{Target: &Target{Value: 1}, Rounds: []Round{newRound(1, 0)}, Against: c.against, Bounds: c.bounds}
		if f.conclude(); *f.Met != c.met {
			t.Errorf("%v %v: met %t", c.against, c.bounds, *f.Met)
		}
	}
}

// Few watchers take less than the heap grows anyway: only those that the target is about are held to it.
func TestIdleWatchersAreBound(t *testing.T) {
	if b := idleBound(idleCounted, 600<<20); b.met() || b.Value != 600 {
		t.Errorf("%+v", b)
	}
	if b := idleBound(idleCounted, -1); !b.met() || b.Value != 0 {
		t.Errorf("%+v", b)
	}
	if b := idleBound(200, 600<<20); !b.met() {
		t.Errorf("%+v", b)
	}
}
