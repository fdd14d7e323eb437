package history

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	view "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// Tree is the tree over all events and the index of ids; *view.Projection is one.
type Tree interface {
	WaitForEnd(ctx context.Context) error
	Head() view.Head
	ProveRecord(ctx context.Context, size, index int64) (tlog.RecordProof, error)
	ProveTree(ctx context.Context, size, smaller int64) (tlog.TreeProof, error)
	Index(ctx context.Context, position uint64) (int64, error)
	Find(ctx context.Context, id string, after uint64, limit int) ([]uint64, error)
}

// Heads signs and knows heads of the tree; *audit.Heads does.
type Heads interface {
	Newest(ctx context.Context) (audit.Head, error)
	Record(ctx context.Context) (audit.Head, error)
	VerifierKey() string
}

// Trail is what proofs and traces are made of, beside the streams.
type Trail struct {
	All       projections.Store
	Tree      Tree
	Heads     Heads
	Published Published
}

// GetTreeHead returns the newest signed head, or audit.ErrNoHead.
func (s *Service) GetTreeHead(ctx context.Context, _ *pb.GetTreeHeadRequest) (*pb.GetTreeHeadResponse, error) {
	h, err := s.Trail.Heads.Newest(ctx)
	return &pb.GetTreeHeadResponse{Head: s.headMessage(h)}, err
}

// RecordTreeHead signs and records the head over all events so far; audit.ErrNoKey, *domain.ForkedError.
func (s *Service) RecordTreeHead(ctx context.Context, _ *pb.RecordTreeHeadRequest) (*pb.RecordTreeHeadResponse, error) {
	h, err := s.Trail.Heads.Record(ctx)
	return &pb.RecordTreeHeadResponse{Head: s.headMessage(h)}, err
}

func (s *Service) headMessage(h audit.Head) *pb.TreeHead {
	return &pb.TreeHead{Note: h.Note, TreeSize: h.Size, Position: h.Position, RootHash: h.Root[:], RecordedAt: codec.Timestamp(h.SignedAt),
		VerifierKey: s.Trail.Heads.VerifierKey()}
}

// ProveEvent proves that the newest head's tree holds an event. It returns *validation.Error, *refusals.UnknownEvent, *refusals.NotInTreeHead,
// audit.ErrNoHead and the errors of the store and the read model.
func (s *Service) ProveEvent(ctx context.Context, r *pb.ProveEventRequest) (*pb.ProveEventResponse, error) {
	var c validation.Checker
	c.ID("event_id", r.EventId)
	if err := c.Err(); err != nil {
		return nil, err
	}
	record, err := s.eventByID(ctx, r.EventId)
	if err != nil {
		return nil, err
	}
	h, err := s.Trail.Heads.Newest(ctx)
	if err != nil {
		return nil, err
	}
	size, err := treeSize(r.TreeSize, h.Size)
	if err != nil {
		return nil, err
	}
	if record.Position > h.Position {
		return nil, &refusals.NotInTreeHead{EventID: r.EventId}
	}
	index, err := s.Trail.Tree.Index(ctx, record.Position)
	if err != nil {
		return nil, err
	}
	if index >= size {
		return nil, &refusals.NotInTreeHead{EventID: r.EventId}
	}
	path, err := s.Trail.Tree.ProveRecord(ctx, size, index)
	if err != nil {
		return nil, err
	}
	stored, err := storedEvent(record)
	return &pb.ProveEventResponse{Stored: stored, Index: index, Path: hashBytes(path), Head: s.headMessage(h)}, err
}

// treeSize is the size of the tree that was asked for.
func treeSize(asked, newest int64) (int64, error) {
	if asked == 0 {
		return newest, nil
	}
	var c validation.Checker
	c.Range("tree_size", asked, 1, newest)
	return asked, c.Err()
}

// eventByID finds an event by its id, also one that was just recorded.
func (s *Service) eventByID(ctx context.Context, id string) (aggregates.Record, error) {
	if err := s.Trail.Tree.WaitForEnd(ctx); err != nil {
		return aggregates.Record{}, err
	}
	places, err := s.Trail.Tree.Find(ctx, id, 0, maxTraced)
	if err != nil {
		return aggregates.Record{}, err
	}
	for _, p := range places {
		r, err := s.at(ctx, p)
		if err != nil {
			return r, err
		}
		if r.ID.String() == id {
			return r, nil
		}
	}
	return aggregates.Record{}, &refusals.UnknownEvent{EventID: id}
}

var errNothingThere = errors.New("the index leads to an event that is not there; verify the store")

// at reads the event at a position.
func (s *Service) at(ctx context.Context, position uint64) (found aggregates.Record, err error) {
	err = s.from(ctx, position-1, func(r *aggregates.Record) bool {
		if r.Position == position {
			found = clone(r)
		}
		return false
	})
	if err == nil && found.Position == 0 {
		err = errNothingThere
	}
	return found, err
}

func clone(r *aggregates.Record) aggregates.Record {
	out := *r
	out.Data = append([]byte(nil), r.Data...)
	return out
}

