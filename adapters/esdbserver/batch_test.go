package esdbserver_test

import (
	"fmt"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	pb "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stockfold/stockfold/adapters/esdbserver"
)

// batchCall is one BatchAppend call.
type batchCall struct {
	*world
	stream pb.Streams_BatchAppendClient
}

func (w *world) batch() batchCall {
	w.Helper()
	stream, err := pb.NewStreamsClient(w.dial()).BatchAppend(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return batchCall{w, stream}
}

func correlation(n int) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)).String()}}
}

func proposed(ids ...int) (list []*pb.BatchAppendReq_ProposedMessage) {
	for _, n := range ids {
		list = append(list, &pb.BatchAppendReq_ProposedMessage{Id: correlation(n), Data: []byte(`{}`),
			Metadata: map[string]string{"type": "NoteTaken", "content-type": "application/json"}})
	}
	return list
}

func to(stream string) *pb.BatchAppendReq_Options {
	return &pb.BatchAppendReq_Options{StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(stream)},
		ExpectedStreamPosition: &pb.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}}}
}

func (b batchCall) send(req *pb.BatchAppendReq) {
	b.Helper()
	if err := b.stream.Send(req); err != nil {
		b.Fatal(err)
	}
}

func (b batchCall) answer() *pb.BatchAppendResp {
	b.Helper()
	got, err := b.stream.Recv()
	if err != nil {
		b.Fatal(err)
	}
	return got
}

func TestABatchOfAppends(t *testing.T) {
	b := newWorld(t, esdbserver.Options{}).batch()
	b.send(&pb.BatchAppendReq{CorrelationId: correlation(1), Options: to("a"), ProposedMessages: proposed(1, 2)})
	b.send(&pb.BatchAppendReq{CorrelationId: correlation(2), Options: to("b"), ProposedMessages: proposed(3), IsFinal: true})
	if got := b.answer(); got.CorrelationId.GetString_() != correlation(2).GetString_() || got.GetSuccess().GetCurrentRevision() != 0 {
		t.Errorf("got %v", got)
	}
	b.send(&pb.BatchAppendReq{CorrelationId: correlation(1), ProposedMessages: proposed(4), IsFinal: true})
	got := b.answer()
	if got.GetSuccess().GetCurrentRevision() != 2 || got.GetSuccess().GetPosition().GetCommitPosition() != 4 || string(got.StreamIdentifier.StreamName) != "a" {
		t.Errorf("got %v", got)
	}
	b.has(b.read("a", esdb.ReadStreamOptions{}, 9), 0, 1, 2)
	if err := b.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}

func TestBatchesOfOneStreamKeepTheirOrder(t *testing.T) {
	b := newWorld(t, esdbserver.Options{}).batch()
	const n = 200
	for i := range n {
		b.send(&pb.BatchAppendReq{CorrelationId: correlation(i), Options: to("a"), ProposedMessages: proposed(i), IsFinal: true})
	}
	for i := range n {
		if got := b.answer(); got.GetSuccess().GetCurrentRevision() != uint64(i) || got.CorrelationId.GetString_() != correlation(i).GetString_() {
			t.Fatalf("answer %d is %v", i, got)
		}
	}
}

func TestRefusalsWithinABatch(t *testing.T) {
	w := newWorld(t, esdbserver.Options{MaxAppendBytes: 1000})
	readOnly := serve(t, w.store, esdbserver.Options{ReadOnly: true})
	large := proposed(1)
	large[0].Data = make([]byte, 1001)
	late := to("a")
	late.DeadlineOption = &pb.BatchAppendReq_Options_Deadline{Deadline: durationpb.New(-1)}
	wrong := to("a")
	wrong.ExpectedStreamPosition = &pb.BatchAppendReq_Options_StreamPosition{StreamPosition: 7}
	for want, x := range map[string]struct {
		*world
		req *pb.BatchAppendReq
	}{
		"event_store.client.WrongExpectedVersion":      {w, &pb.BatchAppendReq{Options: wrong, ProposedMessages: proposed(1)}},
		"event_store.client.MaximumAppendSizeExceeded": {w, &pb.BatchAppendReq{Options: to("a"), ProposedMessages: large}},
		"event_store.client.Timeout":                   {w, &pb.BatchAppendReq{Options: late, ProposedMessages: proposed(1)}},
		"event_store.client.BadRequest":                {w, &pb.BatchAppendReq{Options: to(""), ProposedMessages: proposed(1)}},
		"event_store.client.AccessDenied":              {readOnly, &pb.BatchAppendReq{Options: to("a"), ProposedMessages: proposed(1)}},
	} {
		b := x.batch()
		x.req.CorrelationId, x.req.IsFinal = correlation(1), true
		b.send(x.req)
		if got := b.answer().GetError(); len(got.GetDetails()) != 1 || string(got.Details[0].MessageName()) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestBatchesAreBounded(t *testing.T) {
	b := newWorld(t, esdbserver.Options{}).batch()
	for i := range 10_000 {
		if b.stream.Send(&pb.BatchAppendReq{CorrelationId: correlation(i), Options: to("a")}) != nil {
			break
		}
	}
	if _, err := b.stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

func TestWhatClientsAskWhenTheyConnect(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	conn := w.dial()
	info, err := gossip.NewGossipClient(conn).Read(w.ctx, &shared.Empty{})
	if err != nil || len(info.Members) != 1 || info.Members[0].State != gossip.MemberInfo_Leader ||
		fmt.Sprintf("%s:%d", info.Members[0].HttpEndPoint.Address, info.Members[0].HttpEndPoint.Port) != w.addr {
		t.Errorf("got %v, %v", info, err)
	}
	methods, err := serverfeatures.NewServerFeaturesClient(conn).GetSupportedMethods(w.ctx, &shared.Empty{})
	if err != nil || methods.EventStoreServerVersion != esdbserver.Version || len(methods.Methods) == 0 {
		t.Errorf("got %v, %v", methods, err)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(w.ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("got %v, %v", answer, err)
	}
	ill := serve(t, w.store, esdbserver.Options{ReadOnly: true, Health: w.store.Health})
	answer, err = grpc_health_v1.NewHealthClient(ill.dial()).Check(w.ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("got %v, %v", answer, err)
	}
}
