package esdbserver

import (
	"context"
	"errors"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	pb "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/stockfold/stockfold/aggregates"
)

// errEnough ends a read that has what it wants.
var errEnough = errors.New("enough")

// Read is the protocol's: a stream or $all, either way, up to a count; or a subscription to either.
func (s *service) Read(req *pb.ReadReq, out pb.Streams_ReadServer) error {
	o := req.GetOptions()
	if o == nil {
		return badRequest("the options are missing")
	}
	if o.UuidOption == nil {
		return badRequest("the option for ids is missing")
	}
	r := &reader{service: s, options: o, out: out}
	_, r.text = o.UuidOption.Content.(*pb.ReadReq_Options_UUIDOption_String_)
	_, subscription := o.CountOption.(*pb.ReadReq_Options_Subscription)
	var err error
	if r.filter, err = newFilter(o.GetFilter(), subscription); err != nil {
		return err
	}
	if o.GetStream() != nil && r.filter != nil {
		return badRequest("a stream cannot be filtered, only $all can")
	}
	switch {
	case o.GetStream() != nil && subscription:
		return s.subscription(out.Context(), r.subscribeStream)
	case o.GetAll() != nil && subscription:
		return s.subscription(out.Context(), r.subscribeAll)
	case o.GetStream() != nil:
		err = r.stream(out.Context())
	case o.GetAll() != nil:
		err = r.all(out.Context())
	default:
		return badRequest("neither a stream nor $all is named")
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// reader is one call of Read.
type reader struct {
	*service
	options *pb.ReadReq_Options
	out     pb.Streams_ReadServer
	filter  *filter
	text    bool // ids as text
	sent    uint64
}

func (r *reader) backwards() bool { return r.options.ReadDirection == pb.ReadReq_Options_Backwards }

// each sends an event of a read and ends it after the last one that was asked for.
func (r *reader) each(e aggregates.Record) error {
	if r.filter != nil && !r.filter.matches(e.Stream, e.Type) {
		return nil
	}
	if err := r.send(e); err != nil {
		return err
	}
	if r.sent++; r.sent >= r.options.GetCount() {
		return errEnough
	}
	return nil
}

func (r *reader) stream(ctx context.Context) error {
	o := r.options.GetStream()
	name := string(o.GetStreamIdentifier().GetStreamName())
	if name == "" {
		return badRequest("the name of the stream is empty")
	}
	first, next, exists, err := r.shown(ctx, name)
	if err != nil {
		return err
	}
	if !exists {
		return r.out.Send(&pb.ReadResp{Content: &pb.ReadResp_StreamNotFound_{StreamNotFound: &pb.ReadResp_StreamNotFound{
			StreamIdentifier: o.StreamIdentifier}}})
	}
	if r.options.GetCount() > 0 && first < next {
		if err := r.within(ctx, name, first, next-1); err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	return r.bounds(first, next)
}

// within reads from where the client wants to start, within the revisions that are shown.
func (r *reader) within(ctx context.Context, name string, first, last uint64) error {
	from := first
	if r.backwards() {
		from = last
	}
	switch x := r.options.GetStream().RevisionOption.(type) {
	case *pb.ReadReq_Options_StreamOptions_Revision:
		from = x.Revision
	case *pb.ReadReq_Options_StreamOptions_Start:
		from = 0
	case *pb.ReadReq_Options_StreamOptions_End:
		from = noRevision
	}
	if r.backwards() {
		return r.readStreamBackwards(ctx, name, min(from, last), first, r.each)
	}
	return r.readStream(ctx, name, max(from, first), last, r.each)
}

// bounds tells newer clients which revisions there are.
func (r *reader) bounds(first, next uint64) error {
	if r.options.GetControlOption().GetCompatibility() < 1 || next == 0 {
		return nil
	}
	if r.sent == 0 && !r.backwards() && first > 0 {
		if err := r.out.Send(&pb.ReadResp{Content: &pb.ReadResp_FirstStreamPosition{FirstStreamPosition: first}}); err != nil {
			return err
		}
	}
	return r.out.Send(&pb.ReadResp{Content: &pb.ReadResp_LastStreamPosition{LastStreamPosition: next - 1}})
}

func (r *reader) all(ctx context.Context) error {
	if r.options.GetCount() == 0 {
		return nil
	}
	end, err := r.store.End(ctx)
	if err != nil {
		return err
	}
	var prefixes []string
	if r.filter != nil {
		prefixes = r.filter.prefixes
	}
	start, bounded := r.allStart()
	if r.backwards() {
		if bounded && start == 0 {
			return nil
		}
		if bounded {
			end = min(end, start-1)
		}
		return readBackwards(ctx, r.store, end, prefixes, r.each)
	}
	if !bounded {
		return nil // forwards from the end
	}
	return readForwards(ctx, r.store, start-min(start, 1), end, prefixes, r.each)
}

// allStart gives the position to start at, or bounded = false for the end.
func (r *reader) allStart() (position uint64, bounded bool) {
	switch x := r.options.GetAll().AllOption.(type) {
	case *pb.ReadReq_Options_AllOptions_Position:
		return x.Position.GetCommitPosition(), x.Position.GetCommitPosition() != noRevision
	case *pb.ReadReq_Options_AllOptions_Start:
		return 0, true
	}
	return 0, false
}

// send sends an event.
func (r *reader) send(e aggregates.Record) error {
	d := open(e)
	contentType := "application/octet-stream"
	if d.json {
		contentType = "application/json"
	}
	return r.out.Send(&pb.ReadResp{Content: &pb.ReadResp_Event{Event: &pb.ReadResp_ReadEvent{
		Event: &pb.ReadResp_ReadEvent_RecordedEvent{
			Id:               toUUID(e.ID, r.text),
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(e.Stream)},
			StreamRevision:   e.Revision,
			PreparePosition:  e.Position,
			CommitPosition:   e.Position,
			Metadata:         map[string]string{"type": e.Type, "created": strconv.FormatInt(int64(d.created)*10, 10), "content-type": contentType},
			CustomMetadata:   d.meta,
			Data:             d.data,
		},
		Position: &pb.ReadResp_ReadEvent_CommitPosition{CommitPosition: e.Position},
	}}})
}
