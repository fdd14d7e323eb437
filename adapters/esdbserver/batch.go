package esdbserver

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	pb "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// BatchAppend is the protocol's: many appends over one call, each in one or more messages, told apart by correlation
// ids. Appends to one stream are made in the order in which they were completed. At its bounds the call waits.
func (s *service) BatchAppend(stream pb.Streams_BatchAppendServer) error {
	b := &batches{service: s, stream: stream, open: map[string]*batch{}, seed: maphash.MakeSeed()}
	for i := range b.workers {
		b.workers[i] = make(chan *batch, 1)
		b.done.Go(func() { b.work(b.workers[i]) })
	}
	err := b.receive()
	for i := range b.workers {
		close(b.workers[i])
	}
	b.done.Wait()
	if err != nil {
		return err
	}
	return b.failed
}

// batches are the appends of one call.
type batches struct {
	*service
	stream  pb.Streams_BatchAppendServer
	open    map[string]*batch // by correlation id
	bytes   int
	workers [batchWorkers]chan *batch
	seed    maphash.Seed
	done    sync.WaitGroup

	sending sync.Mutex
	failed  error
}

// batch is one of them.
type batch struct {
	correlation *shared.UUID
	options     *pb.BatchAppendReq_Options
	write       *write
	deadline    time.Time // zero: none
	refused     error
}

func (b *batches) receive() error {
	for {
		req, err := b.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.take(req); err != nil {
			return err
		}
	}
}

// take adds a message to its append, and hands the append on when it is complete.
func (b *batches) take(req *pb.BatchAppendReq) error {
	key, err := proto.MarshalOptions{Deterministic: true}.Marshal(req.CorrelationId)
	if err != nil {
		return err
	}
	x := b.open[string(key)]
	if x == nil {
		if req.Options == nil {
			return badRequest("an append begins with its options")
		}
		if len(b.open) == maxBatches {
			return badRequest("%d appends have begun and are not complete, more are not possible", maxBatches)
		}
		x = &batch{correlation: req.CorrelationId, options: req.Options}
		x.write, x.refused = b.batchOptions(req.Options)
		x.deadline, _ = batchDeadline(req.Options)
		b.open[string(key)] = x
	}
	for _, p := range req.ProposedMessages {
		if x.refused != nil {
			break
		}
		before := x.write.bytes
		if id, err := fromUUID(p.Id); err != nil {
			x.refused = err
		} else {
			x.refused = b.add(x.write, id, p.Metadata, p.Data, p.CustomMetadata)
		}
		b.bytes += x.write.bytes - before
	}
	if b.bytes > 4*b.opts.MaxAppendBytes {
		return badRequest("appends of more than %d bytes have begun and are not complete", 4*b.opts.MaxAppendBytes)
	}
	if !req.IsFinal {
		return nil
	}
	delete(b.open, string(key))
	if x.write != nil {
		b.bytes -= x.write.bytes
	}
	return b.hand(x)
}

// hand gives an append to the worker of its stream.
func (b *batches) hand(x *batch) error {
	worker := b.workers[maphash.Bytes(b.seed, x.options.GetStreamIdentifier().GetStreamName())%batchWorkers]
	select {
	case worker <- x:
		return nil
	case <-b.stream.Context().Done():
		return b.stream.Context().Err()
	}
}

func (b *batches) work(queue chan *batch) {
	for x := range queue {
		answer := b.answer(x)
		b.sending.Lock()
		if b.failed == nil {
			b.failed = b.stream.Send(answer)
		}
		b.sending.Unlock()
	}
}

func (b *batches) answer(x *batch) *pb.BatchAppendResp {
	answer := &pb.BatchAppendResp{CorrelationId: x.correlation, StreamIdentifier: x.options.GetStreamIdentifier()}
	got, err := written{}, x.refused
	if err == nil {
		ctx, cancel := x.context(b.stream.Context())
		got, err = b.write(ctx, x.write)
		cancel()
	}
	switch {
	case err != nil:
		answer.Result = &pb.BatchAppendResp_Error{Error: batchError(err, b.opts.MaxAppendBytes)}
	case got.conflict:
		answer.Result = &pb.BatchAppendResp_Error{Error: withDetails(code.Code_FAILED_PRECONDITION, "WrongExpectedVersion", batchConflict(x.write, got.next))}
	default:
		answer.Result = &pb.BatchAppendResp_Success_{Success: batchSuccess(got)}
	}
	return answer
}

