package policy

import (
	"context"
	"maps"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// What a preview says of kits. They are made on paper as they would be, in the turn in which they would: of what changes only what kits have to do with a SKU is
// kept, and each state is read again when its turn comes.

// bundles is what kits would have to do with SKUs, of those that a change of a kit touches, and what these are.
type bundles map[string]bundled

type bundled struct {
	*stock.Bundle // nil for nothing
	stock.Item    // a kit is registered when it is made
}

// kits makes the changes of kits, and finds out which kits the other changes are about.
func (x *preview) kits(ctx context.Context) error {
	x.unmade = bundles{}
	for _, c := range x.all.unmade {
		if err := x.makeKit(ctx, c, x.unmade, x.unruled); err != nil {
			return err
		}
	}
	x.made = maps.Clone(x.unmade)
	for _, c := range x.all.kits {
		if err := x.makeKit(ctx, c, x.made, x.named); err != nil {
			return err
		}
	}
	x.about = map[string]bool{}
	for _, c := range slices.Concat(x.all.unmade, x.all.kits) {
		x.about[c.Rule.GetKit().GetSku()] = true
	}
	for sku := range x.all.skus {
		x.about[sku] = true
		d, err := x.service.Items.Stock(ctx, sku)
		if err != nil {
			return err
		}
		if d == nil || d.Balances.Bundle() == nil {
			continue
		}
		for _, m := range d.Balances.Bundle().PartOf {
			x.about[m.Kit] = true
		}
	}
	delete(x.about, "")
	return nil
}

// makeKit makes one change of a kit on paper, and keeps what kits have to do with the SKUs that it touches.
func (x *preview) makeKit(ctx context.Context, c change, into bundles, load func(context.Context, string) (*stock.State, error)) error {
	on, states := x.paper.Config, map[string]*stock.State{}
	on.SKUs = &paper[stock.State]{now: x.now, states: states, load: load, evolve: (*stock.State).Evolve}
	if err := x.makeAll(ctx, New(on), []change{c}); err != nil {
		return err
	}
	for sku, s := range states {
		into[sku] = bundled{s.Bundle(), s.Item}
	}
	return nil
}

// unruled is a SKU after kits were taken away, and before its own rules are changed.
func (x *preview) unruled(ctx context.Context, sku string) (*stock.State, error) {
	s, err := x.service.stateOf(ctx, sku)
	if err == nil {
		x.unmade.set(sku, s)
	}
	return s, err
}

// changed is a SKU after all changes.
func (x *preview) changed(ctx context.Context, sku string) (*stock.State, error) {
	s, err := x.unruled(ctx, sku)
	if err != nil {
		return nil, err
	}
	_, err = x.change(ctx, sku, s)
	return s, err
}

// named is a SKU once it is said what it is, before its own rules are put, with the kits put so far.
func (x *preview) named(ctx context.Context, sku string) (*stock.State, error) {
	s, err := x.unruled(ctx, sku)
	if err != nil {
		return nil, err
	}
	first, _ := halves(x.all.skus[sku])
	_, err = refused(ctx, x.paper.withSKU(sku, s, max(x.now, s.Latest())), first)
	x.made.set(sku, s)
	return s, err
}

// change makes all that changes of a SKU, and tells what is refused.
func (x *preview) change(ctx context.Context, sku string, s *stock.State) ([]*pb.PolicyResult, error) {
	x.unmade.set(sku, s)
	on := x.paper.withSKU(sku, s, max(x.now, s.Latest()))
	first, second := halves(x.all.skus[sku])
	results, err := refused(ctx, on, first)
	if err != nil {
		return results, err
	}
	x.made.set(sku, s)
	more, err := refused(ctx, on, second)
	return append(results, more...), err
}

func (b bundles) set(sku string, s *stock.State) {
	x, touched := b[sku]
	if !touched {
		return
	}
	if s.PutBundle(x.Bundle); !s.Item.Registered {
		s.Item = x.Item
	}
}

// priced is what a SKU's ATS is computed from: its balances, and of a kit those of its components, in order.
type priced struct {
	*stock.Balances
	components []*stock.Balances
}

// withComponents finds what a kit is made of: as it is, or as it would be.
func (x *preview) withComponents(ctx context.Context, b *stock.Balances, after bool, now *aggregates.Instant) (priced, error) {
	p := priced{Balances: b}
	if b.AsKit() == nil {
		return p, nil
	}
	for _, c := range b.AsKit().Components {
		of, latest, err := x.component(ctx, c.SKU, after)
		if err != nil {
			return p, err
		}
		p.components, *now = append(p.components, of), max(*now, latest)
	}
	return p, nil
}

func (x *preview) component(ctx context.Context, sku string, after bool) (*stock.Balances, aggregates.Instant, error) {
	if after && len(x.all.skus[sku]) > 0 {
		s, err := x.changed(ctx, sku)
		if err != nil {
			return nil, 0, err
		}
		return &s.Balances, s.Latest(), nil
	}
	d, err := x.service.Items.Stock(ctx, sku)
	if d == nil || err != nil {
		return &stock.Balances{}, 0, err
	}
	return &d.Balances, d.RecordedAt, nil
}

// available is the ATS on a channel; 0 on one that is not defined.
func (b *priced) available(p *stock.Policy, now aggregates.Instant) int64 {
	switch {
	case p == nil:
		return 0
	case b.AsKit() == nil:
		return b.Available(p, now)
	}
	offer, _ := stock.KitOfferBy(b.Balances, b.components, p, stock.Way{}, now) // no method is asked about
	return offer.ATS
}

// steps are those of the sum; of a kit the one that its components come to.
func (b *priced) steps(p *stock.Policy, now aggregates.Instant) []stock.Step {
	switch {
	case p == nil:
		return nil
	case b.AsKit() == nil:
		return b.Steps(p, now)
	}
	return []stock.Step{{Name: stock.StepComponents, Amount: b.available(p, now)}}
}
