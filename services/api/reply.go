package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stockfold/stockfold/services/validation"
)

// written is how messages are written in JSON: with every field, so that an ATS of 0 is there to see, and 64-bit numbers as
// strings, as the mapping of protobuf to JSON says.
var written = protojson.MarshalOptions{EmitDefaultValues: true}

const jsonType = "application/json"

// fail answers with what the table says of an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.reply(w, s.statusOf(r.Context(), r.Method+" "+r.URL.Path, err))
}

func (s *Server) problem(w http.ResponseWriter, p problem) { s.reply(w, p.status(nil)) }

// reply answers with a status: a google.rpc.Status in JSON, and Retry-After where it says when to come back.
func (s *Server) reply(w http.ResponseWriter, st *status.Status) {
	code := httpStatus(st)
	body, err := written.Marshal(st.Proto())
	if err != nil {
		body = []byte(`{"code":13,"message":"the error could not be written","details":[]}`)
		s.log.Error("error could not be written", "error", err, "status", st)
	}
	h := w.Header()
	h.Del("Trailer")
	h.Del("Transfer-Encoding")
	h.Set("Content-Type", jsonType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if wait := retryAfter(st); wait != "" {
		h.Set("Retry-After", wait)
	}
	w.WriteHeader(code)
	_, _ = w.Write(body) // a caller who left needs no answer
}

// httpStatus is the gateway's mapping, but for what callers expect of REST: a state that forbids something is a
// conflict, not a mistake of the request.
func httpStatus(st *status.Status) int {
	switch reasonOf(st) {
	case ReasonRequestTooLarge:
		return http.StatusRequestEntityTooLarge
	case ReasonMethodNotAllowed:
		return http.StatusMethodNotAllowed
	}
	if st.Code() == codes.FailedPrecondition {
		return http.StatusConflict
	}
	return runtime.HTTPStatusFromCode(st.Code())
}

func reasonOf(st *status.Status) string {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.Reason
		}
	}
	return ""
}

// retryAfter is in whole seconds, at least one.
func retryAfter(st *status.Status) string {
	for _, d := range st.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			seconds := (retry.RetryDelay.AsDuration() + time.Second - 1) / time.Second
			return strconv.FormatInt(max(1, int64(seconds)), 10)
		}
	}
	return ""
}

// handleError is the gateway's error handler: for what the gRPC server answered, and for requests that did not get
// that far.
func (s *Server) handleError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if b, ok := r.Body.(*body); ok && b.err != nil {
		s.fail(w, r, b.err)
		return
	}
	st := status.Convert(err)
	if st.Code() == codes.InvalidArgument && len(st.Details()) == 0 {
		s.fail(w, r, malformed(st.Message()))
		return
	}
	s.reply(w, st)
}

// handleRouting answers where the gateway found no route.
func (s *Server) handleRouting(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	if code == http.StatusMethodNotAllowed {
		s.problem(w, methodNotAllowed(r))
		return
	}
	s.problem(w, unknownRoute(r))
}

// malformed makes the gateway's complaint about a query parameter or header one about a field.
func malformed(message string) error {
	field, rule := "request", message
	if rest, ok := strings.CutPrefix(message, parameterPrefix); ok {
		field, rule, _ = strings.Cut(rest, ": ")
	}
	var c validation.Checker
	c.Fail(field, "%s", rule)
	return c.Err()
}
