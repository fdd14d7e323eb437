package load

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

func TestDifferencesAreFound(t *testing.T) {
	v := &Verification{}
	v.add("milk", map[string]int64{"1": 5, "2": 0, "3": -2}, map[string]int64{"1": 5, "2": 0, "3": -2, "4": 0}) // all right
	v.add("eggs", map[string]int64{"1": 5, "2": 7}, map[string]int64{"1": 4, "9": 1})                           // wrong, missing, too many
	if v.Pairs != 5 || v.Wrong != 3 || v.SoldOut != 1 || v.Negative != 1 {
		t.Errorf("got %+v", v)
	}
	want := []Mismatch{{"eggs", "1", 5, 4}, {"eggs", "2", 7, 0}, {"eggs", "9", 0, 1}}
	for i, m := range v.Mismatches {
		if m != want[i] {
			t.Errorf("mismatch %d is %v, want %v", i, m, want[i])
		}
	}
}

func TestListedDifferencesAreBounded(t *testing.T) {
	v := &Verification{}
	for range maxMismatches + 5 {
		v.add("milk", map[string]int64{"1": 1}, nil)
	}
	if v.Wrong != maxMismatches+5 || len(v.Mismatches) != maxMismatches {
		t.Errorf("counted %d, listed %d", v.Wrong, len(v.Mismatches))
	}
	s := Summary{Survey: &Survey{}, Verification: v}
	var out strings.Builder
	if err := s.Print(&out); err != nil || !s.Failed() || !strings.Contains(out.String(), "and 5 more") {
		t.Errorf("got %v, failed %v:\n%s", err, s.Failed(), &out)
	}
}

func TestEachCallsForAllAndWaits(t *testing.T) {
	list := make([]int, 1000)
	var calls, now, most atomic.Int64
	err := each(context.Background(), list, func(context.Context, int) error {
		most.Store(max(most.Load(), now.Add(1)))
		calls.Add(1)
		now.Add(-1)
		return nil
	})
	if err != nil || calls.Load() != 1000 || now.Load() != 0 || most.Load() > maxInFlight {
		t.Errorf("got %v, %d calls, %d at once", err, calls.Load(), most.Load())
	}
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	list := make([]int, 10_000)
	var calls atomic.Int64
	err := each(context.Background(), list, func(context.Context, int) error {
		if calls.Add(1) >= 10 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || calls.Load() > 10+maxInFlight {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := each(ctx, list, func(context.Context, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPagesFollowTheirTokens(t *testing.T) {
	var seen []string
	err := pages(func(token string) (string, error) {
		seen = append(seen, token)
		return map[string]string{"": "a", "a": "b"}[token], nil
	})
	if err != nil || strings.Join(seen, ",") != ",a,b" {
		t.Errorf("got %v, %q", err, seen)
	}
}
