package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/stockfold/stockfold/services/ingest"
)

var letterTests = []test{
	{"come back as they were put", letterPut},
	{"put again take the place of the first, and keep when it was received", letterAgain},
	{"are put over the version that was read, and no other", letterVersions},
	{"changed by many at once lose no change", letterChanges},
	{"put for the first time by many at once are put once", letterFirst},
	{"that do not exist", letterMissing},
	{"are listed oldest first, page by page", letterPages},
	{"are listed by state and reason", letterFilter},
	{"are counted while they are open", letterCount},
	{"put by many at once are counted once", letterConcurrent},
	{"with ids that begin alike", letterIDs},
	{"large ones", letterLarge},
	{"survive reopening", letterReopened},
}

func (f *fixture) needLetters() {
	f.Helper()
	if f.DeadLetters == nil {
		f.Skip("this backend keeps no dead letters")
	}
}

// letter is the n-th of this test; reasons alternate.
func (f *fixture) letter(n int) ingest.DeadLetter {
	return ingest.DeadLetter{
		ID: f.key(fmt.Sprintf("%05d", n)), State: ingest.Open, Reason: []string{"MALFORMED", "UNKNOWN_LOCATION"}[n%2],
		Message: fmt.Sprintf("message %d", n), Topic: "stockfold.sales.v1", Partition: int32(n % 8), Offset: int64(n),
		Key: []byte{0, byte(n)}, Value: fmt.Appendf(nil, "{\"n\":%d", n), ReceivedAt: 1_490_000_000_000_001, LastTriedAt: 1_490_000_000_000_002, Attempts: 1,
	}
}

// put puts a letter over whatever is kept under its id.
func (f *fixture) put(x ingest.DeadLetter) {
	f.Helper()
	if err := f.putOver(x); err != nil {
		f.Fatalf("put %s: %v", x.ID, err)
	}
}

func (f *fixture) putOver(x ingest.DeadLetter) error {
	for {
		before, err := f.DeadLetters.Get(f.ctx, x.ID)
		if err != nil && !errors.Is(err, ingest.ErrNoDeadLetter) {
			return err
		}
		x.Version = before.Version
		if _, err = f.DeadLetters.Put(f.ctx, x); !errors.Is(err, ingest.ErrLetterChanged) {
			return err
		}
	}
}

func (f *fixture) kept(want ingest.DeadLetter) {
	f.Helper()
	got, err := f.DeadLetters.Get(f.ctx, want.ID)
	if err != nil {
		f.Fatal(err)
	}
	if !sameLetter(got, want) {
		f.Fatalf("got %+v, want %+v", got, want)
	}
}

// sameLetter compares letters but for their versions; no bytes are the same as nil.
func sameLetter(a, b ingest.DeadLetter) bool {
	return reflect.DeepEqual(normal(a), normal(b))
}

func normal(x ingest.DeadLetter) ingest.DeadLetter {
	x.Key, x.Value = append([]byte{}, x.Key...), append([]byte{}, x.Value...)
	x.Headers = append([]ingest.Header{}, x.Headers...)
	for i := range x.Headers {
		x.Headers[i].Value = append([]byte{}, x.Headers[i].Value...)
	}
	x.Applied, x.Version = append([]int32{}, x.Applied...), 0
	return x
}

