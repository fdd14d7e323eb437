package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stockfold/stockfold/services/api"
)

// Bounds of the metrics server.
const (
	metricsHeaderTimeout = 5 * time.Second
	metricsScrapeTimeout = 10 * time.Second
	metricsMaxInFlight   = 4
	metricsMaxHeader     = 16 << 10
)

// newRegistry holds what Go and the operating system tell about the process.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	return r
}

// serveMetrics serves /metrics, and /debug/pprof to those on the same machine.
func serveMetrics(l net.Listener, registry *prometheus.Registry, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry,
		Timeout: metricsScrapeTimeout, MaxRequestsInFlight: metricsMaxInFlight}))
	mux.Handle("GET /debug/pprof/", localOnly(pprof.Index))
	mux.Handle("GET /debug/pprof/profile", localOnly(pprof.Profile))
	mux.Handle("GET /debug/pprof/symbol", localOnly(pprof.Symbol))
	mux.Handle("GET /debug/pprof/trace", localOnly(pprof.Trace))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: metricsHeaderTimeout, MaxHeaderBytes: metricsMaxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "error", err)
		}
	}()
	return s
}

// localOnly refuses callers from other machines, and pages of other sites: a profile tells what is in memory.
func localOnly(serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() || !api.NamedLocally(r) {
			http.Error(w, "profiles are served on the same machine only", http.StatusForbidden)
			return
		}
		serve(w, r)
	})
}

// stopServer ends an HTTP server once the requests under way are answered, or hard when ctx ends first.
func stopServer(s *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.Shutdown(ctx); err != nil {
			return errors.Join(err, s.Close())
		}
		return nil
	}
}
