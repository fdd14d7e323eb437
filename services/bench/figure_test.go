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
