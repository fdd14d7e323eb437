package storetest

import (
	"strings"

	"github.com/stockfold/stockfold/aggregates"
)

var nameTests = []test{
	{"any bytes in the name of a stream", anyNames},
	{"a name that begins like another is another stream", prefixTraps},
	{"names of every length", nameLengths},
	{"survive reopening", namesReopened},
}

// traps are names that an encoding of names may mix up.
var traps = []string{
	"sku-a", "sku-ab", "sku-a-b", "sku-", "sku-A", "sku-a ", " sku-a", "sku-a/b", "sku-a%2Fb", "sku-a%2fb", "sku-a%", "sku-a%00",
	"sku-a\x00", "sku-a\x00b", "sku-a\x00\x00", "sku-a\x00\xff", "sku-a\xff", "sku-a\xff\xff", "sku-a\x01", "sku-a\n", "sku-a\r\n",
	"sku-ä", "sku-a\u0308", "sku-商品", "sku-🛒", "sku-\u202eabc", "sku-a\\b", "sku-\"a\"", "sku-'a'", "sku-$a", "sku-a$", "sku-a:b",
	"sku-a?b#c", "sku-a*", "sku-..", "sku-a.b", "sku-{a}", "sku-<a>", "sku-a@1", "sku-a+b", "sku-a=b", "sku-a,b", "sku-a;b", "sku-0", "sku-00",
	"sku-" + "00000000", "sku-" + "\x00\x00\x00\x00\x00\x00\x00\x00", "sku-" + "\xff\xff\xff\xff\xff\xff\xff\xff", "\x80sku-a", "sku-a\xc3\x28",
}

func anyNames(f *fixture) {
	for round := range 3 {
		for _, name := range traps {
			f.append(f.stream(name), round, 1)
		}
	}
	for _, name := range traps {
		f.holds(f.stream(name), 3)
	}
	counts := map[string]int{}
	sub := f.subscribe(0, f.base)
	for total := 0; total < 3*len(traps); {
		for _, r := range f.next(sub) {
			equal(f, r, aggregates.Record{NewEvent: event(r.Stream, counts[r.Stream]), Stream: r.Stream,
				Revision: uint64(counts[r.Stream]), Position: r.Position})
			counts[r.Stream]++
			total++
		}
	}
	for _, name := range traps {
		if n := counts[f.stream(name)]; n != 3 {
			f.Errorf("a subscription handed out %d events of %q, want 3", n, name)
		}
	}
}

func prefixTraps(f *fixture) {
	names := []string{"x", "xx", "xxx", "x\x00", "x\x00\x00", "x\xff", "x\x00x"}
	for i, name := range names {
		f.append(f.stream(name), 0, i+1)
	}
	for i, name := range names {
		f.holds(f.stream(name), i+1)
		f.conflict(f.stream(name), 0, events("other", 50, 1), uint64(i+1))
	}
}

func nameLengths(f *fixture) {
	const longest = 110 // an id of 100 bytes after the longest prefix
	for n := 1; n <= longest; n++ {
		f.append(f.stream(strings.Repeat("n", n)), 0, 1)
	}
	for n := 1; n <= longest; n++ {
		f.holds(f.stream(strings.Repeat("n", n)), 1)
	}
}

func namesReopened(f *fixture) {
	for _, name := range traps {
		f.append(f.stream(name), 0, 2)
	}
	f.reopen()
	for _, name := range traps {
		f.holds(f.stream(name), 2)
		f.conflict(f.stream(name), 1, events("other", 50, 1), 2)
	}
}
