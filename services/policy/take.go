package policy

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
)

// Take carries a command out that a message brings; origin says of the message where it came from, and its own id. A message counts once, and one with a lower
// number than its source's last about the same is recorded as superseded and changes nothing: both are decided on the stream that the command changes, in the
// same append. It tells whether the message was news. What is wrong with it is a *stock.Rejection; with any other error it may be taken again.
func (s *Service) Take(ctx context.Context, c *Command, origin aggregates.Metadata) (news bool, err error) {
	t := &taking{about: c.about, origin: origin}
	t.origin.IdempotencyKey = fmt.Sprintf("policy:%d:%s:%s", len(origin.Source.System), origin.Source.System, origin.Source.MessageID)
	t.origin.Fingerprint = c.fingerprint
	if err := c.kind.do(ctx, s.remembering(t), c.request); err != nil {
		if rejection := Reject(err); rejection != nil {
			return false, rejection
		}
		return false, err
	}
	return t.verdict != said.Repetition, nil
}

// Ready tells whether a command would be carried out now, for those that were refused before.
func (s *Service) Ready(ctx context.Context, c *Command) bool {
	return c.kind.do(ctx, s.draft(), c.request) == nil
}

// taking is one message being taken in.
type taking struct {
	about   string
	origin  aggregates.Metadata
	verdict said.Verdict
}

// remembering is the service for one message: what it changes, it changes once.
func (s *Service) remembering(t *taking) *Service {
	c := s.Config
	c.SKUs = once[stock.State]{s.SKUs, t, (*stock.State).Said}
	c.Channels = once[channel.State]{s.Channels, t, func(s *channel.State) *said.Memory { return &s.Said }}
	c.Locations = once[location.State]{s.Locations, t, func(s *location.State) *said.Memory { return &s.Said }}
	c.Rules = once[rules.State]{s.Rules, t, func(s *rules.State) *said.Memory { return &s.Said }}
	return New(c)
}

// once has intentions decided behind the memory of the stream.
type once[S any] struct {
	commands.Doer[S]
	*taking
	memory func(*S) *said.Memory
}

// Do decides, on behalf of the message.
func (x once[S]) Do(ctx context.Context, id string, m aggregates.Metadata, in commands.Intention[S]) (commands.Outcome, error) {
	of := x.origin
	of.Actor = m.Actor
	if of.CausationID == "" {
		of.CausationID = m.CausationID
	}
	return x.Doer.Do(ctx, id, of, &judged[S]{once: x, in: in})
}

// judged is an intention that counts unless the stream remembers its message.
type judged[S any] struct {
	once[S]
	in commands.Intention[S]
}

// Decide judges, and decides.
func (x *judged[S]) Decide(s *S, m aggregates.Metadata, now aggregates.Instant) (events []aggregates.Event, err error) {
	if x.verdict, err = x.memory(s).Judge(x.about, &x.origin); err != nil {
		return nil, err
	}
	switch x.verdict {
	case said.Repetition:
		return nil, nil
	case said.Superseded:
		return []aggregates.Event{&said.Taken{About: x.about, Superseded: true}}, nil
	}
	if events, err = x.in.Decide(s, m, now); err != nil {
		return nil, err
	}
	return append(events, &said.Taken{About: x.about}), nil
}
