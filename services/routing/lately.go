package routing

import "sync"

// lateMost bounds the reservations that are remembered: twice as many.
const lateMost = 1 << 15

// lately remembers of which SKU reservations were placed of late, so that whoever confirms one right away need not wait until
// this replica's index knows what another one decided. What it forgets, the index knows.
type lately struct {
	mu       sync.Mutex
	now, old map[string]string // id to SKU
}

func (x *lately) note(id, sku string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.now == nil || len(x.now) >= lateMost {
		x.now, x.old = map[string]string{}, x.now
	}
	x.now[id] = sku
}

func (x *lately) placed(id string) (sku string, known bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if sku, known = x.now[id]; !known {
		sku, known = x.old[id]
	}
	return sku, known
}
