package api

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stockfold/stockfold/services/provenance"
)

// Domain of the reasons, in google.rpc.ErrorInfo.
const Domain = "stockfold"

// statusOf turns an error into what the caller is told. An error that is not in the table becomes INTERNAL with an id
// under which the log has the error itself.
func (s *Server) statusOf(ctx context.Context, method string, err error) *status.Status {
	p, ok := classify(err)
	if ok {
		if p.code == codes.Unavailable && s.warnings.allow(time.Now()) {
			s.log.WarnContext(ctx, "calls fail; logged once a second", "method", method, "reason", p.reason, "error", err)
		}
		return p.status(err)
	}
	if carries, is := err.(interface{ GRPCStatus() *status.Status }); is {
		return carries.GRPCStatus()
	}
	return s.internal(ctx, method, err).status(err)
}

// internal logs what must not be told, under an id that is.
func (s *Server) internal(ctx context.Context, method string, err error, more ...any) problem {
	id := rand.Text()
	s.log.ErrorContext(ctx, "call failed for a reason that is not the caller's", append([]any{"method", method, "error_id", id,
		"request_id", provenance.RequestID(ctx), "error", err}, more...)...)
	return problem{code: codes.Internal, reason: ReasonInternal, metadata: map[string]string{"error_id": id},
		message: "internal error; whoever runs the service finds it in the log under error_id " + id}
}

// status makes the status with its details.
func (p problem) status(err error) *status.Status {
	message := p.message
	if message == "" {
		message = err.Error()
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: p.reason, Domain: Domain, Metadata: valid(p.metadata)}}
	if len(p.fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, f := range p.fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: utf8(f.Field), Description: utf8(f.Rule),
			})
		}
		details = append(details, bad)
	}
	if p.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(p.retry)})
	}
	s := status.New(p.code, utf8(message))
	if full, err := s.WithDetails(details...); err == nil {
		return full
	}
	return s
}

func valid(metadata map[string]string) map[string]string {
	for k, v := range metadata {
		metadata[k] = utf8(v)
	}
	return metadata
}

// utf8 replaces what is not; details with it could not be sent.
func utf8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// seldom lets through one in a second.
type seldom struct{ second atomic.Int64 }

func (x *seldom) allow(now time.Time) bool {
	last, this := x.second.Load(), now.Unix()
	return last != this && x.second.CompareAndSwap(last, this)
}
