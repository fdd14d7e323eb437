// Package reconciliation compares snapshots of other systems with what was held to be true at the same instant, and says why they differ.
//
// A run is durable: its stream keeps what the snapshot is, its rows as the source said them, what was found with the evidence, and what it came to. It is known by
// source, document, as-of time and scope, so a snapshot that is sent again gives the run that there is; one that was interrupted, by a crash or for want of a
// chunk, goes on. Any replica may carry it on, several at once do no harm: parts and corrections count once.
//
// Two numbers are held against the source's, both on the occurred axis: what lay there at the as-of time by everything that was recorded when the snapshot had
// come, and by what was recorded by the as-of time. A place at which the source agrees with both is matched. Where these two differ facts came late, which is said
// rather than left to the reader. What a channel shows is compared with what was available to sell by what was recorded then, since nobody could have shown more.
//
// What explains a difference is left to package classify, and who may correct to the owners of the location.
package reconciliation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/tokens"
)

// Index is the id of the stream that lists the runs.
const Index = "index"

// Store reads streams in both directions, as history.Store does.
type Store interface {
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
	ReadStreamBackwards(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
}

// Letters knows what could not be applied, and what is missing; *ingest.DeadLetterDesk does.
type Letters interface {
	OpenGaps(ctx context.Context, limit int) (list []ingest.Gap, more bool, err error)
	List(ctx context.Context, q ingest.Query) (letters []ingest.DeadLetter, more bool, err error)
}

// Directory tells who is believed about a location, and which channels there are; *policies.Directory does.
type Directory interface {
	Channel(id string) (*policies.Channel, bool)
	Location(id string) (location.State, bool)
}

// Items lists what is known, in bytewise order of SKU; *availability.Projection does.
type Items interface {
	tokens.Ended
	Scan(ctx context.Context, after string, limit int) ([]*availability.Document, error)
}

// Explainer tells what was available of a SKU on a channel at a past instant; *history.Service does.
type Explainer interface {
	ExplainAvailability(ctx context.Context, r *pb.ExplainAvailabilityRequest) (*pb.ExplainAvailabilityResponse, error)
}

// Log tells of a message log what was in it at an instant: the offset from which on messages came later. ok is false when that is not known.
type Log interface {
	EndAt(ctx context.Context, topic string, partition int32, at time.Time) (offset int64, ok bool)
}

// Publications tells what became of a change that was to be published; *Told does. ok is false when nothing is known of it.
type Publications interface {
	Published(ctx context.Context, c Change) (p Publication, ok bool, err error)
}

// Change is one that a channel was to be told of.
type Change struct {
	SKU, Channel string
	Position     uint64
	RecordedAt   aggregates.Instant
	By           aggregates.Instant // it matters whether the channel was told by then
}

// Publication is what became of a change.
type Publication struct {
	At      aggregates.Instant // 0 when it was not published
	Trouble string             // why it was not
}

// Config says what the service works with. Log and Publications may be nil: then nothing is known of them.
type Config struct {
	Runs         commands.Doer[reconciliation.State]
	List         commands.Doer[reconciliation.List]
	Store        Store
	Recorder     *stock.Recorder
	Letters      Letters
	Directory    Directory
	Items        Items
	History      Explainer
	MessageLog   Log
	Publications Publications
	Dir          string // for files while large snapshots are sorted; the system's when empty
	Now          func() aggregates.Instant
	Log          *slog.Logger
}

// Service implements the contract's ReconciliationService.
type Service struct {
	pb.UnimplementedReconciliationServiceServer
	Config
	places chan struct{} // one for each comparison under way
	stats  stats
	busy   sync.Map // ids of runs that are compared now
}

var _ pb.ReconciliationServiceServer = (*Service)(nil)

// MaxComparing is how many snapshots are compared at once; more wait.
const MaxComparing = 2

// New returns the service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{Config: c, places: make(chan struct{}, MaxComparing)}
}

// RunID names the run of a snapshot: 32 hexadecimal digits of what tells it from others.
func RunID(h *reconciliation.Header) string {
	sum := sha256.New()
	for _, part := range []string{h.Source, h.Document, strconv.FormatInt(int64(h.AsOf), 10), h.Location, h.Channel} {
		sum.Write([]byte(strconv.Itoa(len(part))))
		sum.Write([]byte{':'})
		sum.Write([]byte(part))
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// stats count what the service did since its start.
type stats struct {
	runs, discrepancies, corrected, failures, filesRefused atomic.Int64

	mu      sync.Mutex
	last    map[string]LastRun // by source
	classes [reconciliation.Unexplained + 1]atomic.Int64
}

// Stats are what the service found since its start.
type Stats struct {
	Runs, Discrepancies, Corrected, Failures, FilesRefused int64
	Last                                                   map[string]LastRun // by source, of at most MaxSources
	Classes                                                map[string]int64
}

// Stats tells them.
func (s *Service) Stats() Stats {
	x := Stats{Runs: s.stats.runs.Load(), Discrepancies: s.stats.discrepancies.Load(), Corrected: s.stats.corrected.Load(),
		Failures: s.stats.failures.Load(), FilesRefused: s.stats.filesRefused.Load(), Classes: map[string]int64{}}
	for c := reconciliation.LateEvent; c <= reconciliation.Unexplained; c++ {
		x.Classes[ClassName(c)] = s.stats.classes[c].Load()
	}
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	x.Last = maps.Clone(s.stats.last)
	return x
}

// LastRun is what the latest run of a source came to.
type LastRun struct {
	Ratio       float64 // discrepancies per row; a row that could not be read or compared counts as one, since nobody knows that it agrees
	ValueAtRisk map[string]int64
}

// MaxSources is of how many sources the last run is remembered.
const MaxSources = 1_000

// ClassName is the name of a class as metrics and people know it.
func ClassName(c reconciliation.Class) string {
	return [...]string{"", "late_event", "queued_event", "dead_letter", "sequence_gap", "duplicate", "unit_mistake", "not_owner", "not_delivered",
		"conflicting_counts", "unexplained"}[c]
}

// metadata of a command on a run's stream or the list. The key is of the run and what is done.
func metadata(runID, what string, h *reconciliation.Header, now aggregates.Instant) aggregates.Metadata {
	m := aggregates.Metadata{OccurredAt: now, CorrelationID: runID, Actor: "reconciliation", IdempotencyKey: runID + " " + what}
	if h != nil {
		m.Source = aggregates.Source{System: h.Source, Document: h.Document}
	}
	return m
}

// deciding is an intention that is one function.
type deciding[S any] func(*S) ([]aggregates.Event, error)

// Decide decides.
func (d deciding[S]) Decide(s *S, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	return d(s)
}

// run reads the state of a run: a decision that records nothing.
func (s *Service) run(ctx context.Context, runID string) (state reconciliation.State, err error) {
	_, err = s.Runs.Do(ctx, runID, metadata(runID, "read", nil, s.Now()), deciding[reconciliation.State](func(x *reconciliation.State) ([]aggregates.Event, error) {
		state = *x
		state.Chunks = nil
		return nil, nil
	}))
	return state, err
}
