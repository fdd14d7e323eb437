package api

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/services/refusals"
)

// maxCalls bounds the unary calls under way at once.
const maxCalls = 65_536

// errTooManyCalls says that maxCalls are under way.
var errTooManyCalls = errors.New("too many calls are under way")

// notReadyError says why the service cannot serve yet.
type notReadyError struct{ err error }

func (e *notReadyError) Error() string { return "the service is starting: " + e.err.Error() }
func (e *notReadyError) Unwrap() error { return e.err }

// unary is around every unary call: it measures, refuses what is too much or too early, survives a panic, and turns
// errors into statuses.
func (s *Server) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	began := time.Now()
	measured := s.metrics.method(info.FullMethod)
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, s.panicked(ctx, info.FullMethod, p)
		}
		s.metrics.inFlight.Add(-1)
		measured.observe(began, status.Code(err))
	}()
	if s.metrics.inFlight.Add(1) > maxCalls {
		err = errTooManyCalls
	} else if err = s.open(info.FullMethod); err == nil {
		answer, err = handler(ctx, request)
	}
	if err != nil {
		return nil, s.statusOf(ctx, info.FullMethod, err).Err()
	}
	return answer, nil
}

// stream is the same around every stream, and ends it when the service stops.
func (s *Server) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.stopping, func() { cancel(refusals.ErrStopping) })()
	measured := s.metrics.method(info.FullMethod)
	s.metrics.streams.Add(1)
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(ctx, info.FullMethod, p)
		}
		s.metrics.streams.Add(-1)
		measured.count(status.Code(err))
	}()
	if err = s.open(info.FullMethod); err == nil {
		err = handler(service, &endingStream{ServerStream: stream, ctx: ctx})
	}
	if err == nil {
		return nil
	}
	if s.stopping.Err() != nil && context.Cause(ctx) == refusals.ErrStopping {
		err = refusals.ErrStopping
	}
	return s.statusOf(ctx, info.FullMethod, err).Err()
}

// endingStream has a context that ends when the service stops.
type endingStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context ends with the stream, or when the service stops.
func (s *endingStream) Context() context.Context { return s.ctx }

func (s *Server) panicked(ctx context.Context, method string, p any) error {
	err := fmt.Errorf("panic: %v", p)
	return s.internal(ctx, method, err, "stack", string(debug.Stack())).status(err).Err()
}

// open tells whether a method may be called. Until the service was ready once its answers would be wrong: a read model
// that is still being built knows little. Then it stays open.
func (s *Server) open(method string) error {
	if s.opened.Load() || !strings.HasPrefix(method, contractPrefix) || strings.HasPrefix(method, operationsPrefix) {
		return nil
	}
	if err := s.config.Ready(); err != nil {
		return &notReadyError{err: err}
	}
	s.opened.Store(true)
	return nil
}

// Methods of the contract, and those of them that tell how the service is doing while it starts.
const (
	contractPrefix   = "/stockfold."
	operationsPrefix = "/stockfold.inventory.v1.OperationsService/"
)

// ready tells whether the service can serve, and is not about to stop.
func (s *Server) ready() error {
	if s.stopping.Err() != nil {
		return refusals.ErrStopping
	}
	return s.config.Ready()
}
