package esdbserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/services/commands"
)

// Store is what stands behind the protocol. Its methods are those of commands.Store and projections.Store;
// ReadStreamBackwards starts at a revision, or at the stream's end when that is beyond it, and goes down. The errors are
// commands.ConflictError, commands.ErrUnavailable, commands.ErrFull and commands.ErrUnknownOutcome.
type Store interface {
	Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error)
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
	ReadStreamBackwards(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
	Subscribe(ctx context.Context, after uint64, prefixes ...string) (projections.Subscription, error)
	End(ctx context.Context) (uint64, error)
}

// Bounds and defaults.
const (
	// DefaultMaxAppendBytes bounds the events of one append: type, data and metadata together. EventStoreDB's own
	// default is 1 MiB.
	DefaultMaxAppendBytes = 16 << 20
	// MaxEventBytes bounds one event as it is stored, MaxAppendEvents the number of an append.
	MaxEventBytes   = 1 << 20
	MaxAppendEvents = 1 << 16
	// MaxStreamBytes bounds the name of a stream, MaxTypeBytes that of an event type, MaxRegexBytes an expression,
	// MaxPrefixes the prefixes of a filter.
	MaxStreamBytes = 1024
	MaxTypeBytes   = 255
	MaxRegexBytes  = 4096
	MaxPrefixes    = 256
	// MaxSubscriptions bounds the subscriptions open at a time.
	MaxSubscriptions = 1024

	maxMessageBytes  = 20 << 20         // of one message of the protocol
	maxCalls         = 4096             // under way on one connection
	pageRecords      = 256              // read from the store at a time
	pageBytes        = 1 << 20          // and their bytes, beyond the first record
	scanPositions    = 1024             // of $all that a backwards read takes at a time
	backwardsBytes   = 4 << 20          // of events that it takes at a time, beyond the first
	maxRecent        = 1 << 16          // events whose ids are known again without an expected revision
	maxAttempts      = 64               // of an append without an expected revision while others write the stream
	batchWorkers     = 16               // appends of one BatchAppend call at a time
	maxBatches       = 256              // appends of one BatchAppend call that are not yet complete
	minPing          = 5 * time.Second  // between a client's keep-alives
	pingAfter        = 30 * time.Second // of silence the server asks whether the client is there
	defaultWindow    = 32               // events that a filter passes over between two looks, when the client does not say
	maxCheckpointGap = 1 << 20          // events between two checkpoints
)

// Options of a server. The zero value serves reads and writes in plain text.
type Options struct {
	ReadOnly       bool                      // refuse writes
	MaxAppendBytes int                       // DefaultMaxAppendBytes when 0
	TLS            *tls.Config               // nil: plain text
	Health         func() error              // nil when the store takes reads and writes; never ill when nil itself
	Now            func() aggregates.Instant // the clock; the system's when nil
	Log            *slog.Logger              // slog.Default when nil
}

func (o *Options) setDefaults() {
	if o.MaxAppendBytes == 0 {
		o.MaxAppendBytes = DefaultMaxAppendBytes
	}
	if o.Health == nil {
		o.Health = func() error { return nil }
	}
	if o.Now == nil {
		o.Now = func() aggregates.Instant { return aggregates.At(time.Now()) }
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}
