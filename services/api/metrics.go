package api

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// services of the contract.
var services = []grpc.ServiceDesc{
	pb.AvailabilityService_ServiceDesc, pb.ReservationService_ServiceDesc, pb.StockService_ServiceDesc,
	pb.PolicyService_ServiceDesc, pb.HistoryService_ServiceDesc, pb.OperationsService_ServiceDesc, pb.OrderService_ServiceDesc,
}

// metrics of the transport. What a call needs is looked up once per method, not per call.
type metrics struct {
	requests *prometheus.CounterVec
	http     *prometheus.CounterVec
	inFlight atomic.Int64
	streams  atomic.Int64
	methods  map[string]*methodMetrics // by full method name
	other    *methodMetrics            // health and reflection
}

// methodMetrics of one method.
type methodMetrics struct {
	name     string
	requests *prometheus.CounterVec
	duration prometheus.Observer
	byCode   [codes.Unauthenticated + 1]atomic.Pointer[prometheus.Counter]
}

// latencies are the upper bounds of the histogram, in seconds: 50 microseconds to 10 seconds.
var latencies = []float64{50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3, 1, 2, 5, 10}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stockfold_rpc_requests_total", Help: "Calls answered, REST included, by method and gRPC code."}, []string{"method", "code"}),
		http: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stockfold_http_responses_total", Help: "HTTP responses, by status."}, []string{"status"}),
		methods: map[string]*methodMetrics{},
	}
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "stockfold_rpc_duration_seconds", Help: "Time from a call's arrival to its answer, by method; streams are left out.",
		Buckets: latencies}, []string{"method"})
	for _, s := range services {
		for _, x := range s.Methods {
			m.add(s.ServiceName, x.MethodName, durations)
		}
		for _, x := range s.Streams {
			m.add(s.ServiceName, x.StreamName, durations)
		}
	}
	m.other = &methodMetrics{name: "other", requests: m.requests, duration: durations.WithLabelValues("other")}
	if r != nil {
		r.MustRegister(m.requests, m.http, durations,
			gauge("stockfold_rpc_in_flight", "Unary calls under way.", &m.inFlight),
			gauge("stockfold_rpc_streams", "Streams open.", &m.streams))
	}
	return m
}

func gauge(name, help string, v *atomic.Int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(v.Load()) })
}

func (m *metrics) add(service, method string, durations *prometheus.HistogramVec) {
	m.methods["/"+service+"/"+method] = &methodMetrics{name: method, requests: m.requests, duration: durations.WithLabelValues(method)}
}

func (m *metrics) method(full string) *methodMetrics {
	if x := m.methods[full]; x != nil {
		return x
	}
	return m.other
}

// count counts an answer.
func (m *methodMetrics) count(code codes.Code) {
	if int(code) >= len(m.byCode) {
		code = codes.Unknown
	}
	c := m.byCode[code].Load()
	if c == nil {
		counter := m.requests.WithLabelValues(m.name, code.String())
		c = &counter
		m.byCode[code].Store(c)
	}
	(*c).Inc()
}

// observe counts an answer and how long it took.
func (m *methodMetrics) observe(began time.Time, code codes.Code) {
	m.duration.Observe(time.Since(began).Seconds())
	m.count(code)
}

func (m *metrics) responded(status int) { m.http.WithLabelValues(strconv.Itoa(status)).Inc() }