func (x *batch) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if x.deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, x.deadline)
}

func (s *service) batchOptions(o *pb.BatchAppendReq_Options) (*write, error) {
	name := string(o.GetStreamIdentifier().GetStreamName())
	switch e := o.GetExpectedStreamPosition().(type) {
	case *pb.BatchAppendReq_Options_Any:
		return s.newWrite(name, expectAny, 0)
	case *pb.BatchAppendReq_Options_NoStream:
		return s.newWrite(name, expectNoStream, 0)
	case *pb.BatchAppendReq_Options_StreamExists:
		return s.newWrite(name, expectExists, 0)
	case *pb.BatchAppendReq_Options_StreamPosition:
		return s.newWrite(name, expectRevision, e.StreamPosition)
	}
	return nil, badRequest("the expected revision is missing")
}

func batchDeadline(o *pb.BatchAppendReq_Options) (at time.Time, ok bool) {
	switch d := o.GetDeadlineOption().(type) {
	case *pb.BatchAppendReq_Options_Deadline:
		return time.Now().Add(d.Deadline.AsDuration()), true
	case *pb.BatchAppendReq_Options_Deadline_21_10_0:
		return d.Deadline_21_10_0.AsTime(), true
	}
	return at, false
}

func batchSuccess(got written) *pb.BatchAppendResp_Success {
	x := &pb.BatchAppendResp_Success{CurrentRevisionOption: &pb.BatchAppendResp_Success_NoStream{NoStream: &emptypb.Empty{}},
		PositionOption: &pb.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}}}
	if got.next > 0 {
		x.CurrentRevisionOption = &pb.BatchAppendResp_Success_CurrentRevision{CurrentRevision: got.next - 1}
	}
	if got.position > 0 {
		x.PositionOption = &pb.BatchAppendResp_Success_Position{Position: &shared.AllStreamPosition{CommitPosition: got.position, PreparePosition: got.position}}
	}
	return x
}

func batchConflict(w *write, next uint64) *shared.WrongExpectedVersion {
	x := &shared.WrongExpectedVersion{}
	switch w.expected {
	case expectAny:
		x.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedAny{ExpectedAny: &emptypb.Empty{}}
	case expectExists:
		x.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &emptypb.Empty{}}
	case expectNoStream:
		x.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &emptypb.Empty{}}
	case expectRevision:
		x.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: w.revision}
	}
	if next == 0 {
		x.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}}
	} else {
		x.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: next - 1}
	}
	return x
}

// batchError says an error as clients expect it within an answer.
func batchError(err error, maxAppendBytes int) *status.Status {
	var r *refusal
	if errors.As(err, &r) {
		switch {
		case r.code == codes.PermissionDenied:
			return withDetails(code.Code_PERMISSION_DENIED, r.message, &shared.AccessDenied{})
		case len(r.trailers) > 1 && r.trailers[1] == "maximum-append-size-exceeded":
			return withDetails(code.Code_INVALID_ARGUMENT, r.message, &shared.MaximumAppendSizeExceeded{MaxAppendSize: uint32(maxAppendBytes)})
		case r.code == codes.InvalidArgument, r.code == codes.Unimplemented:
			return withDetails(code.Code(r.code), r.message, &shared.BadRequest{Message: r.message})
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return withDetails(code.Code_DEADLINE_EXCEEDED, err.Error(), &shared.Timeout{})
	}
	return withDetails(code.Code_UNKNOWN, err.Error(), &shared.Unknown{})
}

func withDetails(c code.Code, message string, details proto.Message) *status.Status {
	s := &status.Status{Code: int32(c), Message: message}
	if packed, err := anypb.New(details); err == nil {
		s.Details = append(s.Details, packed)
	}
	return s
}
