package reconciliation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/reconciliation/classify"
	"github.com/stockfold/stockfold/services/refusals"
)

// Bounds of what is kept of one SKU while its stream is read.
const (
	MaxRead       = 1_000_000 // events of one SKU
	MaxLate       = 100       // late facts of one place that are kept as evidence; all count
	maxChanges    = 2_000     // latest changes of one place, from which counts that are not in force are followed
	maxTold       = 50_000    // facts of one SKU that are compared with each other to find those told twice
	maxCandidates = 100       // of each kind of evidence of one place
	maxMoments    = 64        // latest changes of a SKU that a channel may not have been told of
)

// spot is a place where units lie.
type spot struct {
	location  string
	condition stock.Condition
}

// account is what the stream of a SKU says of its places at an instant, as known at another.
type account struct {
	asOf    aggregates.Instant
	until   aggregates.Instant // what was recorded after it is left aside
	source  string
	item    stock.Item
	known   bool
	events  int
	places  map[spot]*place
	sources map[string]bool // that number what they say
	told    map[telling]string
	moments []moment // of the latest events recorded by asOf
}

// moment is when the SKU changed.
type moment struct {
	at       aggregates.Instant
	position uint64
	id       string
}

// telling is what makes two facts the same one, told twice.
type telling struct {
	spot
	source, document, line, kind string
	at                           aggregates.Instant
	delta                        int64
}

// place is what an account says of one place.
type place struct {
	held, then int64
	late       []classify.Fact
	twice      []classify.Fact
	observed   []classify.Fact
	counts     []classify.Count
	changes    []stock.PastChange // the latest, counts left out
	inForce    aggregates.Instant // as-of time of the latest count
}

func (a *account) at(s spot) *place {
	p := a.places[s]
	if p == nil {
		p = &place{}
		a.places[s] = p
	}
	return p
}

// read folds the stream of a SKU.
func (s *Service) read(ctx context.Context, sku, source string, asOf, until aggregates.Instant) (*account, error) {
	a := &account{asOf: asOf, until: until, source: source, places: map[spot]*place{}, sources: map[string]bool{}, told: map[telling]string{}}
	stream := aggregates.SKUPrefix + sku
	var bad error
	err := s.Store.ReadStream(ctx, stream, 0, func(r aggregates.Record) bool {
		e, m, err := codec.Decode(r)
		if a.events++; err == nil && a.events > MaxRead {
			err = &refusals.TooManyEvents{Stream: stream, Limit: MaxRead}
		}
		if bad = err; bad != nil {
			return false
		}
		if m.RecordedAt <= until {
			a.add(e, &r, &m)
		}
		return true
	})
	return a, cmp.Or(err, bad)
}

// add folds one event.
func (a *account) add(e aggregates.Event, r *aggregates.Record, m *aggregates.Metadata) {
	a.known = true
	if m.RecordedAt <= a.asOf {
		a.moments = append(a.moments, moment{m.RecordedAt, r.Position, r.ID.String()})
		if len(a.moments) > maxMoments {
			a.moments = a.moments[1:]
		}
	}
	if m.Source.Sequence != "" && len(a.sources) < maxCandidates {
		a.sources[m.Source.System] = true
	}
	switch e := e.(type) {
	case *stock.ItemRegistered:
		a.register(e)
	case *stock.ObservationRecorded:
		a.observe(e, r, m)
	}
	stock.Changes(e, m, func(c stock.PastChange) { a.change(&c, r, m) })
}

// register notes what the item is; decimals never change once quantities are recorded.
func (a *account) register(e *stock.ItemRegistered) {
	var b stock.Balances
	b.Item = a.item
	b.Evolve(e)
	a.item = b.Item
}

// change folds one change of what lies somewhere.
func (a *account) change(c *stock.PastChange, r *aggregates.Record, m *aggregates.Metadata) {
	if c.At > a.asOf {
		return
	}
	p := a.at(spot{c.Location, c.Condition})
	effect := c.Until(a.asOf)
	p.held += effect
	fact := factOf(r, m, effect)
	if m.RecordedAt <= a.asOf {
		p.then += effect
	} else if effect != 0 && len(p.late) < MaxLate {
		p.late = append(p.late, fact)
	}
	if c.Count {
		p.inForce = max(p.inForce, c.At)
		p.counts = keep(p.counts, classify.Count{Fact: fact, Counted: c.Counted}, maxCandidates)
		return
	}
	p.changes = keep(p.changes, *c, maxChanges)
	if effect != 0 {
		a.compare(p, c, r, m, fact)
	}
}

