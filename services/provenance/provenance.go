// Package provenance says where a call came from, for the record that its events keep.
package provenance

import (
	"context"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/validation"
)

// RequestIDKey is the gRPC metadata key, and in lower case the HTTP header, under which a caller names its request.
const RequestIDKey = "x-request-id"

// RequestID returns the caller's name of the request; "" when there is none, or it is not 1-100 bytes of printable text.
func RequestID(ctx context.Context) string {
	for _, id := range metadata.ValueFromIncomingContext(ctx, RequestIDKey) {
		if Printable(id) {
			return id
		}
	}
	return ""
}

// Printable tells whether a text may be kept as the name of a request.
func Printable(id string) bool {
	if id == "" || len(id) > validation.MaxID || !utf8.ValidString(id) {
		return false
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return false
		}
	}
	return true
}

// Metadata of the events that a call causes: who acted, what it belongs to, and the request that caused it.
func Metadata(ctx context.Context, actor, correlation string) aggregates.Metadata {
	return aggregates.Metadata{Actor: actor, CorrelationID: correlation, CausationID: RequestID(ctx)}
}
