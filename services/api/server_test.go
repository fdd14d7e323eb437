package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/api"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/servicetest"
)

// watchEnds tells when a watch has ended.
func watchEnds(ended chan<- struct{}) func(*api.Config) {
	return func(c *api.Config) { c.Availability = &watched{c.Availability, ended} }
}

type watched struct {
	pb.AvailabilityServiceServer
	ended chan<- struct{}
}

func (x *watched) WatchAvailability(r *pb.WatchAvailabilityRequest, s grpc.ServerStreamingServer[pb.WatchAvailabilityResponse]) error {
	defer func() { x.ended <- struct{}{} }()
	return x.AvailabilityServiceServer.WatchAvailability(r, s)
}

// gate makes GetStatus wait until it is opened, or panic.
type gate struct {
	pb.OperationsServiceServer
	entered chan struct{}
	open    chan struct{}
	panics  atomic.Bool
}

func (g *gate) GetStatus(ctx context.Context, r *pb.GetStatusRequest) (*pb.GetStatusResponse, error) {
	if g.panics.Load() {
		panic("secret")
	}
	if g.entered != nil {
		g.entered <- struct{}{}
		<-g.open
	}
	return g.OperationsServiceServer.GetStatus(ctx, r)
}

func (g *gate) configure(c *api.Config) { g.OperationsServiceServer, c.Operations = c.Operations, g }

func TestNothingIsAnsweredUntilTheServiceIsReady(t *testing.T) {
	var starting atomic.Bool
	starting.Store(true)
	w := servicetest.Start(t, servicetest.Options{Ready: func() error {
		if starting.Load() {
			return errors.New("folding 5 of 9 events")
		}
		return nil
	}})
	check := func() health.HealthCheckResponse_ServingStatus {
		r, err := health.NewHealthClient(w.Conn).Check(t.Context(), &health.HealthCheckRequest{Service: "stockfold.inventory.v1.StockService"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Status
	}
	_, err := w.Reserve("r", "milk", 1)
	servicetest.Refused(t, err, codes.Unavailable, "NOT_READY")
	got := rest(t, w, "GET", "/v1/availability/milk?channel=web", "")
	servicetest.Refused(t, got.refusal(t, 503), codes.Unavailable, "NOT_READY")
	if got.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
	}
	stream, err := w.AvailabilityClient().WatchAvailability(t.Context(), &pb.WatchAvailabilityRequest{Channel: "web"})
	if err == nil {
		_, err = stream.Recv()
	}
	servicetest.Refused(t, err, codes.Unavailable, "NOT_READY")
	if got := rest(t, w, "GET", "/readyz", ""); got.StatusCode != 503 || !strings.Contains(got.body, "5 of 9") {
		t.Errorf("/readyz %d %s", got.StatusCode, got.body)
	}
	if got := rest(t, w, "GET", "/healthz", ""); got.StatusCode != 200 {
		t.Errorf("/healthz %d %s", got.StatusCode, got.body)
	}
	if got := rest(t, w, "GET", "/v1/status", ""); got.StatusCode != 200 {
		t.Errorf("/v1/status %d %s", got.StatusCode, got.body)
	}
	if s := check(); s != health.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health %s", s)
	}

	watching, err := health.NewHealthClient(w.Conn).Watch(t.Context(), &health.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := watching.Recv(); err != nil || first.Status != health.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health %v, %v", first, err)
	}
	starting.Store(false)
	if then, err := watching.Recv(); err != nil || then.Status != health.HealthCheckResponse_SERVING {
		t.Errorf("then %v, %v", then, err)
	}
	w.Shop()
	if s := check(); s != health.HealthCheckResponse_SERVING {
		t.Errorf("health %s", s)
	}
	starting.Store(true) // trouble later on is each call's own
	w.Location("köln")
	if got := rest(t, w, "GET", "/readyz", ""); got.StatusCode != 503 {
		t.Errorf("/readyz %d %s", got.StatusCode, got.body)
	}
}

