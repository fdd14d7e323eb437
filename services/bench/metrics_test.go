package bench

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

const someMetrics = `# HELP stockfold_store_sync_seconds Time that a sync took.
# TYPE stockfold_store_sync_seconds histogram
stockfold_store_sync_seconds_bucket{le="0.001"} 3
stockfold_store_sync_seconds_sum 0.5
stockfold_store_sync_seconds_count 250
stockfold_store_sync_events_sum 1e+04
stockfold_odd NaN?
stockfold_publication_position 12345
`

func TestMetricsAreRead(t *testing.T) {
	got := parseMetrics(strings.NewReader(someMetrics))
	want := map[string]float64{metricSyncTime: 0.5, metricSyncs: 250, metricSyncEvents: 10_000, metricPublished: 12_345}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, expected %v", got, want)
	}
}

func TestMetricsComeFromTheService(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = io.WriteString(w, someMetrics)
		}
	}))
	defer h.Close()
	s := &server{settings: ServeSettings{Metrics: h.Listener.Addr().String()}}
	if got := s.metrics(context.Background()); got[metricSyncs] != 250 {
		t.Errorf("%v", got)
	}
	h.Close()
	if got := s.metrics(context.Background()); len(got) != 0 {
		t.Errorf("%v from a service that is gone", got)
	}
}

func TestSyncsAreCountedBetweenLooks(t *testing.T) {
	var s syncs
	s.add(syncs{10, 1, 100}, syncs{60, 1.1, 1_100})
	s.add(syncs{60, 1.1, 1_100}, syncs{110, 1.2, 2_100})
	if got := s.String(); got != "100 fsyncs of 2.00 ms on average, 20.0 events each" {
		t.Errorf("%q", got)
	}
	if (syncs{}).String() != "" {
		t.Error("nothing is known, and something said")
	}
}
