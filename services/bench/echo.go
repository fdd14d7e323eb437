package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	echoMethod = "/stockfold.bench.Echo/Echo"
	// echoHeader is the start of a request's bytes: the encoded size of the reply asked for.
	echoHeader = 4
	// maxEcho bounds the encoded size of an echo message, well below gRPC's own 4 MiB.
	maxEcho = 1 << 20
	// echoReady goes before the address in the line that the echo's process prints.
	echoReady = "echo on "
)

// zeros is what echo messages are filled with; nobody writes it.
var zeros [maxEcho]byte

// echoDesc describes the least that a gRPC service can be: bytes in, bytes out.
var echoDesc = grpc.ServiceDesc{
	ServiceName: "stockfold.bench.Echo",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: echo}},
}

func echo(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in wrapperspb.BytesValue
	if err := decode(&in); err != nil {
		return nil, err
	}
	if len(in.Value) < echoHeader {
		return nil, status.Errorf(codes.InvalidArgument, "echo request of %d bytes has no room for the reply's size", len(in.Value))
	}
	out, err := filled(int(binary.LittleEndian.Uint32(in.Value)))
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return out, nil
}

// filled returns a message whose encoding has exactly size bytes. The message shares its bytes with others.
func filled(size int) (*wrapperspb.BytesValue, error) {
	if size < 0 || size > maxEcho {
		return nil, fmt.Errorf("echo message of %d bytes: must be 0 to %d", size, maxEcho)
	}
	m := &wrapperspb.BytesValue{}
	if size == 0 {
		return m, nil
	}
	rest, ok := payload(size)
	if !ok { // the length prefix grows by a byte just here: an unknown field of two bytes makes up for it
		m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 0))
		if rest, ok = payload(size - 2); !ok {
			return nil, fmt.Errorf("no echo message has %d bytes", size)
		}
	}
	m.Value = zeros[:rest:rest]
	return m, nil
}

// payload is how many bytes in a BytesValue make an encoding of size bytes, if any number does.
func payload(size int) (int, bool) {
	for prefix := 1; prefix <= 4; prefix++ {
		n := size - 1 - prefix
		if n > 0 && protowire.SizeVarint(uint64(n)) == prefix {
			return n, true
		}
	}
	return 0, false
}

// echoRequest returns the echo request of an exchange.
func echoRequest(x exchange) (*wrapperspb.BytesValue, error) {
	m, err := filled(x.request)
	if err != nil {
		return nil, err
	}
	if len(m.Value) < echoHeader {
		return nil, fmt.Errorf("echo request of %d bytes is too short to ask for a reply's size", x.request)
	}
	if _, err := filled(x.reply); err != nil {
		return nil, err
	}
	m.Value = append([]byte(nil), m.Value...)
	binary.LittleEndian.PutUint32(m.Value, uint32(x.reply))
	return m, nil
}

// ServeEcho runs a bare gRPC echo on a free loopback port until ctx ends. It writes one line to out as soon as it
// listens, for the process that started it.
func ServeEcho(ctx context.Context, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s%s\n", echoReady, l.Addr()); err != nil {
		return fmt.Errorf("echo: tell the address: %w", err)
	}
	s := grpc.NewServer()
	s.RegisterService(&echoDesc, struct{}{})
	stopped := context.AfterFunc(ctx, s.GracefulStop)
	defer stopped()
	if err := s.Serve(l); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	return nil
}
