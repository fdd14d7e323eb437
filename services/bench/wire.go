package bench

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// frame is an encoded message. What is measured goes over the wire as frames, to the service and to the echo alike:
// the client does the same for both, and what it costs to decode a reply is not held against either.
type frame []byte

// frames is the codec of frames.
type frames struct{}

var _ encoding.CodecV2 = frames{}

// Name is that of the encoding on the wire.
func (frames) Name() string { return "proto" }

// Marshal hands out the frame itself, which must not change any more.
func (frames) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("encode %T: not a frame", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*f)}, nil
}

// Unmarshal copies into the frame, whose room is used again.
func (frames) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("decode %T: not a frame", v)
	}
	n := data.Len()
	if cap(*f) < n {
		*f = make(frame, n)
	}
	*f = (*f)[:n]
	data.CopyTo(*f)
	return nil
}

// asFrames are the options of every call that is measured.
var asFrames = []grpc.CallOption{grpc.ForceCodecV2(frames{}), grpc.StaticMethod()}

// exchange is the encoded sizes, in bytes, of a request and its reply.
type exchange struct{ request, reply int }

// maxExchanges is how many sizes are learned of a row on each connection; its echo repeats them in turn.
const maxExchanges = 1024

// wire is a connection for frames.
type wire struct {
	cc     grpc.ClientConnInterface
	learns bool // whether sizes are to be learned

	mu   sync.Mutex
	seen []exchange // sizes of the first calls answered
}

// learning returns a wire that learns sizes.
func learning(cc grpc.ClientConnInterface) *wire {
	return &wire{cc: cc, learns: true}
}

// call makes one call. The request must not change afterwards.
func (w *wire) call(ctx context.Context, method string, request, reply *frame) error {
	if err := w.cc.Invoke(ctx, method, request, reply, asFrames...); err != nil {
		return err
	}
	if w.learns {
		w.learn(exchange{len(*request), len(*reply)})
	}
	return nil
}

func (w *wire) learn(x exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) < maxExchanges {
		w.seen = append(w.seen, x)
	}
}

// message is one of the contract, whose generated code encodes without reflection.
type message interface {
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
}

// encode returns a message's frame.
func encode(m message) (*frame, error) {
	b, err := m.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	return (*frame)(&b), nil
}

// decode reads a frame into an empty message.
func decode(f *frame, m message) error {
	if err := m.UnmarshalVT(*f); err != nil {
		return wrong("a reply is no %T: %v", m, err)
	}
	return nil
}
