package load

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func takesIn(number int32, next int64) *pb.GetStatusResponse {
	return &pb.GetStatusResponse{Partitions: []*pb.PartitionStatus{{Topic: SalesTopic, Partition: number, NextOffset: next}}}
}

func TestAPartitionIsWhereTheReplicaThatTakesItInSays(t *testing.T) {
	replicas := []*pb.GetStatusResponse{takesIn(0, 7), takesIn(1, 9), {}}
	for number, want := range map[int]struct {
		next int64
		read bool
	}{0: {7, true}, 1: {9, true}, 2: {0, false}} {
		if next, read := nextOffset(replicas, partition{SalesTopic, number}); next != want.next || read != want.read {
			t.Errorf("partition %d: offset %d, read %t; want %+v", number, next, read, want)
		}
	}
	if _, read := nextOffset(replicas, partition{MovementsTopic, 0}); read {
		t.Error("a partition of another topic was found")
	}
}

func TestWaitingEndsWithWhatToDo(t *testing.T) {
	for _, x := range []struct {
		look look
		says string // after unreadAfter
		then string // after stalledAfter
	}{
		{look{unread: true, what: "partition 3"}, "partition 3, and no replica that was asked takes it in: name all replicas with --grpc", "--grpc"},
		{look{what: "partition 4"}, "", "partition 4; its log and GetStatus say why"},
	} {
		if err := x.look.tooLong(unreadAfter); err != nil {
			t.Errorf("%+v: too early: %v", x.look, err)
		}
		if err := x.look.tooLong(unreadAfter + 1); (err != nil) != (x.says != "") || err != nil && !strings.Contains(err.Error(), x.says) {
			t.Errorf("%+v: got %v, want %q", x.look, err, x.says)
		}
		if err := x.look.tooLong(stalledAfter + 1); err == nil || !strings.Contains(err.Error(), x.then) {
			t.Errorf("%+v: got %v, want %q", x.look, err, x.then)
		}
	}
}

// busy is a replica that cannot ask its event store for a while.
type busy struct {
	pb.OperationsServiceClient
	away int // so often
}

func (b *busy) GetStatus(context.Context, *pb.GetStatusRequest, ...grpc.CallOption) (*pb.GetStatusResponse, error) {
	if b.away--; b.away >= 0 {
		return &pb.GetStatusResponse{StoreError: "context deadline exceeded"}, nil
	}
	return &pb.GetStatusResponse{}, nil
}

// A status that comes without the event store, as it may while the machine is busy, does not end a load; one that stays so does.
func TestAStatusThatIsLateIsAskedForAgain(t *testing.T) {
	l := &loader{replicas: []pb.OperationsServiceClient{&busy{away: 2}}}
	looks := 0
	if err := l.poll(t.Context(), func([]*pb.GetStatusResponse) look { looks++; return look{done: true} }); err != nil || looks != 1 {
		t.Errorf("%d looks, %v", looks, err)
	}
	away := &storeAwayError{"down"}
	if !forgivable(away, unreadAfter) || forgivable(away, unreadAfter+1) || forgivable(errors.New("refused"), 0) {
		t.Error("what is asked for again is not what it should be")
	}
}
