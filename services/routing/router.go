package routing

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config says who the replicas are.
type Config struct {
	StoreID string // of the event store that they share
	Self    string // the name that others have for this replica
	// Peers are the addresses of all replicas, HOST:PORT, this one among them or not. dns:HOST:PORT stands for all
	// addresses that a name has, now and later.
	Peers    []string
	Identity *Identity // nil: without TLS
	Log      *slog.Logger

	// Lookup gives the addresses of a host's name; nil asks the system.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Router knows the other replicas. Run keeps it current; Close it.
type Router struct {
	config Config
	counts counts

	others atomic.Pointer[[]*peer]
	mu     sync.Mutex // of whoever changes others
	closed bool
}

// counts of what became of calls on SKUs that belong to other replicas.
type counts struct{ handed, here atomic.Uint64 }

// Stats are counts since the start, and how many other replicas are known and answer.
type Stats struct {
	Handed uint64 // calls that another replica answered
	Here   uint64 // calls that were decided here since another did not
	Known  int
	Away   int
}

// New prepares the ways to the replicas that are named.
func New(c Config) (*Router, error) {
	if c.Lookup == nil {
		c.Lookup = lookup
	}
	r := &Router{config: c}
	r.others.Store(&[]*peer{})
	var fixed []address
	for _, text := range c.Peers {
		a, err := parse(text)
		if err != nil {
			return nil, err
		}
		if !a.look {
			fixed = append(fixed, a)
		}
	}
	if err := r.use(fixed); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// use makes these addresses the other replicas. Ways to those that are known already stay.
func (r *Router) use(addresses []address) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	known := map[string]*peer{}
	for _, p := range *r.others.Load() {
		known[p.name] = p
	}
	var others []*peer
	var failed error
	for _, a := range addresses {
		name := a.String()
		if name == r.config.Self {
			continue
		}
		p := known[name]
		if p == nil {
			var err error
			if p, err = newPeer(name, a.name, r.config.Identity, r.config.Log); err != nil {
				failed = errors.Join(failed, fmt.Errorf("replica %s: %w", name, err))
				continue
			}
		}
		delete(known, name)
		others = append(others, p)
	}
	r.others.Store(&others)
	for _, p := range known {
		_ = p.conn.Close() // calls under way are decided here
	}
	return failed
}

// Close closes the connections.
func (r *Router) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var failed []error
	for _, p := range *r.others.Load() {
		failed = append(failed, p.conn.Close())
	}
	r.others.Store(&[]*peer{})
	return errors.Join(failed...)
}

// Stats tells what was done so far.
func (r *Router) Stats() Stats {
	s := Stats{Handed: r.counts.handed.Load(), Here: r.counts.here.Load()}
	for _, p := range *r.others.Load() {
		s.Known++
		if p.until.Load() != 0 {
			s.Away++
		}
	}
	return s
}

// owner is the replica that a SKU belongs to; nil is this one.
func (r *Router) owner(sku string) (first *peer) {
	others := *r.others.Load()
	if len(others) == 0 {
		return nil
	}
	highest, now := weight(r.config.Self, sku), time.Now().UnixNano()
	for _, p := range others {
		if w := weight(p.name, sku); w > highest && p.usable(now) {
			first, highest = p, w
		}
	}
	return first
}

// weight ranks replicas for a SKU.
func weight(replica, sku string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(replica))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(sku))
	x := h.Sum64() // its high bits hardly depend on the last bytes
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}
