package storetest

import "github.com/stockfold/stockfold/services/ingest"

func letterPages(f *fixture) {
	f.needLetters()
	const n = 25
	for i := range n {
		f.put(f.letter((i * 7) % n)) // in another order than that of ids
	}
	for _, limit := range []int{1, 2, 5, 24, 25, 26, 1000} {
		got := f.list(ingest.Query{Limit: limit})
		if len(got) != n {
			f.Fatalf("limit %d: %d letters, want %d", limit, len(got), n)
		}
		for i, x := range got {
			if !sameLetter(x, f.letter(i)) {
				f.Fatalf("limit %d: place %d has %+v, want %+v", limit, i, x, f.letter(i))
			}
		}
	}
}

func letterFilter(f *fixture) {
	f.needLetters()
	states := []ingest.State{ingest.Open, ingest.Replayed, ingest.Discarded}
	for i := range 30 {
		x := f.letter(i)
		x.State = states[i%3]
		f.put(x)
	}
	for _, state := range append(states, 0) {
		for _, reason := range []string{"", "MALFORMED", "UNKNOWN_LOCATION", "MALFORME", "NONE"} {
			got := map[string]bool{}
			for _, x := range f.list(ingest.Query{State: state, Reason: reason, Limit: 4}) {
				got[x.ID] = true
			}
			wanted := 0
			for i := range 30 {
				x := f.letter(i)
				want := (states[i%3] == state || state == 0 && states[i%3] == ingest.Open) && (reason == "" || reason == x.Reason)
				if want {
					wanted++
				}
				if got[x.ID] != want {
					f.Errorf("state %d, reason %q: letter %d listed %v, want %v", state, reason, i, got[x.ID], want)
				}
			}
			if len(got) != wanted {
				f.Errorf("state %d, reason %q: %d letters, want %d", state, reason, len(got), wanted)
			}
		}
	}
}

func letterCount(f *fixture) {
	f.needLetters()
	start := f.open()
	expect := func(want int64) {
		f.Helper()
		if got := f.open() - start; got != want {
			f.Fatalf("%d open letters, want %d", got, want)
		}
	}
	x := f.letter(1)
	f.put(x)
	expect(1)
	f.put(x)
	expect(1)
	f.put(f.letter(2))
	expect(2)
	x.State = ingest.Discarded
	f.put(x)
	expect(1)
	f.put(x)
	expect(1)
	x.State = ingest.Replayed
	f.put(x)
	expect(1)
	x.State = ingest.Open
	f.put(x)
	expect(2)
}
