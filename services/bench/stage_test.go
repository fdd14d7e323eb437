package bench

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// stage is a run in one process, on a clock that the test owns: a fake service and an echo that take exactly as long as
// they are told to.
type stage struct {
	*bench
	service *local
	bare    *local
	said    []string // progress
}

// newStage must be called in a bubble.
func newStage(t *testing.T, l lie) *stage {
	t.Helper()
	f := newFake(l)
	s := &stage{}
	s.bench = &bench{effort: effort{rounds: 3, window: 100 * time.Millisecond, warmUp: 20 * time.Millisecond, skus: 300},
		catalogue: newCatalogue(300), progress: writer(func(line string) { s.said = append(s.said, line) })}
	s.bench.reserved, s.bench.hot = newLedger(s.catalogue.reserve), newLedger(s.catalogue.hot)
	s.service, s.bare = &local{fake: f, takes: map[string]time.Duration{}}, &local{takes: map[string]time.Duration{}}
	s.server = &server{peer: here(s.service), settings: ServeSettings{Ingest: true},
		status: pb.NewOperationsServiceClient(s.service), health: grpc_health_v1.NewHealthClient(s.service)}
	s.startPostgres = func(context.Context, string) (*postgres, error) { return nil, errNoPostgres }
	s.openAlone = func(string) (call, func() error, error) {
		return func(context.Context) error { time.Sleep(2 * time.Millisecond); return nil }, func() error { return nil }, nil
	}
	echo := here(s.bare)
	s.echo = &echo
	return s
}

// here is a peer in this process.
func here(l *local) peer {
	c := &child{done: make(chan struct{}), cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
	return peer{child: c, wires: []*wire{{cc: l}, {cc: l}}}
}

// measure runs a row.
func (s *stage) measure(t *testing.T, name string) (Figure, error) {
	t.Helper()
	chosen, err := choose([]string{name}, false)
	if err != nil {
		t.Fatal(err)
	}
	f := Figure{Row: name, Target: chosen[0].Target, BaselineName: chosen[0].Baseline}
	err = chosen[0].measure(t.Context(), s.bench, &f)
	f.conclude()
	return f, err
}

// local is a connection to a fake service, or to an echo when there is none.
type local struct {
	*fake
	takes map[string]time.Duration // by method; others take no time

	slowToken time.Duration // what reads with a token take longer
	told      *[]string     // methods of calls that go as frames, repetitions left out; nil when nobody asks
}

// tellMu guards what calls tell.
var tellMu sync.Mutex

func (l *local) tell(method string) {
	if l.told == nil {
		return
	}
	tellMu.Lock()
	defer tellMu.Unlock()
	if n := len(*l.told); n == 0 || (*l.told)[n-1] != method {
		*l.told = append(*l.told, method)
	}
}

func (l *local) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "")
}

func (l *local) Invoke(ctx context.Context, method string, in, out any, _ ...grpc.CallOption) error {
	time.Sleep(l.takes[method])
	if method == echoMethod {
		l.tell(method)
		return echoHere(in.(*frame), out.(*frame))
	}
	request, typed := in.(proto.Message)
	if !typed {
		l.tell(method)
		request = requests[method]()
		if err := proto.Unmarshal(*in.(*frame), request); err != nil {
			return err
		}
	}
	reply, err := l.answer(ctx, request)
	switch {
	case err != nil:
		return err
	case typed:
		proto.Merge(out.(proto.Message), reply)
		return nil
	default:
		*out.(*frame), err = proto.Marshal(reply)
		return err
	}
}

// answer hands a request to the fake service.
func (l *local) answer(ctx context.Context, request proto.Message) (proto.Message, error) {
	switch r := request.(type) {
	case *pb.GetAvailabilityRequest:
		if r.Token != "" {
			time.Sleep(l.slowToken)
		}
		return l.GetAvailability(ctx, r)
	case *pb.BatchGetAvailabilityRequest:
		return l.BatchGetAvailability(ctx, r)
	case *pb.ReserveRequest:
		return l.Reserve(ctx, r)
	case *pb.ReserveBatchRequest:
		return l.ReserveBatch(ctx, r)
	case *pb.GetStockRequest:
		return l.GetStock(ctx, r)
	case *pb.RecordMovementsRequest:
		return l.RecordMovements(ctx, r)
	case *pb.PutLocationRequest:
		return l.PutLocation(ctx, r)
	case *pb.PutChannelRequest:
		return l.PutChannel(ctx, r)
	case *pb.GetStatusRequest:
		return l.GetStatus(ctx, r)
	case *grpc_health_v1.HealthCheckRequest:
		return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "%T", request)
}

// echoHere is the echo without a server.
func echoHere(in, out *frame) error {
	var request wrapperspb.BytesValue
	if err := proto.Unmarshal(*in, &request); err != nil {
		return err
	}
	reply, err := filled(int(binary.LittleEndian.Uint32(request.Value)))
	if err != nil {
		return err
	}
	*out, err = proto.Marshal(reply)
	return err
}
