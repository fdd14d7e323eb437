package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/validation"
)

// The reasons for which a definition that a message brings cannot be carried out. They are a contract.
const (
	ReasonKitHoldsStock = "KIT_HOLDS_STOCK" // the SKU has something of its own
	ReasonKitNested     = "KIT_NESTED"      // a component is a kit, or the SKU is a component
)

// PutKit says what a SKU is made of. Its components know of it first, each on its own stream, and are no kits from then on; the kit's own
// stream decides after that. So no kit is made of kits, whatever comes in between. It returns *validation.Error,
// *refusals.UnknownSKU, what stock.Define and stock.NameComponent return, and the errors of the store.
func (s *Service) PutKit(ctx context.Context, r *pb.PutKitRequest) (*pb.PutKitResponse, error) {
	if err := checkKit(r); err != nil {
		return nil, err
	}
	components, err := stock.CheckComponents(codec.FromComponents(r.Kit.Components))
	if err != nil {
		return nil, err
	}
	d := definition{Service: s, sku: r.Kit.Sku, actor: r.Actor, components: components}
	if err := d.carryOut(ctx); err != nil {
		return nil, refusals.About(err, refusals.Fact{Name: "sku", Value: r.Kit.Sku})
	}
	kit := &pb.Kit{Sku: r.Kit.Sku, Components: codec.ToComponents(components), Version: d.version}
	return &pb.PutKitResponse{Kit: kit, Token: s.Tokens.Encode(d.position)}, nil
}

func checkKit(r *pb.PutKitRequest) error {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if r.Kit == nil {
		c.Fail("kit", "must be given")
		return c.Err()
	}
	c.ID("kit.sku", r.Kit.Sku)
	if c.Count("kit.components", len(r.Kit.Components), 0, stock.MaxComponents); len(r.Kit.Components) > stock.MaxComponents {
		return c.Err()
	}
	for i, x := range r.Kit.Components {
		field := fmt.Sprintf("kit.components[%d].", i)
		c.ID(field+"sku", x.GetSku())
		c.Range(field+"quantity", x.GetQuantity(), 1, stock.MaxPerKit)
		if x.GetSku() == r.Kit.Sku {
			c.Fail(field+"sku", "must be another than the kit's own")
		}
	}
	return c.Err()
}

// definition is one in the making.
type definition struct {
	*Service
	sku, actor string
	components []stock.Component
	version    uint64 // of the definition that is in force then
	position   uint64 // of the last event that belongs to it
}

func (d *definition) carryOut(ctx context.Context) error {
	if over, err := d.taken(ctx); over || err != nil {
		return err
	}
	was, err := d.bundle(ctx, d.sku)
	if err != nil {
		return err
	}
	if d.version = was.Version; slices.Equal(d.components, was.Components) { // its components know of it
		return d.define(ctx)
	}
	d.version++
	if err := d.look(ctx); err != nil {
		return err
	}
	for _, c := range d.components {
		err := d.tell(ctx, c.SKU, func(st *stock.State) ([]aggregates.Event, error) { return stock.NameComponent(st, d.sku, d.version) })
		if err != nil {
			return aboutComponent(c.SKU, err)
		}
	}
	if err := d.define(ctx); err != nil {
		return err
	}
	for _, c := range was.Components {
		if slices.ContainsFunc(d.components, func(x stock.Component) bool { return x.SKU == c.SKU }) {
			continue
		}
		if err := d.drop(ctx, c.SKU, d.sku, d.version); err != nil {
			return err
		}
	}
	return nil
}

// look refuses what could not be recorded, before anything is. Kits that the SKU is left a component of, though they are not made of it, let
// go of it here.
func (d *definition) look(ctx context.Context) error {
	for _, c := range d.components {
		err := d.tell(ctx, c.SKU, func(st *stock.State) ([]aggregates.Event, error) {
			_, err := stock.NameComponent(st, d.sku, d.version)
			return nil, err
		})
		if err != nil {
			return aboutComponent(c.SKU, err)
		}
	}
	try := func(st *stock.State) ([]aggregates.Event, error) {
		_, err := stock.Define(st, d.components, d.version)
		return nil, err
	}
	err := d.tell(ctx, d.sku, try)
	var nested *stock.NestedKitError
	if !errors.As(err, &nested) {
		return err
	}
	for _, m := range nested.Kits {
		if err := d.letGo(ctx, m); err != nil {
			return err
		}
	}
	return d.tell(ctx, d.sku, try)
}