// from calls each with all events after a position, in the order of the store, up to those that it holds now, until each returns false.
func (s *Service) from(ctx context.Context, after uint64, each func(*aggregates.Record) bool) error {
	end, err := s.Trail.All.End(ctx)
	if err != nil || after >= end {
		return err
	}
	sub, err := s.Trail.All.Subscribe(ctx, after, aggregates.Prefixes()...)
	if err != nil {
		return err
	}
	defer sub.Close()
	for at := after; at < end; {
		b, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		for i := range b.Records {
			if !each(&b.Records[i]) {
				return nil
			}
		}
		at = b.Through
	}
	return nil
}

// ProveConsistency proves that the newest head's tree begins with an earlier one.
func (s *Service) ProveConsistency(ctx context.Context, r *pb.ProveConsistencyRequest) (*pb.ProveConsistencyResponse, error) {
	h, err := s.Trail.Heads.Newest(ctx)
	if err != nil {
		return nil, err
	}
	var c validation.Checker
	c.Range("tree_size", r.TreeSize, 1, h.Size)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.Trail.Tree.WaitForEnd(ctx); err != nil {
		return nil, err
	}
	path, err := s.Trail.Tree.ProveTree(ctx, h.Size, r.TreeSize)
	return &pb.ProveConsistencyResponse{TreeSize: r.TreeSize, Path: hashBytes(path), Head: s.headMessage(h)}, err
}

func hashBytes(list []tlog.Hash) (out [][]byte) {
	for i := range list {
		out = append(out, list[i][:])
	}
	return out
}

func storedEvent(r aggregates.Record) (*pb.StoredEvent, error) {
	e, err := codec.Proto(r)
	return &pb.StoredEvent{Event: e, Leaf: codec.AppendLeaf(nil, &r)}, err
}

// maxLooked bounds the events that one page looks at for those of a period.
const maxLooked = 50_000

// ListStoredEvents returns a page of events with what their digests are made of. It returns *validation.Error and the errors of the store.
func (s *Service) ListStoredEvents(ctx context.Context, r *pb.ListStoredEventsRequest) (*pb.ListStoredEventsResponse, error) {
	p, err := checkStored(r)
	if err != nil {
		return nil, err
	}
	if p.stream != "" {
		err = s.store.ReadStream(ctx, p.stream, p.after, func(r aggregates.Record) bool { return p.add(&r, r.Revision+1) })
	} else {
		err = s.from(ctx, p.after, func(r *aggregates.Record) bool { return p.add(r, r.Position) })
	}
	if err == nil {
		err = p.err
	}
	if err == nil && p.stream == "" && len(p.answer.Events) > 0 {
		if err = s.Trail.Tree.WaitForEnd(ctx); err == nil {
			p.answer.FirstIndex, err = s.Trail.Tree.Index(ctx, p.answer.Events[0].Event.Position)
		}
	}
	return &p.answer, err
}

// storedPage is one page in the making.
type storedPage struct {
	stream      string
	from, until aggregates.Instant
	list        tokens.List
	after       uint64 // place to go on after: a position, or the next revision of a stream
	size        int
	bytes       int
	looked      int
	answer      pb.ListStoredEventsResponse
	err         error
}

func checkStored(r *pb.ListStoredEventsRequest) (*storedPage, error) {
	var c validation.Checker
	p := &storedPage{stream: r.Stream, until: math.MaxInt64, size: tokens.PageSize(&c, r.PageSize)}
	if r.Sku != "" {
		c.ID("sku", r.Sku)
		if p.stream = aggregates.SKUPrefix + r.Sku; r.Stream != "" {
			c.Fail("stream", "must be empty when there is a sku")
		}
	}
	for _, t := range []struct {
		name string
		at   *timestamppb.Timestamp
		to   *aggregates.Instant
	}{{"from", r.From, &p.from}, {"until", r.Until, &p.until}} {
		if t.at == nil {
			continue
		}
		if err := t.at.CheckValid(); err != nil {
			c.Fail(t.name, "is not a time: %v", err)
			continue
		}
		*t.to = codec.Instant(t.at)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	p.list = tokens.NewList("stored", p.stream, p.from.Time().Format(time.RFC3339Nano), strconv.FormatInt(int64(p.until), 10))
	text, err := p.list.Decode(r.PageToken)
	if err != nil || text == "" {
		return p, err
	}
	if p.after, err = strconv.ParseUint(text, 10, 64); err != nil {
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
	}
	return p, c.Err()
}

// add puts an event on the page, or ends it there. next is the place to go on after once the event is looked at.
func (p *storedPage) add(r *aggregates.Record, next uint64) (more bool) {
	size := len(r.Data) * 2
	if len(p.answer.Events) == p.size || p.looked == maxLooked || p.bytes+size > tokens.MaxPageBytes && len(p.answer.Events) > 0 {
		p.answer.NextPageToken = p.list.Encode(strconv.FormatUint(p.after, 10))
		return false
	}
	p.looked++
	p.after = next
	recorded, err := codec.EachID(r, func(codec.IDKind, []byte) {})
	if err == nil && (recorded < p.from || recorded >= p.until) {
		return true
	}
	stored, err := storedEvent(clone(r))
	if err != nil {
		p.err = err
		return false
	}
	p.bytes += size
	p.answer.Events = append(p.answer.Events, stored)
	return true
}
