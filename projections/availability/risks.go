package availability

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// Bounds of what is watched.
const (
	// MaxRisky is how many SKUs that may have promises at risk are known at once.
	MaxRisky = 100_000
	// MaxDue is of how many SKUs it is known when their supply is due.
	MaxDue = 200_000
)

// Risky is a SKU of which promises may be at risk.
type Risky struct {
	SKU string
	// Sure is set when a location has less than is promised from it, or no channel sells from it; otherwise it may be that the channel that promised
	// does not sell from there any more.
	Sure     bool
	Position uint64 // of the document that says so
	Policies uint64 // version of the policies, as of then
}

// risks are the SKUs whose documents say that promises may be at risk, and when supply is due first. They follow the documents as these are published or
// scanned.
type risks struct {
	mu    sync.Mutex
	risky map[string]Risky
	due   map[string]aggregates.Instant
	full  atomic.Bool  // some did not fit
	known atomic.Int64 // entries of both, to look without the lock
}

// note takes in a document. thorough looks for channels that do not sell from where something is promised as well: only a change of policies can bring that
// about.
func (r *risks) note(d *Document, thorough bool) {
	x, is := d.risk(thorough)
	due := d.firstDue()
	if !is && due == 0 && r.known.Load() == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	was, had := r.risky[d.SKU]
	switch {
	case is && (had || len(r.risky) < MaxRisky):
		if r.risky == nil {
			r.risky = map[string]Risky{}
		}
		r.risky[d.SKU] = x
	case is:
		r.full.Store(true)
	case had && (thorough || was.Sure):
		delete(r.risky, d.SKU)
	case had: // whether a channel does not sell from there was not asked
		was.Position = d.Position
		r.risky[d.SKU] = was
	}
	if _, had := r.due[d.SKU]; due != 0 && (had || len(r.due) < MaxDue) {
		if r.due == nil {
			r.due = map[string]aggregates.Instant{}
		}
		r.due[d.SKU] = due
	} else {
		if due != 0 {
			r.full.Store(true)
		}
		delete(r.due, d.SKU)
	}
	r.known.Store(int64(len(r.risky) + len(r.due)))
}

// risk tells whether promises of the SKU may be at risk, as of the document.
func (d *Document) risk(thorough bool) (x Risky, is bool) {
	if d.prices == nil || d.prices.tables == nil {
		return x, false
	}
	x = Risky{SKU: d.SKU, Position: d.Position, Policies: d.prices.version}
	if !thorough && d.sums != nil {
		x.Sure = d.sums.risky > 0
		return x, x.Sure
	}
	for b := range d.Balances.Each {
		if d.prices.sure(b, d.RecordedAt) {
			x.Sure, is = true, true
		} else if thorough && b.Reserved > 0 && d.prices.sellers[b.Location] < len(d.prices.channels) {
			is = true
		}
	}
	return x, is
}

// sure tells whether what is promised from a location is at risk, whichever channel promised it: not enough is there, or no channel sells from it.
func (p *pricing) sure(b *stock.Balance, at aggregates.Instant) bool {
	return b.Reserved > 0 && (b.Short(at) || p.sellers[b.Location] == 0)
}

// firstDue is when supply of the SKU is due first; 0 when none is open.
func (d *Document) firstDue() (first aggregates.Instant) {
	if !d.Balances.Expecting() {
		return 0
	}
	for b := range d.Balances.Each {
		if b.Later == nil {
			continue
		}
		for h := range b.Later.Incoming.Each {
			if first == 0 || h.Until < first {
				first = h.Until
			}
			break
		}
	}
	return first
}

// countSellers counts the channels that sell from each location.
func (p *pricing) countSellers() {
	p.sellers = map[string]int{}
	for _, c := range p.tables.Channels() {
		for _, site := range c.Policy.Sites {
			p.sellers[site]++
		}
	}
}

// Risky lists SKUs that may have promises at risk, in bytewise order after one, at most so many. It knows of those whose document was published or scanned by
// this process; more tells that there may be others.
func (p *Projection) Risky(after string, limit int) (list []Risky, more bool) {
	p.risks.mu.Lock()
	defer p.risks.mu.Unlock()
	for _, sku := range slices.Sorted(maps.Keys(p.risks.risky)) {
		if sku > after {
			list = append(list, p.risks.risky[sku])
		}
	}
	return list[:min(limit, len(list))], p.risks.full.Load()
}

// Settle says that no promise of a SKU is at risk as of what is known of it.
func (p *Projection) Settle(x Risky) {
	p.risks.mu.Lock()
	defer p.risks.mu.Unlock()
	if p.risks.risky[x.SKU] == x {
		delete(p.risks.risky, x.SKU)
		p.risks.known.Store(int64(len(p.risks.risky) + len(p.risks.due)))
	}
}

// Overdue is supply of a SKU that should have come to a location by now.
type Overdue struct {
	SKU      string
	Location string
	Quantity int64
	DueAt    aggregates.Instant // the earliest date that is past
}

// OverdueSupply lists what is overdue at now, of the first so many SKUs in bytewise order, and how many SKUs have such.
func (p *Projection) OverdueSupply(ctx context.Context, now aggregates.Instant, limit int) (list []Overdue, skus int, err error) {
	var late []string
	p.risks.mu.Lock()
	for sku, due := range p.risks.due {
		if due <= now {
			late = append(late, sku)
		}
	}
	p.risks.mu.Unlock()
	slices.Sort(late)
	for _, sku := range late[:min(limit, len(late))] {
		d, err := p.document(ctx, sku)
		if err != nil {
			return nil, len(late), err
		}
		if d != nil {
			list = d.overdue(now, list)
		}
	}
	return list, len(late), nil
}

func (d *Document) overdue(now aggregates.Instant, list []Overdue) []Overdue {
	for b := range d.Balances.Each {
		if b.Later == nil {
			continue
		}
		x := Overdue{SKU: d.SKU, Location: b.Location, Quantity: b.Later.Incoming.EndedAt(now)}
		for h := range b.Later.Incoming.Each {
			x.DueAt = h.Until
			break
		}
		if x.Quantity > 0 {
			list = append(list, x)
		}
	}
	return list
}
