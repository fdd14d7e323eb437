package bench

import (
	"fmt"
	"time"
)

// Bounds of what may be asked for.
const (
	MaxRounds  = 101
	MinSeconds = 0.05
	MaxSeconds = 600

	MinSKUs, MaxSKUs     = 100, 1_000_000
	MinLines, MaxLines   = 1_000, 10_000_000
	MinEvents, MaxEvents = 1_000, 100_000_000

	scaleEventsEach                = 10 // of each SKU, where it is not said otherwise
	MinScaleSKUs, MaxScaleSKUs     = 1_000, 1_000_000
	MinScaleEvents, MaxScaleEvents = scaleLocations * MinScaleSKUs, 100_000_000
)

// Options say what is measured, and how thoroughly.
type Options struct {
	Only    []string // names of rows; all when empty
	Quick   bool     // smaller stock and fewer rounds: the whole in a minute
	Rounds  int      // rounds of each row; 0 takes the default
	Seconds float64  // length of a round's window; 0 takes the default
	SKUs    int      // of the catalogue; 0 takes the default
	Lines   int      // counted in each round of ingest; 0 takes the default
	Events  int      // to fold in each round of replay, at least; 0 takes the default

	// ScaleSKUs are those of the large retailer, of growth-skus and of what a start, memory and disk take; ScaleEvents its movements, of which
	// each SKU has one at each of its locations. 0 takes the defaults.
	ScaleSKUs, ScaleEvents int

	EventStore string // URL of an EventStoreDB that is empty, for the rows with stores elsewhere; the embedded one as a process of its own when empty
	KafkaLibs  string // directory of Apache Kafka's jars, for the same; looked for when empty, NoApacheKafka for none

	Dir     string // where data is kept while it runs; the system's temporary directory when empty
	Keep    bool   // leave data and logs in place
	Command string // as it was given, for the report
	Version string // of the program, for the report
}

// effort is how much is done: Options with every default filled in.
type effort struct {
	rounds      int
	window      time.Duration
	warmUp      time.Duration
	skus        int  // of the catalogue, each at shelvesPerSKU locations
	ingestLines int  // counted in each round of ingest
	idle        int  // watchers that only wait
	rivals      bool // other systems do the same
	loadRounds  int  // rounds of ingest and of replay
	replay      int  // events to fold, at least

	growthRounds                                 int
	growthWindow                                 time.Duration
	streams, holds, locations, channels, callers []int // sizes of the points of growth
	scaleSKUs, scaleEvents, scaleRounds          int
	rest                                         time.Duration // until memory at rest is looked at
}

var (
	thorough = effort{rivals: true, idle: 10_000, rounds: 5, window: 600 * time.Millisecond, warmUp: 400 * time.Millisecond,
		skus: 50_000, ingestLines: 60_000, loadRounds: 5, replay: 1_000_000,
		growthRounds: 3, growthWindow: 200 * time.Millisecond, streams: []int{10, 1_000, 100_000, 1_000_000}, holds: []int{10, 1_000, 100_000},
		locations: []int{1, 100, 2_000}, channels: []int{1, 10, 50}, callers: []int{1, 16, 64, 256, 1_024, 4_096},
		scaleSKUs: 40_000, scaleEvents: 400_000, scaleRounds: 3, rest: 2 * time.Second}
	quick = effort{idle: 200, rounds: 3, window: 600 * time.Millisecond, warmUp: 300 * time.Millisecond,
		skus: 10_000, ingestLines: 60_000, loadRounds: 1, replay: 100_000,
		growthRounds: 1, growthWindow: 200 * time.Millisecond, streams: []int{10, 200}, holds: []int{10, 200}, locations: []int{1, 20},
		channels: []int{1, 3}, callers: []int{1, 16}, scaleSKUs: 2_000, scaleEvents: 20_000, scaleRounds: 1, rest: 50 * time.Millisecond}
)

// effort fills in the defaults, and refuses what is out of bounds.
func (o Options) effort() (effort, error) {
	e := thorough
	if o.Quick {
		e = quick
	}
	for _, x := range []struct {
		what             string
		asked, low, high int
		into             *int
	}{
		{"rounds", o.Rounds, 1, MaxRounds, &e.rounds}, {"rounds", o.Rounds, 1, MaxRounds, &e.loadRounds}, {"rounds", o.Rounds, 1, MaxRounds, &e.growthRounds}, {"SKUs", o.SKUs, MinSKUs, MaxSKUs, &e.skus},
		{"lines", o.Lines, MinLines, MaxLines, &e.ingestLines}, {"events", o.Events, MinEvents, MaxEvents, &e.replay},
		{"rounds", o.Rounds, 1, MaxRounds, &e.scaleRounds}, {"SKUs of the large retailer", o.ScaleSKUs, MinScaleSKUs, MaxScaleSKUs, &e.scaleSKUs},
		{"events of the large retailer", o.ScaleEvents, MinScaleEvents, MaxScaleEvents, &e.scaleEvents},
	} {
		if x.asked == 0 {
			continue
		}
		if x.asked < x.low || x.asked > x.high {
			return e, fmt.Errorf("number of %s: must be %d to %d", x.what, x.low, x.high)
		}
		*x.into = x.asked
	}
	if o.ScaleSKUs != 0 && o.ScaleEvents == 0 {
		e.scaleEvents = scaleEventsEach * e.scaleSKUs
	}
	if least := e.scaleSKUs * scaleLocations; e.scaleEvents < least {
		return e, fmt.Errorf("%d events of the large retailer: its %d SKUs take %d at least", e.scaleEvents, e.scaleSKUs, least)
	}
	if o.Seconds != 0 {
		if !(o.Seconds >= MinSeconds && o.Seconds <= MaxSeconds) {
			return e, fmt.Errorf("length of a round: must be %g to %d seconds", MinSeconds, MaxSeconds)
		}
		e.window = time.Duration(o.Seconds * float64(time.Second))
		e.warmUp, e.growthWindow = min(e.warmUp, e.window), e.window
	}
	return e, nil
}

// Programs says how the children are started. All of them are Executable, each with arguments of its own.
type Programs struct {
	Executable string
	// Serve gives the arguments of the service for these settings.
	Serve func(ServeSettings) []string
	// Echo are the arguments of the process that runs ServeEcho.
	Echo []string
	// EventStore and Broker give the arguments of the stores that are run as processes of their own, on a data directory and an address.
	EventStore, Broker func(data, address string) []string
	// Stores are those of the service that are not within its process.
	Stores Stores
	// Views is the folder of the read model within the data directory: removing it costs a replay.
	Views string
	// Events is the folder of the events there, which Pebble alone can read while the service is stopped.
	Events string
}

// ServeSettings are what the bench decides about a server.
type ServeSettings struct {
	Data    string // data directory
	GRPC    string // addresses, host and port
	REST    string
	Broker  string
	Metrics string
	Ingest  bool // whether it takes messages from Kafka
	Stores       // elsewhere
}
