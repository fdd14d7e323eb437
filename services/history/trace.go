package history

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// Published knows what was published, for as long as that is kept. Of returns the values of a SKU as of a position or later, in order of
// position.
type Published interface {
	Of(ctx context.Context, sku string, from uint64, limit int) ([]*pb.PublishedChange, error)
}

// Bounds of one trace.
const (
	maxTraced    = 10_000 // events, and ids that they lead to
	maxLetters   = 2_000  // dead letters of each state that are looked at
	maxPublished = 64     // published values that are looked at for one event
)

// maxTracedBytes bounds the steps of one trace, which are in memory together: a message or a chunk of a snapshot may have megabytes.
const maxTracedBytes = 64 << 20

var tracedBytes = maxTracedBytes // less in tests

// Trace returns a page of everything that happened because of one thing. It returns *validation.Error, *refusals.UnknownTrace and the errors
// of the store and the read model.
func (s *Service) Trace(ctx context.Context, r *pb.TraceRequest) (*pb.TraceResponse, error) {
	var c validation.Checker
	c.Text("id", r.Id, validation.MaxNote)
	if r.Id == "" {
		c.Fail("id", "is required")
	}
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("trace", r.Id)
	first, until, err := placeInTrace(list, r.PageToken)
	if err != nil {
		return nil, err
	}
	x, err := s.trace(ctx, r.Id, until)
	if err != nil {
		return nil, err
	}
	if len(x.steps) == 0 {
		return nil, &refusals.UnknownTrace{ID: r.Id}
	}
	answer := &pb.TraceResponse{Truncated: x.truncated}
	bytes := 0
	for i := first; i < len(x.steps); i++ {
		if bytes += x.steps[i].SizeVT(); i == first+size || bytes > tokens.MaxPageBytes && i > first {
			answer.NextPageToken = list.Encode(fmt.Sprintf("%d %d", i, x.until))
			break
		}
		answer.Steps = append(answer.Steps, x.steps[i])
	}
	return answer, nil
}

// placeInTrace reads where a page begins, and up to which position the events are that the first page knew of: 0 for the first one.
func placeInTrace(list tokens.List, token string) (first int, until uint64, err error) {
	text, err := list.Decode(token)
	if err != nil || text == "" {
		return 0, 0, err
	}
	if n, err := fmt.Sscanf(text, "%d %d", &first, &until); n < 2 || err != nil || first < 0 || until == 0 {
		var c validation.Checker
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
		return 0, 0, c.Err()
	}
	return first, until, nil
}

// seed is an id that leads to events: of any kind for the one that was asked for.
type seed struct {
	id     string
	kind   codec.IDKind
	any    bool
	system string // of a message
}

// matches tells whether an event's id is that of a seed.
func (d seed) matches(kind codec.IDKind, id, system string) bool {
	switch {
	case id != d.id:
		return false
	case d.any:
		return true
	case d.kind == codec.IDMessage:
		return kind == codec.IDMessage && system == d.system
	case d.kind == codec.IDEvent:
		return kind == codec.IDCause
	case d.kind == codec.IDOrder:
		return kind == codec.IDOrder || kind == codec.IDCorrelation
	}
	return kind == d.kind
}

// tracing is a trace in the making.
type tracing struct {
	*Service
	asked     string
	until     uint64 // position of the last event that may be part of it
	bytes     int    // of its steps
	queue     []seed
	known     map[seed]bool
	events    map[uint64]*pb.TraceStep // by position
	origins   map[string]*pb.TraceStep
	steps     []*pb.TraceStep
	truncated bool
}

func (s *Service) trace(ctx context.Context, id string, until uint64) (*tracing, error) {
	x := &tracing{Service: s, asked: id, until: until, known: map[seed]bool{}, events: map[uint64]*pb.TraceStep{}, origins: map[string]*pb.TraceStep{}}
	if err := s.Trail.Tree.WaitForEnd(ctx); err != nil {
		return nil, err
	}
	if x.until == 0 { // events that come in between two pages are of neither
		var err error
		if x.until, err = s.Trail.All.End(ctx); err != nil {
			return nil, err
		}
	}
	x.follow(seed{id: id, any: true})
	for len(x.queue) > 0 {
		d := x.queue[0]
		x.queue = x.queue[1:]
		if err := x.look(ctx, d); err != nil {
			return nil, err
		}
	}
	for _, add := range []func(context.Context) error{x.addOrigins, x.addLetters, x.addPublished} {
		if err := add(ctx); err != nil {
			return nil, err
		}
	}
	x.sort()
	return x, nil
}

func (x *tracing) follow(d seed) {
	if d.id == "" || x.known[d] {
		return
	}
	if len(x.known) == maxTraced {
		x.truncated = true
		return
	}
	x.known[d] = true
	x.queue = append(x.queue, d)
}

// look adds the events that an id is found in.
func (x *tracing) look(ctx context.Context, d seed) error {
	places, err := x.Trail.Tree.Find(ctx, d.id, 0, maxTraced)
	if err != nil {
		return err
	}
	x.truncated = x.truncated || len(places) == maxTraced
	for _, p := range places {
		if x.events[p] != nil || p > x.until {
			continue
		}
		if len(x.events) == maxTraced || x.bytes > tracedBytes {
			x.truncated = true
			return nil
		}
		if err := x.take(ctx, d, p); err != nil {
			return err
		}
	}
	return nil
}