// letGo ends the SKU's being a component of a kit that is not made of it: a definition of that was given up half way, or its last step
// was. Of one that may still be under way the kit's own stream is moved past it first.
func (d *definition) letGo(ctx context.Context, m stock.Membership) error {
	kit, err := d.bundle(ctx, m.Kit)
	if err != nil {
		return err
	}
	for len(kit.Components) == 0 && kit.Version < m.Version {
		next := kit.Version + 1
		if err := d.tell(ctx, m.Kit, func(st *stock.State) ([]aggregates.Event, error) { return stock.Define(st, nil, next) }); err != nil {
			return err
		}
		kit.Version = next
	}
	if kit.Version < m.Version || slices.ContainsFunc(kit.Components, func(x stock.Component) bool { return x.SKU == d.sku }) {
		return nil
	}
	return d.drop(ctx, d.sku, m.Kit, m.Version)
}

// define decides on the kit's own stream, where a message that brings the definition counts.
func (d *definition) define(ctx context.Context) error {
	return d.tellBy(ctx, d.SKUs, d.sku, func(st *stock.State) ([]aggregates.Event, error) {
		events, err := stock.Define(st, d.components, d.version)
		if err == nil && len(events) == 0 && st.Bundle() != nil {
			d.version = st.Bundle().Version
		}
		return events, err
	})
}

func (d *definition) drop(ctx context.Context, component, kit string, version uint64) error {
	return d.tell(ctx, component, func(st *stock.State) ([]aggregates.Event, error) {
		return stock.DropComponent(st, kit, version), nil
	})
}

// taken tells whether the kit's stream remembers the message that brings the definition, or a newer one about the kit: then no component need
// know of it.
func (d *definition) taken(ctx context.Context) (over bool, err error) {
	x, message := d.SKUs.(once[stock.State])
	if !message {
		return false, nil
	}
	err = d.tell(ctx, d.sku, func(st *stock.State) (_ []aggregates.Event, err error) {
		x.verdict, err = x.memory(st).Judge(x.about, &x.origin)
		return nil, err
	})
	switch {
	case err != nil:
		return false, err
	case x.verdict == said.Superseded:
		return true, d.define(ctx)
	}
	return x.verdict == said.Repetition, nil
}

// tell has something decided on a SKU's stream, on which no message counts.
func (d *definition) tell(ctx context.Context, sku string, decide func(*stock.State) ([]aggregates.Event, error)) error {
	skus := d.SKUs
	if x, message := skus.(once[stock.State]); message {
		skus = x.Doer
	}
	return d.tellBy(ctx, skus, sku, decide)
}

func (d *definition) tellBy(ctx context.Context, skus commands.Doer[stock.State], sku string, decide func(*stock.State) ([]aggregates.Event, error)) error {
	outcome, err := skus.Do(ctx, sku, metadata(ctx, d.actor), onSKU(func(st *stock.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
		return decide(st)
	}))
	if err == nil {
		d.position = max(d.position, outcome.Position)
	}
	return err
}

// bundle is what kits have to do with a SKU now.
func (d *definition) bundle(ctx context.Context, sku string) (found stock.Bundle, err error) {
	err = d.tell(ctx, sku, func(st *stock.State) ([]aggregates.Event, error) {
		if b := st.Bundle(); b != nil {
			found = *b
		}
		return nil, nil
	})
	return found, err
}

// aboutComponent says which component was refused.
func aboutComponent(sku string, err error) error {
	var nested *stock.NestedKitError
	switch {
	case errors.Is(err, stock.ErrUnknownSKU):
		return &refusals.UnknownSKU{SKU: sku}
	case errors.As(err, &nested):
		return &stock.NestedKitError{Component: sku}
	}
	return refusals.About(err, refusals.Fact{Name: "component", Value: sku})
}

// GetKit returns what a SKU is made of, and what is made of it. It returns *validation.Error, *refusals.UnknownSKU, what
// tokens.Codec.Await returns, and the errors of the view.
func (s *Service) GetKit(ctx context.Context, r *pb.GetKitRequest) (*pb.GetKitResponse, error) {
	found, err := s.document(ctx, r.Sku, r.Token)
	if err != nil {
		return nil, err
	}
	answer := &pb.GetKitResponse{Kit: &pb.Kit{Sku: r.Sku}}
	if b := found.Balances.Bundle(); b != nil {
		answer.Kit.Components, answer.Kit.Version = codec.ToComponents(b.Components), b.Version
		for _, m := range b.PartOf {
			answer.ComponentOf = append(answer.ComponentOf, m.Kit)
		}
	}
	return answer, nil
}
