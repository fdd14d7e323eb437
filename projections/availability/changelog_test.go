package availability

import (
	"fmt"
	"maps"
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

func emptyLog(number int, skus loggedSKUs) *changeLog { return &changeLog{number: number, skus: skus} }

func (l *changeLog) change(seq uint64, sku string, position uint64, limit int) (gone uint64) {
	return l.add(&change{Availability: Availability{SKU: sku, Position: position}, seq: seq, before: position - 1, of: l.skus.get(sku)}, limit)
}

func (l *changeLog) changes(limit int, skus ...string) {
	for _, sku := range skus {
		seq := uint64(1)
		if n := len(l.entries); n > 0 {
			seq = l.entries[n-1].seq + 1
		}
		l.change(seq, sku, 10*seq, limit)
	}
}

func readAll(after, newer uint64, logs ...*changeLog) ([]Availability, uint64, *change) {
	var r logReaders
	for _, l := range logs {
		r.begin(l, after)
	}
	return r.read(after, newer, nil)
}

func TestChangeLogKeepsTheLastValueOfEachSKU(t *testing.T) {
	l := emptyLog(0, loggedSKUs{})
	l.changes(100, "a", "b", "a", "c", "a", "b")
	got, cursor, rest := readAll(0, 0, l)
	if want := []string{"c@40", "a@50", "b@60"}; !slices.Equal(skusOf(got), want) || cursor != 6 || rest != nil {
		t.Fatalf("got %q, cursor %d, rest %v", skusOf(got), cursor, rest)
	}
	got, _, _ = readAll(4, 0, l)
	if want := []string{"a@50", "b@60"}; !slices.Equal(skusOf(got), want) {
		t.Fatalf("after the 4th: %q", skusOf(got))
	}
	got, _, _ = readAll(0, 50, l)
	if want := []string{"b@60"}; !slices.Equal(skusOf(got), want) {
		t.Fatalf("newer than 50: %q", skusOf(got))
	}
}

func TestChangeLogIsReadInParts(t *testing.T) {
	l := emptyLog(0, loggedSKUs{})
	for i := range maxChanges + 5 {
		l.changes(1<<20, fmt.Sprint(i))
	}
	got, cursor, rest := readAll(0, 0, l)
	if len(got) != maxChanges || cursor != maxChanges || rest == nil || rest.seq != maxChanges+1 {
		t.Fatalf("%d values, cursor %d, rest %+v", len(got), cursor, rest)
	}
	got, cursor, rest = readAll(cursor, 0, l)
	if len(got) != 5 || cursor != maxChanges+5 || rest != nil {
		t.Fatalf("%d values, cursor %d, rest %+v", len(got), cursor, rest)
	}
}

func TestChangeLogLetsTheOldestGo(t *testing.T) {
	l := emptyLog(0, loggedSKUs{})
	l.changes(3, "a", "b", "a", "c", "d")
	got, _, _ := readAll(0, 0, l)
	if want := []string{"a@30", "c@40", "d@50"}; !slices.Equal(skusOf(got), want) || l.dropped != 2 {
		t.Fatalf("got %q, dropped through %d", skusOf(got), l.dropped)
	}
	if gone := l.change(6, "e", 60, 2); gone != 40 || l.dropped != 4 {
		t.Fatalf("position %d gone, dropped through %d", gone, l.dropped)
	}
}

// Whatever changes on two channels, whoever reads one of them or both from any place gets the last value of all that changed since, in the order of
// change, and memory is bounded.
func TestChangeLogAgainstAListOfEverything(t *testing.T) {
	const limit = 50
	random := rand.New(rand.NewPCG(1, 2))
	skus := loggedSKUs{}
	logs := []*changeLog{emptyLog(0, skus), emptyLog(1, skus)}
	var all []change
	for seq := uint64(1); seq <= 20_000; seq++ {
		known := 30
		if seq > 10_000 {
			known = 80
		}
		sku, on := fmt.Sprint(random.IntN(known)), random.IntN(2)
		all = append(all, change{Availability: Availability{SKU: sku, Channel: fmt.Sprint(on), Position: seq}, seq: seq})
		logs[on].change(seq, sku, seq, limit)
		if l := logs[on]; l.live > limit || len(l.entries) > 2*compactFrom {
			t.Fatalf("%d live, %d entries", l.live, len(l.entries))
		}
		if len(skus) > logs[0].live+logs[1].live {
			t.Fatalf("%d SKUs are known, of %d and %d changes", len(skus), logs[0].live, logs[1].live)
		}
		if seq%97 != 0 {
			continue
		}
		from := seq - min(seq, random.Uint64N(100))
		of := [][]*changeLog{logs[:1], logs[1:], logs}[random.IntN(3)]
		want, lost := map[string]uint64{}, false
		for _, l := range of {
			lost = lost || from < l.dropped // a watcher goes back to the documents
			for _, c := range all[from:] {
				if c.Channel == fmt.Sprint(l.number) {
					want[c.Channel+" "+c.SKU] = c.Position
				}
			}
		}
		if got, _, _ := readAll(from, 0, of...); !lost {
			wantValues(t, from, slices.Sorted(maps.Values(want)), got)
		}
	}
}

// wantValues compares values with the positions that they are to have, in order.
func wantValues(t *testing.T, from uint64, want []uint64, got []Availability) {
	t.Helper()
	positions := make([]uint64, len(got))
	for i, a := range got {
		positions[i] = a.Position
	}
	if !slices.Equal(positions, want) {
		t.Fatalf("after %d: positions %d, want %d", from, positions, want)
	}
}
