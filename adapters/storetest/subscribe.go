package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

var subscribeTests = []test{
	{"hands out what is stored, then what is appended", catchUpThenLive},
	{"starts after a position", subscribeAfter},
	{"waits at the end", subscribeWaits},
	{"leaves no gap and hands nothing out twice while others write", subscribeWhileWriting},
	{"goes on where another one stopped", subscribeResumes},
	{"filters by prefix and still moves on", subscribeFilter},
	{"filters by several prefixes", subscribePrefixes},
	{"falls behind and catches up", subscribeBehind},
	{"ends a wait when its context ends", subscribeCancelled},
	{"hands out large events", subscribeLarge},
	{"is one of many", subscribeMany},
}

// subscribe starts a subscription that is closed at the test's end.
func (f *fixture) subscribe(after uint64, prefixes ...string) projections.Subscription {
	f.Helper()
	sub, err := f.Events.Subscribe(f.ctx, after, prefixes...)
	if err != nil {
		f.Fatalf("subscribe after %d: %v", after, err)
	}
	f.Cleanup(func() {
		if err := sub.Close(); err != nil {
			f.Errorf("close a subscription: %v", err)
		}
	})
	return sub
}

// next returns the records of the next batch that has any, with data of their own.
func (f *fixture) next(sub projections.Subscription) []aggregates.Record {
	f.Helper()
	for {
		b := f.batch(sub)
		if len(b.Records) > 0 {
			return b.Records
		}
	}
}

func (f *fixture) batch(sub projections.Subscription) projections.Batch {
	f.Helper()
	b, err := sub.Next(f.ctx)
	if err != nil {
		f.Fatalf("next: %v", err)
	}
	return owned(b)
}

func owned(b projections.Batch) projections.Batch {
	var list []aggregates.Record
	for _, r := range b.Records {
		collect(&list)(r)
	}
	b.Records = list
	return b
}

// end is the store's.
func (f *fixture) end() uint64 {
	f.Helper()
	end, err := f.Events.End(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	return end
}

// until collects batches until everything up to a position was handed out, and checks their order.
func until(ctx context.Context, sub projections.Subscription, after, end uint64) ([]aggregates.Record, error) {
	var list []aggregates.Record
	for at := after; at < end; {
		b, err := sub.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("next after %d: %w", at, err)
		}
		b = owned(b)
		for _, r := range b.Records {
			if r.Position <= at {
				return nil, fmt.Errorf("position %d was handed out after %d", r.Position, at)
			}
			at = r.Position
		}
		if b.Through < at || len(b.Records) == 0 && b.Through == at {
			return nil, fmt.Errorf("a batch of %d records up to %d ends at %d", len(b.Records), at, b.Through)
		}
		at = b.Through
		list = append(list, b.Records...)
	}
	return list, nil
}

func (f *fixture) until(sub projections.Subscription, after, end uint64) []aggregates.Record {
	f.Helper()
	list, err := until(f.ctx, sub, after, end)
	if err != nil {
		f.Fatal(err)
	}
	return list
}

func catchUpThenLive(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 5)
	sub := f.subscribe(0, f.base)
	f.same(f.until(sub, 0, f.end()), stream, revisions(0, 5))
	for n := 5; n < 10; n++ {
		before := f.end()
		f.append(stream, n, 1)
		f.same(f.until(sub, before, f.end()), stream, []int{n})
	}
}

func subscribeAfter(f *fixture) {
	stream := f.stream("a")
	var positions []uint64
	for n := range 6 {
		positions = append(positions, f.append(stream, n, 1).Position)
	}
	for n, after := range positions {
		sub := f.subscribe(after, f.base)
		if n < 5 {
			f.same(f.until(sub, after, positions[5]), stream, revisions(n+1, 5-n))
		}
	}
}