// take adds the event at a place when it carries the id, and follows the ids that it carries as well.
func (x *tracing) take(ctx context.Context, d seed, position uint64) error {
	r, err := x.at(ctx, position)
	if err != nil {
		return err
	}
	e, err := codec.Proto(r)
	if err != nil {
		return err
	}
	type found struct {
		kind codec.IDKind
		id   string
	}
	all := []found{{codec.IDEvent, r.ID.String()}}
	if order, ok := strings.CutPrefix(r.Stream, aggregates.OrderPrefix); ok {
		all = append(all, found{codec.IDOrder, order})
	}
	if _, err := codec.EachID(&r, func(kind codec.IDKind, id []byte) { all = append(all, found{kind, string(id)}) }); err != nil {
		return err
	}
	reason := ""
	for _, f := range all {
		if d.matches(f.kind, f.id, e.Source.GetSystem()) {
			reason = f.kind.String() + " " + f.id
			break
		}
	}
	if reason == "" {
		return nil // another id of equal digest, or of another kind
	}
	x.events[position] = eventStep(e, reason)
	x.bytes += len(r.Data)
	for _, f := range all {
		if f.kind != codec.IDCause && f.kind != codec.IDDocument {
			x.follow(seed{id: f.id, kind: f.kind, system: systemOf(f.kind, e)})
		}
	}
	return nil
}

func systemOf(kind codec.IDKind, e *pb.Event) string {
	if kind == codec.IDMessage {
		return e.Source.GetSystem()
	}
	return ""
}

func eventStep(e *pb.Event, reason string) *pb.TraceStep {
	return &pb.TraceStep{Id: e.EventId, Kind: "EVENT", At: e.RecordedAt, Through: through(e), Actor: e.Actor, Reason: reason, Event: e}
}

// through says by what an event came about.
func through(e *pb.Event) string {
	if t := e.Source.GetTopic(); t != "" {
		return kafkaPlace(t, e.Source.Partition, e.Source.Offset)
	}
	if e.CausationId != "" {
		return "call " + e.CausationId
	}
	return "call"
}

func kafkaPlace(topic string, partition int32, offset int64) string {
	return fmt.Sprintf("kafka %s/%d/%d", topic, partition, offset)
}

// addOrigins has each event follow from the event that caused it, or from what came in from outside.
func (x *tracing) addOrigins(context.Context) error {
	byID := map[string]*pb.TraceStep{}
	for _, step := range x.events {
		byID[step.Id] = step
	}
	at := x.places()
	for _, position := range x.positions() {
		step := x.events[position]
		x.steps = append(x.steps, step)
		cause := byID[step.Event.CausationId]
		if cause == nil {
			cause = behind(step.Event, at)
		}
		if cause != nil && cause != step {
			step.ParentId, step.DelayMs = cause.Id, delay(cause, step)
			continue
		}
		if step.Through == "call" {
			step.DelayMs = occurredAgo(step.Event)
			continue
		}
		o := x.origin(step)
		step.ParentId, step.DelayMs = o.Id, delay(o, step)
	}
	return nil
}

// origin is the step of what came in from outside: when it occurred at its source.
func (x *tracing) origin(step *pb.TraceStep) *pb.TraceStep {
	o := x.origins[step.Through]
	if o == nil {
		at := step.Event.OccurredAt
		if at == nil {
			at = step.Event.RecordedAt
		}
		o = &pb.TraceStep{Id: step.Through, Kind: "ORIGIN", At: at, Through: step.Through, Actor: step.Event.Source.GetSystem(), Reason: step.Reason}
		x.origins[step.Through] = o
		x.steps = append(x.steps, o)
	}
	return o
}

func (x *tracing) positions() (list []uint64) {
	for p := range x.events {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}

func delay(from, to *pb.TraceStep) int64 {
	return int64(codec.Instant(to.At)-codec.Instant(from.At)) / 1000
}

func occurredAgo(e *pb.Event) int64 {
	if e.OccurredAt == nil {
		return 0
	}
	return int64(codec.Instant(e.RecordedAt)-codec.Instant(e.OccurredAt)) / 1000
}

// addPublished adds, for each event of a SKU, the values that were published as of it or of what followed before the next one.
func (x *tracing) addPublished(ctx context.Context) error {
	if x.Trail.Published == nil {
		return nil
	}
	next := map[string]uint64{} // by stream, the event of the trace that comes after
	positions := x.positions()
	slices.Reverse(positions)
	for _, p := range positions {
		step := x.events[p]
		sku, ok := strings.CutPrefix(step.Event.Stream, aggregates.SKUPrefix)
		if !ok {
			continue
		}
		list, err := x.Trail.Published.Of(ctx, sku, p, maxPublished)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, c := range list {
			if n := next[step.Event.Stream]; n != 0 && c.Position >= n || seen[c.Channel] {
				continue
			}
			seen[c.Channel] = true
			if x.bytes += c.SizeVT(); x.bytes > tracedBytes {
				x.truncated = true
				return nil
			}
			child := &pb.TraceStep{Id: c.Id, ParentId: step.Id, Kind: "PUBLISHED", At: c.PublishedAt,
				Through: kafkaPlace(c.Topic, c.Partition, c.Offset), Actor: actorPublishes, Reason: "as of position " + strconv.FormatUint(c.Position, 10), Published: c}
			child.DelayMs = delay(step, child)
			x.steps = append(x.steps, child)
		}
		next[step.Event.Stream] = p
	}
	return nil
}

const actorPublishes = "stockfold"

// sort puts the steps into the order in which they happened; what follows from another comes after it.
func (x *tracing) sort() {
	rank := map[string]int{"ORIGIN": 0, "DEAD_LETTER": 1, "EVENT": 2, "PUBLISHED": 3}
	slices.SortStableFunc(x.steps, func(a, b *pb.TraceStep) int {
		if d := codec.Instant(a.At) - codec.Instant(b.At); d != 0 {
			return int(max(-1, min(1, d)))
		}
		return rank[a.Kind] - rank[b.Kind]
	})
}
