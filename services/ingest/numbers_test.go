package ingest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

var wms = numbering{"wms", "berlin"}

// noted notes numbers and returns what is missing after each that changed a gap.
func noted(x *sequences, of numbering, list ...int64) (changes []string) {
	for i, n := range list {
		if _, g := x.note(of, n, &Message{Offset: int64(i), Time: aggregates.Instant(1000 + i)}, 0); g != nil {
			changes = append(changes, fmt.Sprint(n, " ", g.missing))
		}
	}
	return changes
}

func TestAGapIsOpenUntilItIsFilled(t *testing.T) {
	for name, c := range map[string]struct {
		numbers []int64
		want    []string
	}{
		"in order":                    {[]int64{5, 6, 7, 8}, nil},
		"the first begins":            {[]int64{100, 101}, nil},
		"told twice":                  {[]int64{5, 6, 6, 5, 7}, nil},
		"earlier than the first":      {[]int64{5, 3, 4, 6}, nil},
		"one is missing":              {[]int64{5, 7, 8}, []string{"7 [{6 6}]"}},
		"and comes late":              {[]int64{5, 7, 8, 6, 6, 9}, []string{"7 [{6 6}]", "6 []"}},
		"from one end, then the next": {[]int64{1, 5, 2, 4, 3}, []string{"5 [{2 4}]", "2 [{3 4}]", "4 [{3 3}]", "3 []"}},
		"from the middle":             {[]int64{1, 6, 3, 3}, []string{"6 [{2 5}]", "3 [{2 2} {4 5}]"}},
		"two gaps":                    {[]int64{1, 3, 5, 4, 2}, []string{"3 [{2 2}]", "5 [{4 4}]", "4 []", "2 []"}},
	} {
		if got := noted(newSequences(), wms, c.numbers...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	x := newSequences()
	if got := append(noted(x, wms, 1), noted(x, numbering{"wms", "munich"}, 7, 8)...); got != nil {
		t.Errorf("another key has numbers of its own: %q", got)
	}
}

// Whatever numbers come in whichever order, with restarts from what was saved at any earlier time and all since read again, what is
// missing is what did not come between the first and the highest, as long as no bound is met.
func TestWhatIsMissingIsWhatDidNotCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, seen := newSequences(), map[numbering]map[int64]bool{}
		first := map[numbering]int64{}
		var saved string
		type come struct {
			of numbering
			n  int64
		}
		var since []come
		note := func(c come) {
			x.note(c.of, c.n, &Message{Time: 5}, 0)
			if seen[c.of] == nil {
				seen[c.of], first[c.of] = map[int64]bool{}, c.n
			}
			seen[c.of][c.n] = true
		}
		for range rapid.IntRange(1, 120).Draw(t, "messages") {
			c := come{numbering{"s", fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "key"))}, rapid.Int64Range(1, 30).Draw(t, "number")}
			note(c)
			since = append(since, c)
			switch rapid.IntRange(0, 9).Draw(t, "then") {
			case 0:
				saved, since = x.save(), nil
			case 1: // a crash; what came since is read again
				var err error
				if x, err = loadSequences(saved); err != nil {
					t.Fatal(err)
				}
				for _, c := range since {
					note(c)
				}
			}
		}
		for of, numbers := range seen {
			var want, got []int64
			for n := first[of] + 1; n < slices.Max(slices.Collect(maps.Keys(numbers))); n++ {
				if !numbers[n] {
					want = append(want, n)
				}
			}
			for _, g := range x.tracks[of].gaps {
				for _, s := range g.missing {
					for n := s.first; n <= s.last; n++ {
						got = append(got, n)
					}
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Fatalf("%v: missing %v, want %v", of, got, want)
			}
		}
	})
}

func TestNumbersAreBounded(t *testing.T) {
	t.Run("numberings", func(t *testing.T) {
		x := newSequences()
		noted(x, numbering{"s", "with a gap"}, 1, 3)
		for i := range MaxNumberings + 50 {
			noted(x, numbering{"s", fmt.Sprint(i)}, 1)
		}
		if len(x.tracks) != MaxNumberings || x.silent.Len() != MaxNumberings || x.unfollowed != 0 {
			t.Errorf("%d numberings, %d in line, %d unfollowed", len(x.tracks), x.silent.Len(), x.unfollowed)
		}
		if x.tracks[numbering{"s", "with a gap"}] == nil || x.tracks[numbering{"s", "0"}] != nil {
			t.Error("the one with a gap went, or the one silent longest stayed")
		}
		if got := noted(x, numbering{"s", "0"}, 500, 501); got != nil {
			t.Errorf("one that was forgotten makes up a gap: %q", got)
		}
	})
	t.Run("gaps of one", func(t *testing.T) {
		x := newSequences()
		for n := int64(1); n < 200; n += 2 {
			noted(x, wms, n)
		}
		if got := len(x.tracks[wms].gaps); got != MaxGaps || x.unfollowed != 99-MaxGaps {
			t.Errorf("%d gaps, %d unfollowed", got, x.unfollowed)
		}
		for _, g := range x.tracks[wms].gaps {
			x.tell(wms, g.first, g.version)
		}
		x.note(wms, 500, &Message{Time: KeepGaps + 2000}, 0)
		if got := len(x.tracks[wms].gaps); got != 1 {
			t.Errorf("%d gaps once the others were open for long", got)
		}
	})
	t.Run("runs of one gap", func(t *testing.T) {
		x := newSequences()
		noted(x, wms, 1, 1000)
		for n := int64(3); n < 999; n += 3 {
			noted(x, wms, n)
		}
		g := x.tracks[wms].gaps[0]
		if len(g.missing) > maxSpans || x.unfollowed == 0 {
			t.Errorf("%d runs, %d unfollowed", len(g.missing), x.unfollowed)
		}
	})
}

func TestAFilledGapIsKeptUntilItIsTold(t *testing.T) {
	x := newSequences()
	noted(x, wms, 1, 3, 2)
	if got := len(x.tracks[wms].gaps); got != 1 {
		t.Fatalf("%d gaps", got)
	}
	x.tell(wms, 2, 1) // what was told is what it was before it was filled
	if again, err := loadSequences(x.save()); err != nil || len(again.tracks[wms].gaps) != 1 || again.tracks[wms].gaps[0].told {
		t.Fatalf("after a restart: %+v, %v", again, err)
	}
	x.tell(wms, 2, 2)
	if got := len(x.tracks[wms].gaps); got != 0 {
		t.Errorf("%d gaps once all is told", got)
	}
}

func TestDamagedNumbersAreAnError(t *testing.T) {
	x := newSequences()
	noted(x, wms, 1, 9, 5)
	noted(x, numbering{"", ""}, 7)
	whole := x.save()
	if again, err := loadSequences(whole); err != nil || again.save() != whole {
		t.Fatalf("%v", err)
	}
	for cut := 1; cut < len(whole); cut++ {
		if _, err := loadSequences(whole[:cut]); err == nil {
			t.Errorf("cut at %d: no error", cut)
		}
	}
	for _, text := range []string{"\x02" + whole[1:], whole + "x", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if _, err := loadSequences(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
