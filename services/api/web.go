package api

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/services/provenance"
)

// Bounds of HTTP.
const (
	headerTimeout   = 5 * time.Second  // to read a request's headers
	bodyTimeout     = 30 * time.Second // to read its body
	lastBodyTimeout = time.Second      // to read what is left of it when the service stops, or when nobody wants it
	writeTimeout    = 30 * time.Second // for a reader to take what is written
	idleTimeout     = 2 * time.Minute
	// maxWebCalls bounds the HTTP requests under way at once, watches included.
	maxWebCalls = 32_768
)

// requestIDHeader names a request, in both directions.
const requestIDHeader = "X-Request-Id"

func (s *Server) newWeb(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// web is around every HTTP request.
type web struct {
	server *Server
	pages  map[string]http.HandlerFunc // by path, GET and HEAD
	rest   http.Handler                // everything below /v1/
	origin *http.CrossOriginProtection
}

func (s *Server) newHandler() (http.Handler, error) {
	rest, err := s.newGateway()
	if err != nil {
		return nil, err
	}
	return &web{server: s, pages: s.pages(), rest: rest, origin: http.NewCrossOriginProtection()}, nil
}

// ServeHTTP bounds, names and routes a request.
func (x *web) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := x.server
	out := &response{ResponseWriter: w, controller: http.NewResponseController(w)}
	defer func() {
		s.calls.Add(-1)
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			x.panicked(out, r, p)
		}
		s.metrics.responded(out.status)
		if r.ContentLength != 0 { // what was not read of the body is read, and thrown away, before the answer is sent
			_ = out.controller.SetReadDeadline(time.Now().Add(lastBodyTimeout))
		}
	}()
	nameRequest(out, r)
	out.Header().Set("X-Content-Type-Options", "nosniff")
	if s.calls.Add(1) > maxWebCalls {
		s.fail(out, r, errTooManyCalls)
		return
	}
	if !NamedLocally(r) {
		s.problem(out, foreignHost())
		return
	}
	if err := x.origin.Check(r); err != nil {
		s.problem(out, problem{code: codes.PermissionDenied, reason: ReasonCrossOrigin, message: "pages of other sites may not change anything here"})
		return
	}
	x.route(out, r)
}

func (x *web) route(w *response, r *http.Request) {
	if page := x.pages[r.URL.Path]; page != nil {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			x.server.problem(w, methodNotAllowed(r))
			return
		}
		page(w, r)
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		x.server.problem(w, unknownRoute(r))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	x.rest.ServeHTTP(w, r)
}

func (x *web) panicked(w *response, r *http.Request, p any) {
	found := x.server.internal(r.Context(), r.Method+" "+r.URL.Path, fmt.Errorf("panic: %v", p), "stack", string(debug.Stack()))
	if w.status == 0 {
		x.server.problem(w, found)
	}
}

// nameRequest gives a request the caller's id or a new one, and tells it back.
func nameRequest(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(requestIDHeader)
	if !provenance.Printable(id) || !ascii(id) {
		id = rand.Text()
		r.Header.Set(requestIDHeader, id)
	}
	w.Header().Set(requestIDHeader, id)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func unknownRoute(r *http.Request) problem {
	return problem{code: codes.NotFound, reason: ReasonUnknownRoute,
		message: fmt.Sprintf("there is no %s %s; /docs lists what there is", r.Method, r.URL.EscapedPath())}
}

func methodNotAllowed(r *http.Request) problem {
	return problem{code: codes.Unimplemented, reason: ReasonMethodNotAllowed,
		message: fmt.Sprintf("%s cannot be used with %s; /docs lists what can", r.Method, r.URL.EscapedPath())}
}

// response gives a slow reader a bounded time for each piece, and remembers the status.
type response struct {
	http.ResponseWriter
	controller *http.ResponseController
	status     int
}

// WriteHeader sends the header.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.hurry()
	w.ResponseWriter.WriteHeader(status)
}

// Write sends a piece of the body.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.hurry()
	return w.ResponseWriter.Write(b)
}

func (w *response) hurry() { _ = w.controller.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
