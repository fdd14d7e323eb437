package eventstoredb

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// Options of a store. The zero value is what production uses.
type Options struct {
	// Timeout bounds every call that comes without a deadline; DefaultTimeout when 0.
	Timeout time.Duration
	// ProbeEvery is how often the server is asked whether it is there, ProbeTimeout how long it may take to answer before
	// the connection counts as lost; DefaultProbeEvery and DefaultProbeTimeout when 0.
	ProbeEvery   time.Duration
	ProbeTimeout time.Duration
	// Log takes what an operator can act on; slog.Default when nil.
	Log *slog.Logger
}

// Bounds and defaults.
const (
	DefaultTimeout      = 15 * time.Second
	DefaultProbeEvery   = 2 * time.Second
	DefaultProbeTimeout = 2 * time.Second

	// MaxValueBytes bounds a snapshot and a dead letter, MaxNameBytes the names of streams, schemas, topics and ids.
	MaxValueBytes = 16 << 20
	MaxNameBytes  = 1024

	partBytes       = 512 << 10 // of a value that goes into one event
	pageEvents      = 512       // read at a time
	pageBytes       = 4 << 20   // and their bytes, beyond the first
	queueEvents     = 1024      // that a subscription has received and not handed out
	queueBytes      = 4 << 20   // and their bytes, beyond the first
	searchWindow    = 128       // events that the server passes over before it says how far it is
	lookBack        = 160       // events from the end that are looked at to tell that nothing is on its way
	lookFirst       = 8         // of them first
	earlyRejections = 3         // of one append before it counts as refused
	maxConflicts    = 16        // of one dead letter with others who write it

	forgottenAfter = time.Second // after which a call that was cut off will not end by itself

	minBackoff = 20 * time.Millisecond  // between attempts
	maxBackoff = 500 * time.Millisecond //
	minIdle    = 50 * time.Millisecond  // of silence before a subscription looks for itself how far the store is
	maxIdle    = 200 * time.Millisecond // while nothing changes: with it, projections say how current they are to half a second
)

func (o *Options) setDefaults() {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.ProbeEvery == 0 {
		o.ProbeEvery = DefaultProbeEvery
	}
	if o.ProbeTimeout == 0 {
		o.ProbeTimeout = DefaultProbeTimeout
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// configure reads a connection string, as the official clients know it: esdb://host:2113?tls=true, with
// esdb+discover:// or several hosts for a cluster. What the supervisor does itself is turned off in the client.
func configure(url string, opts Options) (esdb.Configuration, error) {
	config, err := esdb.ParseConnectionString(url)
	if err != nil && strings.Contains(url, "@") && URL(url).String() == unreadable {
		err = errUnreadable // the client's error quotes the connection string, its password included
	}
	if err != nil {
		return esdb.Configuration{}, fmt.Errorf("connection string of EventStoreDB: %w; it must be like esdb://user:password@host:2113?tls=true", err)
	}
	config.Logger = esdbLog(opts.Log, nil)
	config.MaxDiscoverAttempts = 1
	config.GossipTimeout = int((opts.ProbeTimeout + time.Second - 1) / time.Second)
	if config.DefaultDeadline == nil {
		config.DefaultDeadline = &opts.Timeout
	}
	return *config, nil
}
