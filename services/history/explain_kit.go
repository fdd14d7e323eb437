package history

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// explainKit makes the explanation of a kit one of its components: each as it is explained itself, by the same way of handing over, as of the
// same instant. Its own rules may keep the channel from selling it all the same.
func (x *explanation) explainKit(ctx context.Context) error {
	kit := x.trace.AsKit()
	if kit == nil {
		return nil
	}
	a := x.answer
	for _, c := range kit.Components {
		part, err := x.component(ctx, c)
		if err != nil {
			return err
		}
		a.Components = append(a.Components, part)
	}
	fewest := a.Components[0].Kits
	for _, part := range a.Components {
		fewest = min(fewest, part.Kits)
	}
	for _, part := range a.Components {
		part.Limits = part.Kits == fewest
	}
	a.Steps, a.Ats = nil, fewest
	a.Steps = append(a.Steps, x.step(stock.Step{Name: stock.StepComponents, Amount: fewest}, fewest))
	if fewest > 0 && x.trace.Withheld(a.Channel, x.at) {
		name := stock.StepNotReleased
		if x.trace.Unsold(a.Channel) {
			name = stock.StepNotSold
		}
		a.Ats = 0
		a.Steps = append(a.Steps, x.step(stock.Step{Name: name, Amount: -fewest}, 0))
	}
	return nil
}

// component explains what one component allows.
func (x *explanation) component(ctx context.Context, c stock.Component) (*pb.ExplainedComponent, error) {
	r := &pb.ExplainAvailabilityRequest{Sku: c.SKU, Channel: x.answer.Channel, Method: x.way.Method, Location: x.way.Location}
	if x.past {
		r.At = codec.Timestamp(x.at)
	}
	of, err := x.newExplanation(r)
	if err != nil {
		return nil, err
	}
	of.at = max(of.at, x.at)
	for _, learn := range []func(context.Context) error{of.readChannel, of.readRules, of.readSKU, of.readLocations} {
		if err := learn(ctx); err != nil {
			return nil, err
		}
	}
	if err := of.sum(); err != nil {
		return nil, err
	}
	if !x.past {
		x.at = max(x.at, of.at)
		x.answer.At = timestamppb.New(x.at.Time())
	}
	return &pb.ExplainedComponent{Sku: c.SKU, Known: of.answer.Known, Quantity: c.Quantity, Ats: of.answer.Ats, Kits: stock.KitsIn(of.answer.Ats, c.Quantity)}, nil
}
