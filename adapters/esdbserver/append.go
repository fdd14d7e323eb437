package esdbserver

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	pb "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/stockfold/stockfold/aggregates"
)

// Append is the protocol's: first the stream and what is expected of it, then the events, one answer.
func (s *service) Append(stream pb.Streams_AppendServer) error {
	w, err := s.receive(stream)
	if err != nil {
		s.drain(stream)
		return err
	}
	got, err := s.write(stream.Context(), w)
	if err != nil {
		return err
	}
	return stream.SendAndClose(appendAnswer(w, got))
}

// receive takes in what is to be appended.
func (s *service) receive(stream pb.Streams_AppendServer) (*write, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	options := first.GetOptions()
	if options == nil {
		return nil, badRequest("an append begins with its options")
	}
	w, err := s.appendOptions(options)
	if err != nil {
		return nil, err
	}
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return w, nil
		}
		if err != nil {
			return nil, err
		}
		p := req.GetProposedMessage()
		if p == nil {
			return nil, badRequest("after the options of an append come its events")
		}
		id, err := fromUUID(p.Id)
		if err != nil {
			return nil, err
		}
		if err := s.add(w, id, p.Metadata, p.Data, p.CustomMetadata); err != nil {
			return nil, err
		}
	}
}

// drain takes the rest of an append that was refused, as much as one may hold: a client that still sends when the answer
// comes learns only that its stream has ended.
func (s *service) drain(stream pb.Streams_AppendServer) {
	for left := s.opts.MaxAppendBytes; left > 0; {
		req, err := stream.Recv()
		if err != nil {
			return
		}
		left -= proto.Size(req)
	}
}

func (s *service) appendOptions(o *pb.AppendReq_Options) (*write, error) {
	name := string(o.GetStreamIdentifier().GetStreamName())
	switch e := o.GetExpectedStreamRevision().(type) {
	case *pb.AppendReq_Options_Any:
		return s.newWrite(name, expectAny, 0)
	case *pb.AppendReq_Options_NoStream:
		return s.newWrite(name, expectNoStream, 0)
	case *pb.AppendReq_Options_StreamExists:
		return s.newWrite(name, expectExists, 0)
	case *pb.AppendReq_Options_Revision:
		return s.newWrite(name, expectRevision, e.Revision)
	}
	return nil, badRequest("the expected revision is missing")
}

func appendAnswer(w *write, got written) *pb.AppendResp {
	if got.conflict {
		return &pb.AppendResp{Result: &pb.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrongVersion(w, got.next)}}
	}
	success := &pb.AppendResp_Success{CurrentRevisionOption: &pb.AppendResp_Success_NoStream{NoStream: &shared.Empty{}},
		PositionOption: &pb.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}}}
	if got.next > 0 {
		success.CurrentRevisionOption = &pb.AppendResp_Success_CurrentRevision{CurrentRevision: got.next - 1}
	}
	if got.position > 0 {
		success.PositionOption = &pb.AppendResp_Success_Position{Position: &pb.AppendResp_Position{CommitPosition: got.position, PreparePosition: got.position}}
	}
	return &pb.AppendResp{Result: &pb.AppendResp_Success_{Success: success}}
}

// wrongVersion says the conflict twice, for clients of 20.6.0 too.
func wrongVersion(w *write, next uint64) *pb.AppendResp_WrongExpectedVersion {
	x := &pb.AppendResp_WrongExpectedVersion{}
	switch w.expected {
	case expectAny:
		x.ExpectedRevisionOption = &pb.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
		x.ExpectedRevisionOption_20_6_0 = &pb.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}}
	case expectExists:
		x.ExpectedRevisionOption = &pb.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
		x.ExpectedRevisionOption_20_6_0 = &pb.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}}
	case expectNoStream:
		x.ExpectedRevisionOption = &pb.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
		x.ExpectedRevisionOption_20_6_0 = &pb.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: noRevision}
	case expectRevision:
		x.ExpectedRevisionOption = &pb.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: w.revision}
		x.ExpectedRevisionOption_20_6_0 = &pb.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: w.revision}
	}
	if next == 0 {
		x.CurrentRevisionOption = &pb.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		x.CurrentRevisionOption_20_6_0 = &pb.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}}
		return x
	}
	x.CurrentRevisionOption = &pb.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: next - 1}
	x.CurrentRevisionOption_20_6_0 = &pb.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: next - 1}
	return x
}

const noRevision = ^uint64(0)

func fromUUID(u *shared.UUID) (id aggregates.EventID, err error) {
	switch v := u.GetValue().(type) {
	case *shared.UUID_Structured_:
		binary.BigEndian.PutUint64(id[:8], uint64(v.Structured.GetMostSignificantBits()))
		binary.BigEndian.PutUint64(id[8:], uint64(v.Structured.GetLeastSignificantBits()))
		return id, nil
	case *shared.UUID_String_:
		parsed, err := uuid.Parse(v.String_)
		if err != nil {
			return id, badRequest("%.50q is not a UUID: %v", v.String_, err)
		}
		return aggregates.EventID(parsed), nil
	}
	return id, badRequest("the event has no id")
}

// toUUID writes an id as text, or as two numbers.
func toUUID(id aggregates.EventID, text bool) *shared.UUID {
	if text {
		return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
	}
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}
