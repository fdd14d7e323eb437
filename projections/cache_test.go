package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

type page struct{ version, bytes int }

func newPages(bytes int64) *Cache[page] {
	return NewCache(bytes, func(p *page) int { return p.bytes })
}

func TestCacheLoadsOnceAndServesFromThen(t *testing.T) {
	c, loads := newPages(1<<20), 0
	load := func(context.Context, string) (*page, error) { loads++; return &page{version: 1}, nil }
	for range 3 {
		if got, err := c.Load(t.Context(), "a", load); err != nil || got.version != 1 {
			t.Fatalf("got %v, %v", got, err)
		}
	}
	if loads != 1 {
		t.Fatalf("loaded %d times", loads)
	}
}

func TestCacheKeepsNeitherErrorsNorAbsence(t *testing.T) {
	c, broken := newPages(1<<20), errors.New("broken")
	if _, err := c.Load(t.Context(), "a", func(context.Context, string) (*page, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if got, err := c.Load(t.Context(), "a", func(context.Context, string) (*page, error) { return nil, nil }); got != nil || err != nil {
		t.Fatalf("got %v, %v", got, err)
	}
	if got, _ := c.Load(t.Context(), "a", func(context.Context, string) (*page, error) { return &page{version: 7}, nil }); got.version != 7 {
		t.Fatalf("got %v", got)
	}
	if n := len(c.shard("a").ring); n != 1 {
		t.Fatalf("%d slots are left", n)
	}
}

// A load that read an old document must not bury one published meanwhile, not even when the cache is far too
// small for either.
func TestCachePublishedWinsOverLoadThatBeganBefore(t *testing.T) {
	for _, limit := range []int64{1, 1 << 20} {
		c := newPages(limit)
		pressOut := func() {
			for i := range 10 * cacheShards {
				c.Put(fmt.Sprint(i), &page{bytes: 1000})
			}
		}
		got, err := c.Load(t.Context(), "a", func(context.Context, string) (*page, error) {
			pressOut() // also before there is anything to press out
			c.Put("a", &page{version: 2, bytes: 1000})
			pressOut()
			return &page{version: 1, bytes: 1000}, nil
		})
		if err != nil || got.version != 2 {
			t.Fatalf("limit %d: got %v, %v; want the published version 2", limit, got, err)
		}
		if kept := c.Get("a"); kept != nil && kept.version != 2 {
			t.Fatalf("limit %d: kept version %d", limit, kept.version)
		}
	}
}

func TestCacheLoadDuringClearIsNotKept(t *testing.T) {
	c := newPages(1 << 20)
	got, _ := c.Load(t.Context(), "a", func(context.Context, string) (*page, error) {
		c.Clear()
		return &page{version: 1}, nil
	})
	if got == nil || c.Get("a") != nil || c.Bytes() != 0 {
		t.Fatalf("got %v, kept %v, %d bytes", got, c.Get("a"), c.Bytes())
	}
}

func TestCacheStaysWithinItsBytesAndKeepsWhatIsRead(t *testing.T) {
	const limit = 1 << 20
	c := newPages(limit)
	c.Put("hot", &page{version: 1, bytes: 200})
	for i := range 20_000 {
		c.Put(fmt.Sprintf("cold-%d", i), &page{bytes: 200})
		if c.Get("hot") == nil {
			t.Fatalf("the document read all the time left after %d others", i)
		}
	}
	if b := c.Bytes(); b > limit || b < limit/2 {
		t.Fatalf("takes %d bytes of %d", b, limit)
	}
	c.Put("hot", &page{bytes: 300})
	c.Put("hot", &page{bytes: 100})
	var sum int64
	for i := range c.shards {
		for _, x := range c.shards[i].ring {
			sum += x.cost
		}
	}
	if sum != c.Bytes() {
		t.Fatalf("counts %d bytes, holds %d", c.Bytes(), sum)
	}
}

func TestCacheVersionsOnlyGrowForReadersOfAStoreThatIsWrittenFirst(t *testing.T) {
	c := newPages(1) // every document leaves as soon as another comes
	var mu sync.Mutex
	stored := map[string]int{}
	load := func(_ context.Context, key string) (*page, error) {
		mu.Lock()
		defer mu.Unlock()
		if stored[key] == 0 {
			return nil, nil
		}
		return &page{version: stored[key], bytes: 100}, nil
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := map[string]int{}
			for i := range 20_000 {
				key := fmt.Sprint(i % 5)
				p, _ := c.Load(t.Context(), key, load)
				if p == nil {
					continue
				}
				if p.version < last[key] {
					t.Errorf("%s went back from %d to %d", key, last[key], p.version)
					return
				}
				last[key] = p.version
			}
		})
	}
	for i := range 20_000 {
		key := fmt.Sprint(i % 5)
		mu.Lock()
		stored[key] = i + 1
		mu.Unlock()
		c.Put(key, &page{version: i + 1, bytes: 100})
	}
	readers.Wait()
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	c := newPages(1 << 20)
	c.Put("a", &page{version: 1})
	if n := testing.AllocsPerRun(100, func() { c.Get("a") }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkCacheGet(b *testing.B) {
	c := newPages(1 << 26)
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("sku-%06d", i)
		c.Put(keys[i], &page{version: i})
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if c.Get(keys[i%len(keys)]) == nil {
				b.Fatal("lost")
			}
		}
	})
}
