package availability

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func skusOf(list []Availability) []string {
	names := []string{}
	for _, a := range list {
		names = append(names, fmt.Sprint(a.SKU, "@", a.Position))
	}
	return names
}

func logged(l *changeLog, limit int, skus ...string) {
	for _, sku := range skus {
		seq := uint64(1)
		if n := len(l.entries); n > 0 {
			seq = l.entries[n-1].seq + 1
		}
		l.add(change{Availability: Availability{SKU: sku, Position: 10 * seq}, seq: seq, before: 10*seq - 1}, limit)
	}
}

func TestChangeLogKeepsTheLastValueOfEachSKU(t *testing.T) {
	var l changeLog
	logged(&l, 100, "a", "b", "a", "c", "a", "b")
	got, cursor, rest := l.read(0, 0, nil)
	if want := []string{"c@40", "a@50", "b@60"}; !slices.Equal(skusOf(got), want) || cursor != 6 || rest != nil {
		t.Fatalf("got %q, cursor %d, rest %v", skusOf(got), cursor, rest)
	}
	got, _, _ = l.read(4, 0, nil)
	if want := []string{"a@50", "b@60"}; !slices.Equal(skusOf(got), want) {
		t.Fatalf("after the 4th: %q", skusOf(got))
	}
	got, _, _ = l.read(0, 50, nil)
	if want := []string{"b@60"}; !slices.Equal(skusOf(got), want) {
		t.Fatalf("newer than 50: %q", skusOf(got))
	}
}

func TestChangeLogIsReadInParts(t *testing.T) {
	var l changeLog
	for i := range maxChanges + 5 {
		logged(&l, 1<<20, fmt.Sprint(i))
	}
	got, cursor, rest := l.read(0, 0, nil)
	if len(got) != maxChanges || cursor != maxChanges || rest == nil || rest.seq != maxChanges+1 {
		t.Fatalf("%d values, cursor %d, rest %+v", len(got), cursor, rest)
	}
	got, cursor, rest = l.read(cursor, 0, nil)
	if len(got) != 5 || cursor != maxChanges+5 || rest != nil {
		t.Fatalf("%d values, cursor %d, rest %+v", len(got), cursor, rest)
	}
}

func TestChangeLogLetsTheOldestGo(t *testing.T) {
	var l changeLog
	logged(&l, 3, "a", "b", "a", "c", "d")
	got, _, _ := l.read(0, 0, nil)
	if want := []string{"a@30", "c@40", "d@50"}; !slices.Equal(skusOf(got), want) || l.dropped != 2 {
		t.Fatalf("got %q, dropped through %d", skusOf(got), l.dropped)
	}
	if gone := l.add(change{Availability: Availability{SKU: "e", Position: 60}, seq: 6}, 2); gone != 40 || l.dropped != 4 {
		t.Fatalf("position %d gone, dropped through %d", gone, l.dropped)
	}
}

// Whatever changes, whoever reads from any place gets the last value of all that changed since, and memory is bounded.
func TestChangeLogAgainstAListOfEverything(t *testing.T) {
	const limit = 50
	random := rand.New(rand.NewPCG(1, 2))
	var l changeLog
	var all []change
	for seq := uint64(1); seq <= 20_000; seq++ {
		skus := 30
		if seq > 10_000 {
			skus = 80
		}
		c := change{Availability: Availability{SKU: fmt.Sprint(random.IntN(skus)), Position: seq}, seq: seq}
		all = append(all, c)
		l.add(c, limit)
		if len(l.live) > limit || len(l.entries) > 2*compactFrom {
			t.Fatalf("%d live, %d entries", len(l.live), len(l.entries))
		}
		if seq%97 != 0 {
			continue
		}
		from := seq - min(seq, random.Uint64N(200))
		if from < l.dropped {
			continue // a watcher goes back to the documents
		}
		got, _, _ := l.read(from, 0, nil)
		want := map[string]uint64{}
		for _, c := range all[from:] {
			want[c.SKU] = c.Position
		}
		if len(got) != len(want) {
			t.Fatalf("after %d: %d values, want %d", from, len(got), len(want))
		}
		for _, a := range got {
			if want[a.SKU] != a.Position {
				t.Fatalf("after %d: %+v, want position %d", from, a, want[a.SKU])
			}
		}
	}
}
