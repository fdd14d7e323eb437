package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// syncMetrics measures how the event store makes events durable.
type syncMetrics struct {
	durations prometheus.Histogram
	sizes     prometheus.Histogram
}

// Upper bounds of the histograms.
var (
	syncSeconds = []float64{100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3, 1, 2, 5}
	groupSizes  = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}
)

func newSyncMetrics(r prometheus.Registerer) *syncMetrics {
	m := &syncMetrics{
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "stockfold_store_sync_seconds",
			Help: "Time that a sync of the event store's log took.", Buckets: syncSeconds}),
		sizes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "stockfold_store_sync_events",
			Help: "Events that a sync of the event store's log made durable.", Buckets: groupSizes}),
	}
	r.MustRegister(m.durations, m.sizes)
	return m
}

// observe is told of every sync.
func (m *syncMetrics) observe(took time.Duration, events int) {
	m.durations.Observe(took.Seconds())
	m.sizes.Observe(float64(events))
}
