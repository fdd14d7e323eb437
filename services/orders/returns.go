package orders

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// returned is the intention to take units back.
type returned struct {
	order.ReturnRequest
	said bool // in which condition they are
}

func (r *returned) decide(s *order.State, m aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	return order.Return(s, r.ReturnRequest, m)
}

// underRules has the rules of returns, as they are now, say in which condition units lie.
func (r *returned) underRules(ctx context.Context, s *Service) error {
	shared := s.Policies.Rules()
	returns := shared.State.Returns
	if len(returns) == 0 {
		return nil
	}
	categories := map[string]string{}
	known := s.items()
	for _, p := range r.Parts {
		item, err := known.of(ctx, p.SKU)
		if err != nil {
			return err
		}
		categories[p.SKU] = item.Category
	}
	said, isSaid := r.Condition, r.said
	r.Rule = func(p order.Part, channel string) (domain.Condition, bool) {
		_, ruled := returns.Of(p.SKU, categories[p.SKU], channel)
		return returns.ConditionOf(p.SKU, categories[p.SKU], channel, said, isSaid), ruled
	}
	r.PolicyPosition = shared.Position
	return nil
}

// decision is the return as an intention, and where units came back to.
func (r *returned) decision() (decision, []string) {
	if r == nil {
		return nil, nil
	}
	return r.decide, []string{r.Location}
}

// readReturn reads a message that says that units came back; is tells whether it does.
func readReturn(c *validation.Checker, m *pb.OrderMessage) (r *returned, is bool) {
	switch k := m.Kind.(type) {
	case *pb.OrderMessage_Returned_:
		return readReturned(c, "returned.", k.Returned), true
	case *pb.OrderMessage_Exchanged_:
		if k.Exchanged.Returned == nil || k.Exchanged.Instead == nil {
			c.Fail("exchanged", "must have returned and instead")
			return nil, true
		}
		r = readReturned(c, "exchanged.returned.", k.Exchanged.Returned)
		r.Version, r.Instead = readChanged(c, "exchanged.instead.", k.Exchanged.Instead)
		return r, true
	}
	return nil, false
}

// dispositions say in which condition returned units lie. What nobody has looked at is not sold again.
var dispositions = map[pb.Disposition]domain.Condition{
	pb.Disposition_DISPOSITION_UNSPECIFIED: domain.Inspection, pb.Disposition_DISPOSITION_INSPECT: domain.Inspection,
	pb.Disposition_DISPOSITION_RESTOCK: domain.Sellable, pb.Disposition_DISPOSITION_DAMAGED: domain.Damaged,
	pb.Disposition_DISPOSITION_QUARANTINE: domain.Quarantined,
}

func readReturned(c *validation.Checker, prefix string, k *pb.OrderMessage_Returned) *returned {
	c.ID(prefix+"location", k.Location)
	c.Text(prefix+"return_id", k.ReturnId, validation.MaxID)
	c.Text(prefix+"reason", k.Reason, validation.MaxNote)
	condition, ok := dispositions[k.Disposition]
	if !ok {
		c.Fail(prefix+"disposition", "must be a known disposition, is %d", k.Disposition)
	}
	return &returned{said: k.Disposition != pb.Disposition_DISPOSITION_UNSPECIFIED, ReturnRequest: order.ReturnRequest{
		Parts: readParts(c, prefix, k.Lines), Location: k.Location, Condition: condition, ReturnID: k.ReturnId, Reason: k.Reason,
	}}
}
