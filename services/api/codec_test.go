package api

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec to compare with
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func samples() []proto.Message {
	large := &pb.BatchGetAvailabilityResponse{}
	for range 1000 {
		large.Availabilities = append(large.Availabilities, &pb.Availability{Sku: strings.Repeat("x", 50), Ats: 7, Known: true})
	}
	return []proto.Message{
		&pb.GetAvailabilityRequest{}, &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: "t"}, large,
		&health.HealthCheckRequest{Service: "x"}, // has no generated code for this
	}
}

func TestTheCodecSpeaksWithGRPCsOwn(t *testing.T) {
	theirs := encoding.GetCodecV2("proto")
	for _, m := range samples() {
		for name, x := range map[string]struct{ write, read encoding.CodecV2 }{
			"ours to theirs": {codec{}, theirs}, "theirs to ours": {theirs, codec{}}, "ours to ours": {codec{}, codec{}},
		} {
			data, err := x.write.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got := m.ProtoReflect().New().Interface()
			if err := x.read.Unmarshal(data, got); err != nil || !proto.Equal(m, got) {
				t.Errorf("%s, %T: %v, %v", name, m, got, err)
			}
			data.Free()
		}
	}
}

func TestTheCodecReadsPieces(t *testing.T) {
	want := samples()[2]
	raw, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var pieces mem.BufferSlice
	for chunk := range bytes.SplitSeq(raw, []byte("xx")) {
		pieces = append(pieces, mem.SliceBuffer(append(bytes.Clone(chunk), "xx"...)))
	}
	last := len(pieces) - 1
	pieces[last] = mem.SliceBuffer(pieces[last].ReadOnlyData()[:pieces[last].Len()-2])
	got := &pb.BatchGetAvailabilityResponse{}
	if err := (codec{}).Unmarshal(pieces, got); err != nil || !proto.Equal(want, got) {
		t.Error(err)
	}
}

func TestTheCodecRefusesWhatIsNoMessage(t *testing.T) {
	if _, err := (codec{}).Marshal("text"); err == nil || !strings.Contains(err.Error(), "string") {
		t.Errorf("got %v", err)
	}
	if err := (codec{}).Unmarshal(nil, new(int)); err == nil {
		t.Error("no error")
	}
	if err := (codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer("\xff")}, &pb.Availability{}); err == nil || !strings.Contains(err.Error(), "Availability") {
		t.Errorf("got %v", err)
	}
}
