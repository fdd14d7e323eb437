package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What the service measures of itself, by the names under which it exports them. Where one is missing, what would
// have been said about it is left out.
const (
	metricPublished  = "stockfold_publication_position"
	metricSyncs      = "stockfold_store_sync_seconds_count"
	metricSyncTime   = "stockfold_store_sync_seconds_sum"
	metricSyncEvents = "stockfold_store_sync_events_sum"
)

// Bounds of asking for metrics.
const (
	metricsTimeout = 5 * time.Second
	maxMetrics     = 8 << 20 // bytes
)

// metrics returns the service's metrics that have no labels. It is empty when they cannot be had.
func (s *server) metrics(ctx context.Context) map[string]float64 {
	if s.settings.Metrics == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.settings.Metrics+"/metrics", nil)
	if err != nil {
		return nil
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer reply.Body.Close()
	return parseMetrics(io.LimitReader(reply.Body, maxMetrics))
}

// parseMetrics reads the lines "name value" of Prometheus' text format.
func parseMetrics(r io.Reader) map[string]float64 {
	found := map[string]float64{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || name == "#" || strings.Contains(name, "{") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = v
		}
	}
	return found
}

// syncs is how the event store made events durable in a while.
type syncs struct{ count, seconds, events float64 }

// syncsOf is what a service has counted so far.
func syncsOf(m map[string]float64) syncs {
	return syncs{m[metricSyncs], m[metricSyncTime], m[metricSyncEvents]}
}

// add adds what came between two counts.
func (s *syncs) add(from, to syncs) {
	s.count, s.seconds, s.events = s.count+to.count-from.count, s.seconds+to.seconds-from.seconds, s.events+to.events-from.events
}

// String is empty when nothing is known.
func (s syncs) String() string {
	if s.count <= 0 {
		return ""
	}
	return fmt.Sprintf("%s fsyncs of %s ms on average, %s events each", grouped(int64(s.count)), amount(s.seconds/s.count*1e3),
		amount(s.events/s.count))
}
