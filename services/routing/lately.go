package routing

import "sync"

// lateMost bounds the reservations that are remembered: twice as many.
const lateMost = 1 << 15

// lately remembers for which SKU an id was first reserved of late. So whoever confirms right away need not wait until this replica's
// index knows what another one decided, and calls that race for one id with different SKUs are decided by the same replica, which
// gives it to one of them. What is forgotten here, the index knows.
type lately struct {
	mu       sync.Mutex
	now, old map[string]string // id to SKU
}

// first is the SKU that an id was first reserved for: this one, unless another one is remembered.
func (x *lately) first(id, sku string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if known, ok := x.now[id]; ok {
		return known
	}
	if known, ok := x.old[id]; ok {
		return known
	}
	if x.now == nil || len(x.now) >= lateMost {
		x.now, x.old = make(map[string]string), x.now
	}
	x.now[id] = sku
	return sku
}

func (x *lately) placed(id string) (sku string, known bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if sku, known = x.now[id]; !known {
		sku, known = x.old[id]
	}
	return sku, known
}
