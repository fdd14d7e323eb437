package esdbserver

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/services/commands"
)

// refusal is an error with the trailers by which clients tell it from others.
type refusal struct {
	code     codes.Code
	message  string
	trailers []string // keys and values
}

func (r *refusal) Error() string { return r.message }

func badRequest(format string, args ...any) error {
	return &refusal{code: codes.InvalidArgument, message: fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &refusal{code: codes.Unimplemented, message: fmt.Sprintf(format, args...)}
}

var errReadOnly = &refusal{code: codes.PermissionDenied, message: "this server only reads", trailers: []string{"exception", "access-denied"}}

var errStopping = &refusal{code: codes.Unavailable, message: "the server is stopping"}

func appendTooLarge(limit int) error {
	return &refusal{code: codes.InvalidArgument, message: fmt.Sprintf("Maximum Append Size of %d Exceeded.", limit),
		trailers: []string{"exception", "maximum-append-size-exceeded", "maximum-append-size", strconv.Itoa(limit)}}
}

func eventTooLarge(id string, size, limit int) error {
	return &refusal{code: codes.InvalidArgument,
		message: fmt.Sprintf("Event with Id: %s, Size: %d, exceeds Maximum Append Event Size of %d.", id, size, limit),
		trailers: []string{"exception", "maximum-append-event-size-exceeded", "maximum-append-event-size", strconv.Itoa(limit),
			"event-id", id, "proposed-append-event-size", strconv.Itoa(size)}}
}

func missingProperty(name string) error {
	return &refusal{code: codes.InvalidArgument, message: fmt.Sprintf("Required Metadata Property '%s' is missing", name),
		trailers: []string{"exception", "missing-required-metadata-property", "required-metadata-properties", "type,content-type"}}
}

// toStatus turns an error into what goes over the wire. setTrailer may be nil.
func toStatus(err error, setTrailer func(metadata.MD)) error {
	if err == nil {
		return nil
	}
	var r *refusal
	switch {
	case errors.As(err, &r):
		if len(r.trailers) > 0 && setTrailer != nil {
			setTrailer(metadata.Pairs(r.trailers...))
		}
		return status.Error(r.code, r.message)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	case errors.Is(err, commands.ErrFull):
		return status.Error(codes.ResourceExhausted, err.Error())
	case errors.Is(err, commands.ErrUnknownOutcome):
		return status.Error(codes.Aborted, "Operation timed out: "+err.Error())
	case errors.Is(err, commands.ErrUnavailable):
		return status.Error(codes.Unavailable, err.Error())
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	return status.Error(codes.Internal, err.Error())
}

func streamErrors(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return toStatus(handler(srv, stream), stream.SetTrailer)
}

func unaryErrors(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := handler(ctx, req)
	return answer, toStatus(err, func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) })
}