func (f *fixture) open() int64 {
	f.Helper()
	n, err := f.DeadLetters.CountOpen(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	return n
}

// list returns all ids that a query finds from this test's on, page by page.
func (f *fixture) list(q ingest.Query) []ingest.DeadLetter {
	f.Helper()
	q.After = f.base
	var all []ingest.DeadLetter
	for {
		page, more, err := f.DeadLetters.List(f.ctx, q)
		if err != nil {
			f.Fatal(err)
		}
		if len(page) > q.Limit || more && len(page) == 0 {
			f.Fatalf("a page of %d letters, limit %d, more %v", len(page), q.Limit, more)
		}
		for _, x := range page {
			if !strings.HasPrefix(x.ID, f.base) {
				return all
			}
			all = append(all, x)
		}
		if !more {
			return all
		}
		q.After = page[len(page)-1].ID
	}
}

func letterPut(f *fixture) {
	f.needLetters()
	f.keeps(f.letter(1))
	full := ingest.DeadLetter{
		ID: f.key("full"), State: ingest.Discarded, Reason: "CLOCK_SKEW", Message: "größer als möglich", Topic: "rpc", Partition: 2147483647, Offset: 1 << 60,
		Key: []byte{0, 255}, Value: []byte{0, 1, 255, '\n'}, Headers: []ingest.Header{{Key: "ce_id", Value: []byte("1")}, {Key: "ce_id", Value: []byte{255, 0}}, {Key: ""}},
		ReceivedAt: 1, LastTriedAt: 253_402_300_799_999_999, Attempts: 7, Note: "anna: not ours", Location: "store-/%\x01", Applied: []int32{1, 3, 1 << 30},
	}
	f.keeps(full)
	f.keeps(ingest.DeadLetter{ID: f.key("bare"), State: ingest.Replayed})
}

func (f *fixture) keeps(x ingest.DeadLetter) {
	f.Helper()
	f.put(x)
	f.kept(x)
}

func letterAgain(f *fixture) {
	f.needLetters()
	first := f.letter(1)
	f.put(first)
	again := first
	again.Reason, again.Attempts, again.Note, again.Value, again.LastTriedAt = "CLOCK_SKEW", 2, "tried", []byte("other"), first.LastTriedAt+5
	again.ReceivedAt += 1_000_000
	f.put(again)
	again.ReceivedAt = first.ReceivedAt
	f.kept(again)
	if got := f.list(ingest.Query{Limit: 10}); len(got) != 1 || !sameLetter(got[0], again) {
		f.Fatalf("got %+v, want one letter", got)
	}
}

// changed asserts that a put is refused, and that what is kept stays.
func (f *fixture) changed(x, kept ingest.DeadLetter) {
	f.Helper()
	if version, err := f.DeadLetters.Put(f.ctx, x); !errors.Is(err, ingest.ErrLetterChanged) {
		f.Fatalf("put over version %d: version %d, %v, want ErrLetterChanged", x.Version, version, err)
	}
	f.kept(kept)
}

func letterVersions(f *fixture) {
	f.needLetters()
	start := f.open()
	first := f.letter(1)
	x := first
	x.Version = 77
	if _, err := f.DeadLetters.Put(f.ctx, x); !errors.Is(err, ingest.ErrLetterChanged) {
		f.Fatalf("put over a version that there never was: %v, want ErrLetterChanged", err)
	}
	if got, err := f.DeadLetters.Get(f.ctx, x.ID); !errors.Is(err, ingest.ErrNoDeadLetter) {
		f.Fatalf("got %+v, %v, want ErrNoDeadLetter", got, err)
	}
	x.Version = 0
	one, err := f.DeadLetters.Put(f.ctx, x)
	if err != nil || one == 0 {
		f.Fatalf("version %d, %v", one, err)
	}
	if got, err := f.DeadLetters.Get(f.ctx, x.ID); err != nil || got.Version != one {
		f.Fatalf("got version %d, %v, want %d", got.Version, err, one)
	}
	x.Note, x.State = "anna: not ours", ingest.Discarded
	f.changed(x, first)
	second := x
	second.Version = one
	two, err := f.DeadLetters.Put(f.ctx, second)
	if err != nil || two == one {
		f.Fatalf("version %d after %d, %v", two, one, err)
	}
	x.Note, x.State = "bob: ours", ingest.Open
	for _, version := range []uint64{0, one} {
		x.Version = version
		f.changed(x, second)
	}
	if got := f.list(ingest.Query{State: ingest.Discarded, Limit: 10}); len(got) != 1 || got[0].Version != two {
		f.Fatalf("listed %+v, want version %d", got, two)
	}
	if n := f.open() - start; n != 0 {
		f.Fatalf("%d open letters, want none", n)
	}
}

// letterChanges has many read a letter, add to it and put it, until each was taken: the additions are all there.
func letterChanges(f *fixture) {
	f.needLetters()
	const changes = 5
	x := f.letter(0)
	f.put(x)
	parallel(writers, func(g int) {
		for n := 0; n < changes; {
			x, err := f.DeadLetters.Get(f.ctx, f.letter(0).ID)
			if err != nil {
				f.Errorf("get: %v", err)
				return
			}
			x.Attempts++
			x.Applied = append(x.Applied, int32(g*changes+n))
			switch _, err = f.DeadLetters.Put(f.ctx, x); {
			case err == nil:
				n++
			case !errors.Is(err, ingest.ErrLetterChanged):
				f.Errorf("put: %v", err)
				return
			}
		}
	})
	got, err := f.DeadLetters.Get(f.ctx, x.ID)
	if err != nil {
		f.Fatal(err)
	}
	slices.Sort(got.Applied)
	for i, line := range got.Applied {
		if int(line) != i {
			f.Fatalf("lines %v: place %d is another's", got.Applied, i)
		}
	}
	if len(got.Applied) != writers*changes || got.Attempts != 1+writers*changes {
		f.Fatalf("%d lines and %d attempts, want %d changes", len(got.Applied), got.Attempts, writers*changes)
	}
}

func letterFirst(f *fixture) {
	f.needLetters()
	var put atomic.Int32
	parallel(writers, func(g int) {
		x := f.letter(0)
		x.Attempts = g + 1
		switch _, err := f.DeadLetters.Put(f.ctx, x); {
		case err == nil:
			put.Add(1)
		case !errors.Is(err, ingest.ErrLetterChanged):
			f.Errorf("put: %v", err)
		}
	})
	if n := put.Load(); n != 1 {
		f.Fatalf("%d put the letter for the first time, want one", n)
	}
	if got := f.list(ingest.Query{Limit: 10}); len(got) != 1 {
		f.Fatalf("%d letters, want one", len(got))
	}
}

func letterMissing(f *fixture) {
	f.needLetters()
	f.put(f.letter(1))
	for _, id := range []string{f.key("none"), f.letter(1).ID + "0", f.letter(1).ID[:len(f.letter(1).ID)-1]} {
		if x, err := f.DeadLetters.Get(f.ctx, id); !errors.Is(err, ingest.ErrNoDeadLetter) {
			f.Errorf("get %q: %+v, %v, want ErrNoDeadLetter", id, x, err)
		}
	}
}

func letterConcurrent(f *fixture) {
	f.needLetters()
	start := f.open()
	parallel(writers, func(g int) {
		for n := range 10 {
			x := f.letter(n)
			x.Attempts = g + 1
			if (g+n)%3 == 0 {
				x.State = ingest.Discarded
			}
			if err := f.putOver(x); err != nil {
				f.Errorf("put: %v", err)
			}
		}
	})
	listed := map[ingest.State]int{}
	for _, state := range []ingest.State{ingest.Open, ingest.Replayed, ingest.Discarded} {
		listed[state] = len(f.list(ingest.Query{State: state, Limit: 100}))
	}
	if total := listed[ingest.Open] + listed[ingest.Discarded]; total != 10 || listed[ingest.Replayed] != 0 {
		f.Fatalf("listed by state: %v, want 10 altogether", listed)
	}
	if got := f.open() - start; got != int64(listed[ingest.Open]) {
		f.Fatalf("%d letters are counted as open, %d are listed", got, listed[ingest.Open])
	}
}

func letterIDs(f *fixture) {
	f.needLetters()
	ids := []string{"a", "a\x00", "a\x00b", "a/", "a0", "aa", "ab", "a\xff", "ä"}
	for _, id := range ids {
		x := f.letter(0)
		x.ID = f.key(id)
		f.put(x)
	}
	got := f.list(ingest.Query{Limit: 2})
	if len(got) != len(ids) {
		f.Fatalf("%d letters, want %d", len(got), len(ids))
	}
	for i := range got[1:] {
		if got[i].ID >= got[i+1].ID {
			f.Errorf("%q is listed before %q", got[i].ID, got[i+1].ID)
		}
	}
}

func letterLarge(f *fixture) {
	f.needLetters()
	for n := range 3 {
		x := f.letter(n)
		x.Value = []byte(strings.Repeat("v", 1<<20))
		f.keeps(x)
	}
	if got := f.list(ingest.Query{Limit: 100}); len(got) != 3 {
		f.Fatalf("%d letters, want 3", len(got))
	}
}

func letterReopened(f *fixture) {
	f.needLetters()
	for n := range 10 {
		x := f.letter(n)
		if n%3 == 0 {
			x.State = ingest.Discarded
		}
		f.put(x)
	}
	before := f.open()
	f.reopen()
	if got := f.open(); got != before {
		f.Fatalf("%d open letters after reopening, %d before", got, before)
	}
	if got := f.list(ingest.Query{Limit: 3}); len(got) != 6 {
		f.Fatalf("%d letters after reopening, want 6", len(got))
	}
	f.kept(f.letter(1))
}
