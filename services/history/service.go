// Package history shows the events behind a number, as they were recorded. It reads the streams themselves: what was
// answered as durable is there at once. It leaves the form of events to proto/codec and their order to the store.
package history

import (
	"context"
	"math"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// Store reads streams in both directions. each is called in order until it returns false or there is no more; a record's
// Data is valid until each returns. Backwards starts at a revision and goes down; one beyond the end starts at the end.
// Both may return commands.ErrUnavailable (wrapped).
type Store interface {
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
	ReadStreamBackwards(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
}

// Service implements the contract's HistoryService.
type Service struct {
	// Trail is what proofs and traces need; it is set before the service is used.
	Trail Trail

	pb.UnimplementedHistoryServiceServer
	store   Store
	letters Letters
	now     func() aggregates.Instant
}

var _ pb.HistoryServiceServer = (*Service)(nil)

// Letters knows what could not be applied, and what is missing; *ingest.DeadLetterDesk does. Lists have the oldest first, and tell
// whether there are more.
type Letters interface {
	OpenGaps(ctx context.Context, limit int) (list []ingest.Gap, more bool, err error)
	List(ctx context.Context, q ingest.Query) (letters []ingest.DeadLetter, more bool, err error)
}

// New returns the service over a store. now is the clock.
func New(store Store, letters Letters, now func() aggregates.Instant) *Service {
	return &Service{store: store, letters: letters, now: now}
}

// ListEvents returns a page of the events of a SKU. It returns *validation.Error, *refusals.UnknownSKU and the errors of
// the store.
func (s *Service) ListEvents(ctx context.Context, r *pb.ListEventsRequest) (*pb.ListEventsResponse, error) {
	p, err := checkList(r)
	if err != nil {
		return nil, err
	}
	if err := s.read(ctx, p); err != nil {
		return nil, err
	}
	if len(p.answer.Events) == 0 && r.PageToken == "" {
		return nil, &refusals.UnknownSKU{SKU: r.Sku}
	}
	return &p.answer, s.addGaps(ctx, &p.answer)
}

// Bounds of the gaps that a page tells of.
const (
	maxGaps   = 100   // told
	gapsAsked = 1_000 // looked at
)

// addGaps tells of open gaps in the numbers of the sources of a page's events.
func (s *Service) addGaps(ctx context.Context, answer *pb.ListEventsResponse) error {
	sources := map[string]bool{}
	for _, e := range answer.Events {
		if e.Source.GetSequence() != "" {
			sources[e.Source.System] = true
		}
	}
	if len(sources) == 0 {
		return nil
	}
	gaps, _, err := s.letters.OpenGaps(ctx, gapsAsked)
	for i := range gaps {
		if sources[gaps[i].System] && len(answer.Gaps) < maxGaps {
			answer.Gaps = append(answer.Gaps, gaps[i].Message())
		}
	}
	return err
}

// page is one page in the making.
type page struct {
	stream      string
	list        tokens.List
	oldestFirst bool
	from        uint64
	size        int
	bytes       int
	answer      pb.ListEventsResponse
}

func checkList(r *pb.ListEventsRequest) (*page, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	if _, ok := pb.ListEventsRequest_Order_name[int32(r.Order)]; !ok {
		c.Fail("order", "must be one of the values of Order, is %d", r.Order)
	}
	p := &page{stream: aggregates.SKUPrefix + r.Sku, oldestFirst: r.Order == pb.ListEventsRequest_ORDER_OLDEST_FIRST}
	p.size = tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	p.list = tokens.NewList("history", r.Sku, strconv.FormatBool(p.oldestFirst))
	return p, p.start(r.PageToken)
}

// start finds the revision that the page begins with.
func (p *page) start(token string) error {
	if !p.oldestFirst {
		p.from = math.MaxUint64
	}
	text, err := p.list.Decode(token)
	if err != nil || text == "" {
		return err
	}
	if p.from, err = strconv.ParseUint(text, 10, 64); err != nil {
		var c validation.Checker
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
		return c.Err()
	}
	return nil
}

func (s *Service) read(ctx context.Context, p *page) error {
	var bad error
	each := func(r aggregates.Record) (more bool) {
		more, bad = p.add(r)
		return more && bad == nil
	}
	read := s.store.ReadStreamBackwards
	if p.oldestFirst {
		read = s.store.ReadStream
	}
	if err := read(ctx, p.stream, p.from, each); err != nil {
		return err
	}
	return bad
}

// add puts an event on the page, or makes it the first of the next one.
func (p *page) add(r aggregates.Record) (more bool, err error) {
	e, err := codec.Proto(r)
	if err != nil {
		return false, err
	}
	if p.bytes += e.SizeVT(); len(p.answer.Events) == p.size || p.bytes > tokens.MaxPageBytes && len(p.answer.Events) > 0 {
		p.answer.NextPageToken = p.list.Encode(strconv.FormatUint(r.Revision, 10))
		return false, nil
	}
	p.answer.Events = append(p.answer.Events, e)
	return true, nil
}
