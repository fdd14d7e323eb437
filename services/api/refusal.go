package api

import (
	"context"
	"log/slog"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Refuser makes of an error of one of several things that a call asks for what the call would be told if it had asked for that alone. What must not be
// told is logged.
func Refuser(log *slog.Logger) func(ctx context.Context, err error) *pb.Refusal {
	s := &Server{log: log}
	return func(ctx context.Context, err error) *pb.Refusal {
		p, ok := classify(err)
		if !ok {
			p = s.internal(ctx, "one of a batch", err)
		}
		message := p.message
		if message == "" {
			message = err.Error()
		}
		return &pb.Refusal{Code: int32(p.code), Reason: p.reason, Message: utf8(message), Metadata: valid(p.metadata), RetryAfterMs: p.retry.Milliseconds()}
	}
}
