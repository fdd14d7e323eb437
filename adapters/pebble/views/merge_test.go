package views

import (
	"testing"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// The order in which Pebble hands over the values of a key must not matter.
func TestNewestVersionWinsInAnyOrder(t *testing.T) {
	value := func(first, second uint64, text string) []byte {
		return append(appendVersion(nil, first, second), text...)
	}
	writes := [][]byte{ // in the order of writing
		value(1, 9, "one"), value(3, 2, "three"), value(3, 5, "three and more"), value(2, 99, "two"), value(3, 5, "again"),
		value(3, 4, "three and less"),
	}
	const want = "again"
	forward, err := newestWins.Merge(nil, writes[0])
	check(t, err)
	for _, w := range writes[1:] {
		check(t, forward.MergeNewer(w))
	}
	backward, err := newestWins.Merge(nil, writes[len(writes)-1])
	check(t, err)
	for i := len(writes) - 2; i >= 0; i-- {
		check(t, backward.MergeOlder(writes[i]))
	}
	for _, m := range []pebbledb.ValueMerger{forward, backward} {
		got, _, err := m.Finish(true)
		check(t, err)
		if string(got[versionBytes:]) != want {
			t.Fatalf("got %q, want %q", got[versionBytes:], want)
		}
	}
}

func TestMergingSharesNoMemoryWithItsValues(t *testing.T) {
	value := append(appendVersion(nil, 1, 0), "kept"...)
	m, err := newestWins.Merge(nil, value)
	check(t, err)
	clear(value)
	if got, _, _ := m.Finish(true); string(got[versionBytes:]) != "kept" {
		t.Fatalf("got %q", got)
	}
}

func TestNamesOfAnyBytesAreCutAsTheyWereAppended(t *testing.T) {
	for _, name := range []string{"", "a", "\x00", "\xff\xff", string(make([]byte, 300))} {
		got, rest, ok := cutName(append(appendName(nil, name), "rest"...))
		if string(got) != name || string(rest) != "rest" || !ok {
			t.Fatalf("%q: got %q, %q, %v", name, got, rest, ok)
		}
		if _, _, ok := cutName(appendName(nil, name+"x")[:len(name)+1]); ok {
			t.Fatalf("%q: cut from too few bytes", name)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