// compare notes a fact that tells what another one told before, under another id.
func (a *account) compare(p *place, c *stock.PastChange, r *aggregates.Record, m *aggregates.Metadata, fact classify.Fact) {
	if m.Source.Document == "" || m.Source.MessageID == "" || len(a.told) >= maxTold {
		return
	}
	t := telling{spot{c.Location, c.Condition}, m.Source.System, m.Source.Document, m.Source.Line, r.Type, c.At, c.Delta}
	first, again := a.told[t]
	if !again {
		a.told[t] = m.Source.MessageID
	} else if first != m.Source.MessageID && len(p.twice) < maxCandidates {
		fact.Origin = fmt.Sprintf("message %q tells what message %q told", m.Source.MessageID, first)
		p.twice = append(p.twice, fact)
	}
}

// observe notes what the source said that was not applied.
func (a *account) observe(e *stock.ObservationRecorded, r *aggregates.Record, m *aggregates.Metadata) {
	if m.Source.System != a.source || m.OccurredAt > a.asOf {
		return
	}
	if e.Movement == stock.TypeStockCounted {
		p := a.at(spot{e.Location, e.Condition})
		p.counts = keep(p.counts, classify.Count{Fact: factOf(r, m, 0), Counted: e.Quantity}, maxCandidates)
		return
	}
	for s, effect := range effects(e.Movement, e.Location, e.Condition, e.To, e.Quantity) {
		p := a.at(s)
		p.observed = keep(p.observed, factOf(r, m, effect), maxCandidates)
	}
}

// effects are what a movement that was not applied would have changed.
func effects(kind, location string, c, to stock.Condition, quantity int64) map[spot]int64 {
	switch kind {
	case stock.TypeStockReceived, stock.TypeStockReturned, stock.TypeTransferReceived, stock.TypeStockAdjusted:
		return map[spot]int64{{location, c}: quantity}
	case stock.TypeStockSold, stock.TypeTransferShipped:
		return map[spot]int64{{location, stock.Sellable}: -quantity}
	case stock.TypeStockConditionChanged:
		return map[spot]int64{{location, c}: -quantity, {location, to}: quantity}
	}
	return nil
}

// leads is what would lie somewhere at the as-of time, had a count been the last one.
func (p *place) leads(counted int64, at aggregates.Instant) int64 {
	for i := range p.changes {
		if p.changes[i].At >= at {
			counted += p.changes[i].Delta
		}
	}
	return counted
}

// outranked are the counts that are not in force, the latest first.
func (p *place) outranked() []classify.Count {
	list := slices.Clone(p.counts)
	for i := range list {
		list[i].Leads = p.leads(list[i].Counted, list[i].OccurredAt)
	}
	slices.SortStableFunc(list, func(a, b classify.Count) int { return cmp.Compare(b.OccurredAt, a.OccurredAt) })
	return list
}

// unbelieved are the source's observations that no count has covered since.
func (p *place) unbelieved() (list []classify.Fact) {
	for _, f := range p.observed {
		if f.OccurredAt >= p.inForce {
			list = append(list, f)
		}
	}
	return list
}

func factOf(r *aggregates.Record, m *aggregates.Metadata, effect int64) classify.Fact {
	f := classify.Fact{ID: r.ID.String(), What: r.Type, Source: m.Source.System, Document: m.Source.Document,
		OccurredAt: cmp.Or(m.OccurredAt, m.RecordedAt), RecordedAt: m.RecordedAt, Effect: effect}
	if m.Source.Topic != "" {
		f.Origin = fmt.Sprintf("%s[%d] offset %d", m.Source.Topic, m.Source.Partition, m.Source.Offset)
		f.Topic, f.Partition, f.Offset = m.Source.Topic, m.Source.Partition, m.Source.Offset
	}
	return f
}

// keep appends, and forgets the first of twice as many as are to be kept: so forgetting costs little for each.
func keep[T any](list []T, x T, least int) []T {
	if len(list) >= 2*least {
		list = append(list[:0], list[len(list)-least+1:]...)
	}
	return append(list, x)
}
