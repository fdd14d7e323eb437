package policy

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// PutAllocation sets a ring-fence or a cap. It returns *validation.Error, *refusals.UnknownChannel, *GroupError, what stock.Allocate
// returns, and the errors of the store.
func (s *Service) PutAllocation(ctx context.Context, r *pb.PutAllocationRequest) (*pb.PutAllocationResponse, error) {
	if err := checkAllocation(r); err != nil {
		return nil, err
	}
	a := r.Allocation
	locations, err := s.locationsOf(ctx, a.Channel, a.Group)
	if err != nil {
		return nil, err
	}
	var result stock.Allocated
	token, err := s.changeSKU(ctx, a.Sku, r.Actor, func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
		result, events, err = stock.Allocate(st, stock.AllocationRequest{Channel: a.Channel, Group: a.Group, Locations: locations,
			Fence: a.Fence, Capped: a.Capped, Cap: a.Cap, Restart: r.Restart}, m, now)
		return events, err
	})
	if err != nil {
		return nil, err
	}
	return &pb.PutAllocationResponse{Allocation: allocationMessage(a.Sku, &result.Allocation, result.Used), Token: token}, nil
}

func checkAllocation(r *pb.PutAllocationRequest) error {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	a := r.Allocation
	if a == nil {
		c.Fail("allocation", "must be given")
		return c.Err()
	}
	c.ID("allocation.sku", a.Sku)
	c.ID("allocation.channel", a.Channel)
	c.Text("allocation.group", a.Group, validation.MaxID)
	c.Range("allocation.fence", a.Fence, 0, validation.MaxQuantity)
	c.Range("allocation.cap", a.Cap, 0, validation.MaxQuantity)
	if a.Cap != 0 && !a.Capped {
		c.Fail("allocation.cap", "must be left out unless allocation.capped is set")
	}
	return c.Err()
}

// endAllocation ends an allocation, whatever became of the group or the channel that it is of.
func (s *Service) endAllocation(ctx context.Context, a *pb.Allocation, actor string) error {
	a = &pb.Allocation{Sku: a.GetSku(), Channel: a.GetChannel(), Group: a.GetGroup()}
	if err := checkAllocation(&pb.PutAllocationRequest{Allocation: a, Actor: actor}); err != nil {
		return err
	}
	_, err := s.changeSKU(ctx, a.Sku, actor, func(st *stock.State, m aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
		_, events, err := stock.Allocate(st, stock.AllocationRequest{Channel: a.Channel, Group: a.Group}, m, now)
		return events, err
	})
	return err
}

// GroupError says that no locations are in a group.
type GroupError struct{ Group string }

func (e *GroupError) Error() string {
	return fmt.Sprintf("group %q has no locations; define it with PutLocationGroup", e.Group)
}

// locationsOf are where an allocation is kept: in a group, or where the channel sells from.
func (s *Service) locationsOf(ctx context.Context, channel, group string) ([]string, error) {
	find := func() ([]string, error) {
		c, ok := s.Directory.Channel(channel)
		switch locations := s.Directory.Rules().State.Groups[group]; {
		case !ok:
			return nil, &refusals.UnknownChannel{Channel: channel}
		case group == "":
			return c.Policy.Sites, nil
		case len(locations) == 0:
			return nil, &GroupError{Group: group}
		default:
			return locations, nil
		}
	}
	locations, err := find()
	if err == nil {
		return locations, nil
	}
	if err := tokens.AwaitEnd(ctx, s.Directory); err != nil { // it may have been defined on another replica just now
		return nil, err
	}
	return find()
}

func allocationMessage(sku string, a *stock.Allocation, used int64) *pb.Allocation {
	return &pb.Allocation{Sku: sku, Channel: a.Channel, Group: a.Group, Fence: a.Fence, Capped: a.Capped, Cap: a.Cap, Used: used,
		Locations: a.Locations}
}
