package aggregates

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestInstant(t *testing.T) {
	noon := time.Date(2026, 1, 5, 12, 0, 0, 123_456_789, time.FixedZone("Berlin", 3600))
	at := At(noon)
	if want := time.Date(2026, 1, 5, 11, 0, 0, 123_456_000, time.UTC); !at.Time().Equal(want) || at.Time().Location() != time.UTC {
		t.Fatal(at.Time())
	}
	if at.Add(1500*time.Microsecond) != at+1500 || at.Add(-time.Second) != at-Second {
		t.Fatal(at)
	}
	if At(time.Time{}) != 0 || !Instant(0).Time().IsZero() {
		t.Fatal("not set is not the zero time")
	}
}

func TestInstantsOfAnyTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Instant(rapid.Int64Range(-62_135_596_799_999_999, 253_402_300_799_999_999).Draw(t, "instant"))
		if i != 0 && At(i.Time()) != i {
			t.Fatalf("%d became %d", i, At(i.Time()))
		}
		up := i.CeilSecond()
		if up%Second != 0 || up < i || up-i >= Second {
			t.Fatalf("%d rounded up is %d", i, up)
		}
	})
}

func TestCeilSecond(t *testing.T) {
	for i, want := range map[Instant]Instant{0: 0, 1: Second, Second: Second, Second + 1: 2 * Second, -1: 0, -Second: -Second, -Second - 1: -Second} {
		if got := i.CeilSecond(); got != want {
			t.Errorf("%d: %d, expected %d", i, got, want)
		}
	}
}

// The id is RFC 9562's version 5; the expected ones were computed with another implementation, so that they can never
// change unnoticed: events that were stored under them are told by them.
func TestEventIDsAreAContract(t *testing.T) {
	tests := []struct {
		stream, key string
		index       int
		contents    string
		want        string
	}{
		{"sku-4711", "pos-berlin|42", 0, "contents", "e55473bb-5c7b-56ba-b2e4-d57825a38e39"},
		{"sku-4711", "pos-berlin|42", 0, "", "024613be-2298-511e-85f8-7ce1431ff64f"},
		{"sku-4711", "pos-berlin|42", 1, "", "f109c6e1-7ade-5af1-aeda-bfcc79ba0af5"},
		{"sku-4711", "pos-berlin|42", 300, "", "2612cd28-62f5-58b3-9030-1e35eb912abf"},
		{"sku-", "", 0, "", "843ddfbe-ef83-50ee-b6ed-5fab2db378cb"},
		{"sku-" + strings.Repeat("s", 300), "Käse", 0, "", "4173d660-7d37-51d0-9eb2-06ddaf61d28e"},
	}
	for _, x := range tests {
		if got := NewEventID(x.stream, x.key, x.index, []byte(x.contents)).String(); got != x.want {
			t.Errorf("%.20s %s %d: %s, expected %s", x.stream, x.key, x.index, got, x.want)
		}
	}
}

func TestEventIDsDiffer(t *testing.T) {
	seen := map[EventID]string{}
	for _, x := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}} {
		for index := range 3 {
			id := NewEventID(x[0], x[1], index, nil)
			if other, taken := seen[id]; taken {
				t.Errorf("%v %d has the id of %s", x, index, other)
			}
			seen[id] = x[0] + "," + x[1]
			if id[6]>>4 != 5 || id[8]>>6 != 2 {
				t.Errorf("%s is not version 5", id)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	// SHA-256 of 03 "abc" 01 "d", its first eight bytes.
	if got := Fingerprint("abc", "d"); got != 0x07b7056894071c27 {
		t.Errorf("%#x", got)
	}
	lists := [][]string{{}, {""}, {"", ""}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"\x02ab", "c"}, {strings.Repeat("x", 600)}}
	seen := map[uint64][]string{}
	for _, list := range lists {
		f := Fingerprint(list...)
		if other, taken := seen[f]; taken {
			t.Errorf("%q and %q look alike", list, other)
		}
		seen[f] = list
	}
}

func TestNewEventIDAllocatesNothing(t *testing.T) {
	stream, key, contents := "sku-4711", "pos-berlin|42", make([]byte, 300)
	if n := testing.AllocsPerRun(100, func() { NewEventID(stream, key, math.MaxInt32, contents) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}