func TestHealthAndReflectionKnowTheServices(t *testing.T) {
	w := shop(t)
	h := health.NewHealthClient(w.Conn)
	if _, err := h.Check(t.Context(), &health.HealthCheckRequest{Service: "nothing"}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
	list, err := h.List(t.Context(), &health.HealthListRequest{})
	if err != nil || len(list.Statuses) != 8 {
		t.Errorf("health of %v, %v", list, err)
	}
	stream, err := grpc_reflection_v1.NewServerReflectionClient(w.Conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if all := answer.String(); !strings.Contains(all, "stockfold.inventory.v1.ReservationService") {
		t.Errorf("reflection lists %s", all)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestStoppingFinishesWhatWasAccepted(t *testing.T) {
	g := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	w := servicetest.Start(t, servicetest.Options{Configure: g.configure})
	var calls sync.WaitGroup
	calls.Go(func() {
		if _, err := w.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{}); err != nil {
			t.Error(err)
		}
	})
	calls.Go(func() {
		if got := rest(t, w, "GET", "/v1/status", ""); got.StatusCode != 200 {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
	})
	<-g.entered
	<-g.entered
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop(t.Context()) }()
	for { // until it takes nothing new
		conn, err := net.Dial("tcp", w.GRPC)
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped before the calls were finished: %v", err)
	default:
	}
	close(g.open)
	calls.Wait()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A caller who does not send what he announced must not keep the service from stopping in order.
func TestStoppingDoesNotWaitForABodyThatDoesNotCome(t *testing.T) {
	for name, request := range map[string]string{
		"of a call that reads it":         "POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
		"of a call that does not read it": "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := servicetest.Start(t, servicetest.Options{})
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(request, "GET") { // its answer comes
				if _, err := conn.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			} else {
				for w.Server.HTTPCalls() == 0 { // until it is being handled
					runtime.Gosched()
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
			defer cancel()
			if err := w.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStoppingDoesNotWaitForever(t *testing.T) {
	g := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	w := servicetest.Start(t, servicetest.Options{Configure: g.configure})
	called := make(chan error, 1)
	go func() {
		_, err := w.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{})
		called <- err
	}()
	<-g.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go func() { // handlers are waited for, in any case
		<-called
		close(g.open)
	}()
	if err := w.Stop(ctx); err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAPanicIsOneCallsOwnTrouble(t *testing.T) {
	var log syncBuilder
	g := &gate{}
	g.panics.Store(true)
	w := servicetest.Start(t, servicetest.Options{Configure: g.configure, Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := w.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{})
	facts := servicetest.Refused(t, err, codes.Internal, "INTERNAL")
	if strings.Contains(err.Error(), "secret") || !strings.Contains(log.String(), facts["error_id"]) || !strings.Contains(log.String(), "secret") {
		t.Errorf("told %v, logged %s", err, log.String())
	}
	servicetest.Refused(t, rest(t, w, "GET", "/v1/status", "").refusal(t, 500), codes.Internal, "INTERNAL")
	g.panics.Store(false)
	if _, err := w.OperationsClient().GetStatus(t.Context(), &pb.GetStatusRequest{}); err != nil {
		t.Error(err)
	}
}

// syncBuilder is a strings.Builder for several goroutines.
type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// failing is a store whose appends fail with an error, once a test sets one.
type failing struct {
	*pebble.Store
	err *atomic.Pointer[error]
}

func (f failing) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	if err := f.err.Load(); err != nil {
		return commands.Appended{}, fmt.Errorf("append: %w", *err)
	}
	return f.Store.Append(ctx, stream, next, events)
}

func TestTroubleWithTheStoreSaysWhenToComeBack(t *testing.T) {
	var trouble atomic.Pointer[error]
	w := servicetest.Start(t, servicetest.Options{Store: func(s *pebble.Store) commands.Store { return failing{s, &trouble} }})
	w.Shop()
	w.Count("milk", 10)
	for err, want := range map[error]struct {
		reason string
		code   codes.Code
		http   int
		after  string
	}{
		commands.ErrUnavailable:    {"STORE_UNAVAILABLE", codes.Unavailable, 503, "1"},
		commands.ErrFull:           {"DISK_FULL", codes.Unavailable, 503, "30"},
		commands.ErrUnknownOutcome: {"OUTCOME_UNKNOWN", codes.Unavailable, 503, "1"},
	} {
		trouble.Store(&err)
		_, over := w.Reserve("cart-"+want.reason, "milk", 1)
		servicetest.Refused(t, over, want.code, want.reason)
		got := rest(t, w, "POST", "/v1/reservations", `{"reservationId":"r-`+want.reason+`","sku":"milk","channel":"web","quantity":1}`)
		servicetest.Refused(t, got.refusal(t, want.http), want.code, want.reason)
		if got.Header.Get("Retry-After") != want.after {
			t.Errorf("%s: Retry-After %q", want.reason, got.Header.Get("Retry-After"))
		}
		trouble.Store(nil)
		if _, err := w.Reserve("cart-"+want.reason, "milk", 1); err != nil {
			t.Errorf("after %s: %v", want.reason, err)
		}
	}
}

func TestAMessageThatIsTooLargeIsRefused(t *testing.T) {
	w := shop(t)
	_, err := w.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Actor: strings.Repeat("x", 5<<20)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

func TestCallsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := servicetest.Start(t, servicetest.Options{Configure: func(c *api.Config) { c.Registry = registry }})
	w.Shop()
	w.Count("milk", 1)
	if _, err := w.Reserve("a", "milk", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Reserve("b", "milk", 1); err == nil {
		t.Fatal("granted")
	}
	rest(t, w, "GET", "/v1/availability/milk?channel=nowhere", "")
	got := gather(t, registry)
	for series, want := range map[string]float64{
		"stockfold_rpc_requests_total FailedPrecondition Reserve": 1,
		"stockfold_rpc_requests_total NotFound GetAvailability":   1,
		"stockfold_rpc_requests_total OK PutChannel":              1,
		"stockfold_rpc_requests_total OK RecordMovements":         1,
		"stockfold_rpc_requests_total OK Reserve":                 1,
		"stockfold_rpc_duration_seconds Reserve":                  2,
		"stockfold_rpc_duration_seconds GetStatus":                0,
		"stockfold_http_responses_total 404":                      1,
		"stockfold_rpc_in_flight":                                 0,
		"stockfold_rpc_streams":                                   0,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v, want %v", series, n, want)
		}
	}
}

// gather reads all series: by name and values of labels; of a histogram the count.
func gather(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func TestServeEndsWhenAPortIsLost(t *testing.T) {
	server, err := api.New(api.Config{
		Availability: pb.UnimplementedAvailabilityServiceServer{}, Reservation: pb.UnimplementedReservationServiceServer{},
		Stock: pb.UnimplementedStockServiceServer{}, Policy: pb.UnimplementedPolicyServiceServer{},
		History: pb.UnimplementedHistoryServiceServer{}, Operations: pb.UnimplementedOperationsServiceServer{}, Orders: pb.UnimplementedOrderServiceServer{},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := listen(t), listen(t)
	b.Close()
	if err := server.Serve(a, b); err == nil || !strings.Contains(err.Error(), "serve REST") {
		t.Errorf("got %v", err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
