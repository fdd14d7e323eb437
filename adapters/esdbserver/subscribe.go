package esdbserver

import (
	"context"
	"crypto/rand"

	pb "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates"
)

// subscription runs one until its client ends it or the server stops.
func (s *service) subscription(ctx context.Context, run func(context.Context) error) error {
	select {
	case s.subscriptions <- struct{}{}:
		defer func() { <-s.subscriptions }()
	default:
		return &refusal{code: codes.ResourceExhausted, message: "too many subscriptions are open; close some and try again"}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.stopping, cancel)
	defer stop()
	err := run(ctx)
	if s.stopping.Err() != nil {
		return errStopping
	}
	return err
}

func (r *reader) confirm() error {
	return r.out.Send(&pb.ReadResp{Content: &pb.ReadResp_Confirmation{Confirmation: &pb.ReadResp_SubscriptionConfirmation{SubscriptionId: rand.Text()}}})
}

func (r *reader) caughtUp() error {
	return r.out.Send(&pb.ReadResp{Content: &pb.ReadResp_CaughtUp_{CaughtUp: &pb.ReadResp_CaughtUp{}}})
}

func (r *reader) checkpoint(position uint64) error {
	return r.out.Send(&pb.ReadResp{Content: &pb.ReadResp_Checkpoint_{Checkpoint: &pb.ReadResp_Checkpoint{
		CommitPosition: position, PreparePosition: position}}})
}

// subscribeAll sends everything after a position that passes the filter, first what is stored, then what comes.
func (r *reader) subscribeAll(ctx context.Context) error {
	end, err := r.store.End(ctx)
	if err != nil {
		return err
	}
	after, bounded := r.allStart()
	if !bounded {
		after = end
	}
	var prefixes []string
	if r.filter != nil {
		prefixes = r.filter.prefixes
	}
	sub, err := r.store.Subscribe(ctx, after, prefixes...)
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := r.confirm(); err != nil {
		return err
	}
	progress := progress{reader: r, at: after, end: end}
	if err := progress.begin(); err != nil {
		return err
	}
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range b.Records {
			if r.filter != nil && !r.filter.matches(e.Stream, e.Type) {
				continue
			}
			if err := r.send(e); err != nil {
				return err
			}
		}
		if err := progress.move(b.Through); err != nil {
			return err
		}
	}
}

// progress tells a client how far its subscription has come beyond the events that it gets: a checkpoint when it catches
// up and then whenever as many events as the filter's gap have been looked at, and once that it has caught up.
type progress struct {
	*reader
	at     uint64
	end    uint64 // of the store when the subscription began
	looked uint64 // events since the last checkpoint
	live   bool
}

func (p *progress) begin() error {
	if p.at < p.end {
		return nil
	}
	p.live = true
	return p.caughtUp()
}

func (p *progress) move(through uint64) error {
	p.looked += through - p.at
	p.at = through
	arrived := !p.live && through >= p.end
	if p.filter != nil && (arrived || p.looked >= p.filter.gap) {
		p.looked %= p.filter.gap
		if err := p.checkpoint(through); err != nil {
			return err
		}
	}
	if !arrived {
		return nil
	}
	p.live = true
	return p.caughtUp()
}

// subscribeStream sends the events of a stream after a revision, first what is stored, then what comes.
func (r *reader) subscribeStream(ctx context.Context) error {
	o := r.options.GetStream()
	name := string(o.GetStreamIdentifier().GetStreamName())
	if name == "" {
		return badRequest("the name of the stream is empty")
	}
	end, err := r.store.End(ctx)
	if err != nil {
		return err
	}
	first, next, _, err := r.shown(ctx, name)
	if err != nil {
		return err
	}
	from := first
	switch x := o.RevisionOption.(type) {
	case *pb.ReadReq_Options_StreamOptions_Revision:
		from = max(first, x.Revision+1)
		if x.Revision == noRevision {
			from = next
		}
	case *pb.ReadReq_Options_StreamOptions_End:
		from = next
	}
	if err := r.confirm(); err != nil {
		return err
	}
	if next > 0 {
		if err := r.readStream(ctx, name, from, next-1, r.send); err != nil {
			return err
		}
	}
	if err := r.caughtUp(); err != nil {
		return err
	}
	return r.follow(ctx, name, end, max(from, next))
}

// follow sends a stream's events from a revision on that stand after a position.
func (r *reader) follow(ctx context.Context, name string, after, from uint64) error {
	sub, err := r.store.Subscribe(ctx, after, name)
	if err != nil {
		return err
	}
	defer sub.Close()
	wanted := func(e aggregates.Record) bool { return e.Stream == name && e.Revision >= from }
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range b.Records {
			if !wanted(e) {
				continue
			}
			if err := r.send(e); err != nil {
				return err
			}
		}
	}
}