func subscribeWaits(f *fixture) {
	stream := f.stream("a")
	after := f.append(stream, 0, 1).Position
	sub := f.subscribe(after, f.base)
	got := make(chan []aggregates.Record)
	go func() {
		defer close(got)
		for {
			b, err := sub.Next(f.ctx)
			if err != nil {
				f.Errorf("next: %v", err)
				return
			}
			if len(b.Records) > 0 {
				got <- owned(b).Records
				return
			}
		}
	}()
	select {
	case list := <-got:
		f.Fatalf("there is nothing to hand out, got %+v", list)
	default:
	}
	f.append(stream, 1, 1)
	f.same(<-got, stream, []int{1})
}

func subscribeWhileWriting(f *fixture) {
	const streams, each, readers = 8, 60, 4
	name := func(g int) string { return f.stream(fmt.Sprintf("s%d", g)) }
	for g := range streams {
		f.append(name(g), 0, 3)
	}
	var last atomic.Uint64
	var written sync.WaitGroup
	stop := make(chan struct{})
	for g := range streams {
		written.Go(func() {
			for n := range each {
				got, err := f.Events.Append(f.ctx, name(g), uint64(3+n), events(name(g), 3+n, 1))
				if err != nil {
					f.Errorf("append: %v", err)
					return
				}
				for old := last.Load(); old < got.Position && !last.CompareAndSwap(old, got.Position); old = last.Load() {
				}
			}
		})
	}
	go func() { written.Wait(); close(stop) }()
	parallel(readers, func(int) {
		sub, err := f.Events.Subscribe(f.ctx, 0, f.base)
		if err != nil {
			f.Errorf("subscribe: %v", err)
			return
		}
		defer sub.Close()
		seen, err := follow(f.ctx, sub, streams*(each+3))
		if err != nil {
			f.Error(err)
		}
		for g := range streams {
			if n := seen[name(g)]; n != each+3 {
				f.Errorf("%d events of %q were handed out, want %d", n, name(g), each+3)
			}
		}
	})
	<-stop
	if end := f.end(); end < last.Load() {
		f.Errorf("the store ends at %d, an event is at %d", end, last.Load())
	}
}

// follow reads until total events were handed out; each stream's must come in order.
func follow(ctx context.Context, sub projections.Subscription, total int) (map[string]int, error) {
	seen := map[string]int{}
	for at := uint64(0); total > 0; {
		b, err := sub.Next(ctx)
		if err != nil {
			return seen, fmt.Errorf("next: %w", err)
		}
		for _, r := range b.Records {
			if r.Position <= at {
				return seen, fmt.Errorf("position %d was handed out after %d", r.Position, at)
			}
			at = r.Position
			if r.Revision != uint64(seen[r.Stream]) {
				return seen, fmt.Errorf("revision %d of %q was handed out after %d events", r.Revision, r.Stream, seen[r.Stream])
			}
			if want := event(r.Stream, int(r.Revision)); r.ID != want.ID || string(r.Data) != string(want.Data) {
				return seen, fmt.Errorf("got record %+v, want %+v", r, want)
			}
			seen[r.Stream]++
			total--
		}
		at = max(at, b.Through)
	}
	return seen, nil
}

func subscribeResumes(f *fixture) {
	stream := f.stream("a")
	for n := range 40 {
		f.append(stream, 5*n, 5)
	}
	end := f.end()
	var list []aggregates.Record
	for after := uint64(0); after < end; {
		sub := f.subscribe(after, f.base)
		b := f.batch(sub)
		list = append(list, b.Records...)
		after = b.Through
	}
	f.same(list, stream, revisions(0, 200))
}

func subscribeFilter(f *fixture) {
	f.append(f.stream("sku-a"), 0, 3)
	f.append(f.stream("channel-x"), 0, 1)
	f.append(f.stream("sku-a"), 3, 3)
	end := f.end()
	sub := f.subscribe(0, f.stream("channel-"))
	list := f.until(sub, 0, end)
	f.same(list, f.stream("channel-x"), []int{0})
	// Nothing for the subscription, yet it hears how far the store has come.
	f.append(f.stream("sku-a"), 6, 100)
	if list := f.until(sub, end, f.end()); len(list) != 0 {
		f.Fatalf("got %d records of other streams", len(list))
	}
	before := f.end()
	f.append(f.stream("channel-x"), 1, 1)
	f.same(f.until(sub, before, f.end()), f.stream("channel-x"), []int{1})
}

