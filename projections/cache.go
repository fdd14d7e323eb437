package projections

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// cacheShards is the number of parts a Cache is locked by; a power of two.
const cacheShards = 64

// slotOverhead is about what a cached document costs beside itself: slot, map entry and ring place, in bytes.
const slotOverhead = 160

// Cache keeps published documents by key, within a number of bytes; beyond it those go that were not read for
// longest (second chance). Documents are immutable and replaced whole. A hit allocates nothing.
//
// Put is for the one publisher of a key, after the document was written; Load reads what is written. So
// a reader never gets an older document after a newer one: a Put always wins over a Load that began before.
type Cache[D any] struct {
	seed   maphash.Seed
	size   func(*D) int
	shards [cacheShards]cacheShard[D]
}

type cacheShard[D any] struct {
	mu    sync.RWMutex
	slots map[string]*slot[D]
	ring  []*slot[D] // all slots of the map
	hand  int        // the next in the ring to be considered for leaving
	bytes int64
	limit int64
}

type slot[D any] struct {
	key     string
	doc     atomic.Pointer[D] // nil while the first load runs
	used    atomic.Bool       // since the hand last came by
	cost    int64
	loading int // loads under way; keeps the slot in place
	at      int // place in the ring; -1 once out of the cache
}

// NewCache makes a cache of about so many bytes; size estimates those of a document.
func NewCache[D any](bytes int64, size func(*D) int) *Cache[D] {
	c := &Cache[D]{seed: maphash.MakeSeed(), size: size}
	for i := range c.shards {
		c.shards[i].slots = map[string]*slot[D]{}
		c.shards[i].limit = max(1, bytes/cacheShards)
	}
	return c
}

func (c *Cache[D]) shard(key string) *cacheShard[D] {
	return &c.shards[maphash.String(c.seed, key)%cacheShards]
}

// Get returns the document of a key, nil when it is not cached.
func (c *Cache[D]) Get(key string) *D {
	s := c.shard(key)
	s.mu.RLock()
	x := s.slots[key]
	s.mu.RUnlock()
	if x == nil {
		return nil
	}
	if !x.used.Load() {
		x.used.Store(true)
	}
	return x.doc.Load()
}

// Load returns the document of a key, from load when it is not cached. load may return nil: that is not kept.
func (c *Cache[D]) Load(ctx context.Context, key string, load func(context.Context, string) (*D, error)) (*D, error) {
	if doc := c.Get(key); doc != nil {
		return doc, nil
	}
	s := c.shard(key)
	x := s.begin(key)
	doc, err := load(ctx, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	x.loading--
	if published := x.doc.Load(); published != nil {
		return published, nil
	}
	if err != nil || doc == nil {
		s.dropEmpty(x)
		return nil, err
	}
	c.fill(s, x, doc)
	return doc, nil
}

// begin makes sure that there is a slot for a key, so that a Put during the load is not missed.
func (s *cacheShard[D]) begin(key string) *slot[D] {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.slots[key]
	if x == nil {
		x = s.add(key)
	}
	x.loading++
	return x
}

// Put replaces the document of a key.
func (c *Cache[D]) Put(key string, doc *D) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.slots[key]
	if x == nil {
		x = s.add(key)
	}
	c.fill(s, x, doc)
}

// Swap replaces the document of a key if it is still old, for those who know more than was published.
func (c *Cache[D]) Swap(key string, old, doc *D) bool {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.slots[key]
	if x == nil || x.doc.Load() != old {
		return false
	}
	c.fill(s, x, doc)
	return true
}

// Clear forgets everything.
func (c *Cache[D]) Clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, x := range s.ring {
			x.at = -1
		}
		s.slots, s.ring, s.hand, s.bytes = map[string]*slot[D]{}, nil, 0, 0
		s.mu.Unlock()
	}
}

// Bytes is about what the cache takes now.
func (c *Cache[D]) Bytes() (sum int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		sum += s.bytes
		s.mu.RUnlock()
	}
	return sum
}

func (c *Cache[D]) fill(s *cacheShard[D], x *slot[D], doc *D) {
	x.doc.Store(doc)
	if x.at < 0 {
		return // cleared meanwhile
	}
	cost := int64(c.size(doc)) + slotOverhead
	s.bytes += cost - x.cost
	x.cost = cost
	s.shrink(x)
}

func (s *cacheShard[D]) add(key string) *slot[D] {
	x := &slot[D]{key: key, at: len(s.ring)}
	s.slots[key] = x
	s.ring = append(s.ring, x)
	return x
}

func (s *cacheShard[D]) dropEmpty(x *slot[D]) {
	if x.loading == 0 && x.at >= 0 {
		s.remove(x)
	}
}

func (s *cacheShard[D]) remove(x *slot[D]) {
	last := s.ring[len(s.ring)-1]
	s.ring[x.at], last.at = last, x.at
	s.ring[len(s.ring)-1] = nil
	s.ring = s.ring[:len(s.ring)-1]
	delete(s.slots, x.key)
	s.bytes -= x.cost
	x.at = -1
}

// shrink lets slots go until the shard is within its limit. The one just filled stays.
func (s *cacheShard[D]) shrink(keep *slot[D]) {
	for tries := 2 * len(s.ring); s.bytes > s.limit && tries > 0; tries-- {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		x := s.ring[s.hand]
		if x == keep || x.loading > 0 || x.used.Swap(false) {
			s.hand++
			continue
		}
		s.remove(x)
	}
}
