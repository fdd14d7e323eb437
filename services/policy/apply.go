package policy

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/validation"
)

// appliers is how many SKUs' rules one ApplyPolicies changes at once.
const appliers = 32

// ApplyPolicies makes changes, each wholly or not at all, and tells of each what became of it. It returns *validation.Error, and the errors of the store, after which
// some changes may have been made: the whole request may be repeated.
func (s *Service) ApplyPolicies(ctx context.Context, r *pb.ApplyPoliciesRequest) (*pb.ApplyPoliciesResponse, error) {
	var c validation.Checker
	c.Text("actor", r.Actor, validation.MaxID)
	if c.Count("changes", len(r.Changes), 1, MaxChanges); c.Err() != nil {
		return nil, c.Err()
	}
	x := &application{service: s, actor: r.Actor, results: make([]*pb.PolicyResult, len(r.Changes))}
	all := arrange(r.Changes)
	err := x.each(ctx, all.put)
	if err == nil {
		err = x.each(ctx, all.unmade)
	}
	if err == nil {
		err = x.own(ctx, all.skus, func(own []change) []change { first, _ := halves(own); return first })
	}
	if err == nil {
		err = x.each(ctx, all.kits)
	}
	if err == nil {
		err = x.own(ctx, all.skus, func(own []change) []change { _, second := halves(own); return second })
	}
	if err == nil {
		err = x.each(ctx, all.taken)
	}
	if err != nil {
		return nil, err
	}
	return &pb.ApplyPoliciesResponse{Results: x.results, Token: s.Tokens.Encode(x.position.Load())}, nil
}

// application is one ApplyPolicies.
type application struct {
	service  *Service
	actor    string
	results  []*pb.PolicyResult
	position atomic.Uint64
}

// own makes a part of the changes of each SKU, several SKUs at once.
func (x *application) own(ctx context.Context, skus map[string][]change, part func([]change) []change) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	room := make(chan struct{}, appliers)
	var running sync.WaitGroup
	for _, own := range skus {
		list := part(own)
		if len(list) == 0 {
			continue
		}
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			if err := x.each(ctx, list); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// each makes changes one after the other.
func (x *application) each(ctx context.Context, list []change) error {
	for _, c := range list {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n := &noted{}
		result, err := n.result(c, x.service.noting(n).make(ctx, c.PolicyChange, x.actor))
		if err != nil {
			return fmt.Errorf("changes[%d]: %w", c.index, err)
		}
		x.results[c.index] = result
		for was := x.position.Load(); n.position > was && !x.position.CompareAndSwap(was, n.position); was = x.position.Load() {
		}
	}
	return nil
}

// noted is what became of one change.
type noted struct {
	recorded int
	position uint64
}

// result is what is told of a change; errors that say nothing about the change itself stay errors.
func (n *noted) result(c change, err error) (*pb.PolicyResult, error) {
	r := &pb.PolicyResult{Index: int32(c.index), Status: pb.PolicyResult_STATUS_APPLIED}
	switch rejection := Reject(err); {
	case rejection != nil:
		r.Status, r.Reason, r.Message = pb.PolicyResult_STATUS_REFUSED, rejection.Reason, rejection.Message
	case err != nil:
		return nil, err
	case n.recorded == 0:
		r.Status = pb.PolicyResult_STATUS_UNCHANGED
	}
	return r, nil
}

// noting is the service, which notes what a change records.
func (s *Service) noting(n *noted) *Service {
	c := s.Config
	c.SKUs, c.Channels = counting[stock.State]{s.SKUs, n}, counting[channel.State]{s.Channels, n}
	c.Locations, c.Rules = counting[location.State]{s.Locations, n}, counting[rules.State]{s.Rules, n}
	return New(c)
}

// counting counts what is recorded.
type counting[S any] struct {
	commands.Doer[S]
	*noted
}

// Do does, and counts.
func (x counting[S]) Do(ctx context.Context, id string, m aggregates.Metadata, in commands.Intention[S]) (commands.Outcome, error) {
	out, err := x.Doer.Do(ctx, id, m, in)
	x.recorded += out.Recorded
	x.position = max(x.position, out.Position)
	return out, err
}