func subscribePrefixes(f *fixture) {
	names := []string{"sku-a", "channel-a", "location-a", "skua", "sku", "order-sku-"}
	for _, name := range names {
		f.append(f.stream(name), 0, 2)
	}
	for _, prefixes := range [][]string{{"sku-"}, {"channel-", "location-"}, {"sku"}, {"none-"}, {"sku-a", "sku-"}} {
		var want []string
		var full []string
		for _, p := range prefixes {
			full = append(full, f.stream(p))
		}
		for _, name := range names {
			for _, p := range prefixes {
				if strings.HasPrefix(name, p) {
					want = append(want, f.stream(name), f.stream(name))
					break
				}
			}
		}
		var got []string
		for _, r := range f.until(f.subscribe(0, full...), 0, f.end()) {
			got = append(got, r.Stream)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			f.Errorf("prefixes %q handed out %q, want %q", prefixes, got, want)
		}
	}
}

func subscribeBehind(f *fixture) {
	stream := f.stream("a")
	f.append(stream, 0, 1)
	sub := f.subscribe(0, f.base)
	f.same(f.until(sub, 0, f.end()), stream, []int{0})
	before := f.end()
	next := 1
	for range 30 {
		f.append(stream, next, 400)
		next += 400
	}
	f.same(f.until(sub, before, f.end()), stream, revisions(1, next-1))
	before = f.end()
	f.append(stream, next, 1)
	f.same(f.until(sub, before, f.end()), stream, []int{next})
}

func subscribeCancelled(f *fixture) {
	sub := f.subscribe(f.end(), f.base)
	for range 3 {
		ctx, cancel := context.WithCancel(f.ctx)
		ended := make(chan error)
		go func() {
			for {
				if _, err := sub.Next(ctx); err != nil {
					ended <- err
					return
				}
			}
		}()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			f.Fatalf("next: %v, want context.Canceled", err)
		}
	}
	stream := f.stream("a")
	before := f.end()
	f.append(stream, 0, 1)
	f.same(f.until(f.subscribe(before, f.base), before, f.end()), stream, []int{0}) // another one is not touched
}

func subscribeLarge(f *fixture) {
	stream := f.stream("a")
	const size = 200_000
	for n := range 30 {
		e := event(stream, n)
		e.Data = []byte(strings.Repeat(string(rune('a'+n%26)), size))
		if _, err := f.Events.Append(f.ctx, stream, uint64(n), []aggregates.NewEvent{e}); err != nil {
			f.Fatal(err)
		}
	}
	f.append(stream, 30, 1)
	list := f.until(f.subscribe(0, f.base), 0, f.end())
	if len(list) != 31 {
		f.Fatalf("got %d events, want 31", len(list))
	}
	for n, r := range list[:30] {
		if len(r.Data) != size || r.Data[0] != byte('a'+n%26) || r.Data[size-1] != r.Data[0] {
			f.Fatalf("event %d has other data: %d bytes, %.10q", n, len(r.Data), r.Data)
		}
	}
}

func subscribeMany(f *fixture) {
	stream := f.stream("a")
	after := f.end()
	subs := make([]projections.Subscription, 50)
	for i := range subs {
		subs[i] = f.subscribe(after, f.base)
	}
	const count = 20
	for n := range count {
		f.append(stream, n, 1)
	}
	end := f.end()
	parallel(len(subs), func(i int) {
		list, err := until(f.ctx, subs[i], after, end)
		if err != nil || len(list) != count {
			f.Errorf("subscription %d got %d events, error %v", i, len(list), err)
		}
	})
}
