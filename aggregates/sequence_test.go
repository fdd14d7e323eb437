package aggregates

import "testing"

func TestSequencesAreInTheOrderOfTheirSource(t *testing.T) {
	for _, list := range [][]string{
		{"0", "1", "9", "10", "0011", "99999999999999999999998", "99999999999999999999999"},
		{"2026-09", "2026-10", "a", "b9"},
	} {
		for i, a := range list {
			for j, b := range list {
				if got := CompareSequences(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
					t.Errorf("%s and %s: %d", a, b, got)
				}
			}
		}
	}
	if CompareSequences("007", "7") != 0 {
		t.Error("zeros before a number make another number of it")
	}
}

func TestOnlyDigitsAreNumbers(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "000": 0, "17": 17, "0000000000000000000042": 42, "999999999999999999": 999999999999999999} {
		if n, ok := SequenceNumber(text); !ok || n != want {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "-1", "1.0", "1e3", "x", " 1", "١", "1000000000000000000"} {
		if n, ok := SequenceNumber(text); ok {
			t.Errorf("%q is %d", text, n)
		}
	}
}
