package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/provenance"
)

// newGateway makes the handler of everything below /v1/.
func (s *Server) newGateway() (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newMarshaler()),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptSlash),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithWriteContentLength(),
		runtime.WithErrorHandler(s.handleError),
		runtime.WithRoutingErrorHandler(s.handleRouting),
		runtime.WithMiddlewares(s.withBody),
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMetadata(requestID),
	)
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		pb.RegisterAvailabilityServiceHandler, pb.RegisterReservationServiceHandler, pb.RegisterStockServiceHandler,
		pb.RegisterPolicyServiceHandler, pb.RegisterHistoryServiceHandler, pb.RegisterOperationsServiceHandler,
		pb.RegisterOrderServiceHandler, pb.RegisterSnapshotServiceHandler, pb.RegisterReconciliationServiceHandler,
	} {
		if err := register(context.Background(), mux, s.loopback); err != nil {
			return nil, fmt.Errorf("register REST routes: %w", err)
		}
	}
	// What is handled last is looked at first.
	if err := mux.HandlePath(http.MethodGet, watchPath, s.watch); err != nil {
		return nil, fmt.Errorf("register REST route %s: %w", watchPath, err)
	}
	return escaped(mux), nil
}

// escaped gives the gateway every path as it was sent. net/http unescapes it into URL.Path and keeps the original only
// when it is unusual; the gateway would then match the unescaped one, where an id with a "/" is two segments.
func escaped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := new(http.Request)
		*sent = *r
		sent.URL = new(url.URL)
		*sent.URL = *r.URL
		sent.URL.RawPath = r.URL.EscapedPath()
		next.ServeHTTP(w, sent)
	})
}

// requestID passes a request's id on.
func requestID(_ context.Context, r *http.Request) metadata.MD {
	return metadata.Pairs(provenance.RequestIDKey, r.Header.Get(requestIDHeader))
}
