package load

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Bounds of waiting for the service.
const (
	pollEvery    = 100 * time.Millisecond
	stalledAfter = 2 * time.Minute // without any progress, something is wrong
	maxLetters   = 1_000_000       // dead letters looked through
)

// othersSource is the service's name for sources beyond those it measures one by one.
const othersSource = "(others)"

// awaitDurable waits until everything published to a topic is taken in by the service: recorded, or kept as a dead letter.
func (l *loader) awaitDurable(ctx context.Context, topic string, add func(int)) error {
	spans := l.publisher.where()
	maps.DeleteFunc(spans, func(at partition, _ span) bool { return at.topic != topic })
	already := make(map[partition]int64, len(spans))
	return l.poll(ctx, func(s *pb.GetStatusResponse) (progress int64, done bool, what string) {
		done = true
		for at, span := range spans {
			next := nextOffset(s, at)
			before := max(already[at], span.first)
			taken := min(max(next, before), span.end) // a service that starts again first reports no offset at all
			add(int(taken - before))
			already[at] = taken
			progress += taken
			if taken < span.end {
				done = false
				what = fmt.Sprintf("partition %d of %s stands at offset %d of %d", at.number, at.topic, next, span.end)
			}
		}
		return progress, done, what
	})
}

func nextOffset(s *pb.GetStatusResponse, at partition) int64 {
	for _, p := range s.Partitions {
		if p.Topic == at.topic && int(p.Partition) == at.number {
			return p.NextOffset
		}
	}
	return 0
}

// awaitReadable waits until every read model shows what is recorded now.
func (l *loader) awaitReadable(ctx context.Context) error {
	var end uint64
	return l.poll(ctx, func(s *pb.GetStatusResponse) (progress int64, done bool, what string) {
		if end == 0 {
			end = s.StorePosition
		}
		done = true
		for _, p := range s.Projections {
			progress += int64(min(p.Position, end))
			if p.Position < end {
				done = false
				what = fmt.Sprintf("projection %s stands at position %d of %d: %s", p.Name, p.Position, end, p.Error)
			}
		}
		return progress, done, what
	})
}

// poll asks for the status now and then until look is content. It gives up when there is no progress for long.
func (l *loader) poll(ctx context.Context, look func(*pb.GetStatusResponse) (progress int64, done bool, what string)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last, since := int64(-1), time.Now()
	for {
		s, err := l.ops.GetStatus(ctx, &pb.GetStatusRequest{})
		if err != nil {
			return fmt.Errorf("status of the service: %w", err)
		}
		progress, done, what := look(s)
		if done {
			return nil
		}
		if progress != last {
			last, since = progress, time.Now()
		} else if time.Since(since) > stalledAfter {
			return fmt.Errorf("the service has taken nothing in for %s: %s; its log and GetStatus say why", stalledAfter, what)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// counted is how many facts of the file's sources the service has recorded since it started.
type counted struct {
	facts   int64
	started time.Time
}

func (l *loader) facts(ctx context.Context) (counted, error) {
	s, err := l.ops.GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil {
		return counted{}, fmt.Errorf("status of the service: %w", err)
	}
	ours := map[string]bool{countSource: true, othersSource: true}
	for _, store := range l.survey.Stores {
		ours[sourcePrefix+store.ID] = true
	}
	sum := int64(0)
	for _, source := range s.Sources {
		if ours[source.Source] {
			sum += source.Facts
		}
	}
	return counted{sum, s.StartedAt.AsTime()}, nil
}

// deadLetters counts the facts of this run that are kept as open dead letters, with an example of each reason.
func (l *loader) deadLetters(ctx context.Context) (facts int, reasons []string, err error) {
	spans, seen, examples := l.publisher.where(), 0, map[string]string{}
	err = pages(func(token string) (string, error) {
		page, err := l.ops.ListDeadLetters(ctx, &pb.ListDeadLettersRequest{PageSize: pageSize, PageToken: token})
		for _, d := range page.GetDeadLetters() {
			span, ours := spans[partition{d.Topic, int(d.Partition)}]
			if ours && d.Offset >= span.first && d.Offset < span.end {
				facts += factsIn(d)
				examples[d.Reason] = fmt.Sprintf("%s, e.g. %s: %s", d.Reason, d.DeadLetterId, d.Message)
			}
		}
		if seen += len(page.GetDeadLetters()); seen >= maxLetters {
			return "", err
		}
		return page.GetNextPageToken(), err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("list dead letters: %w", err)
	}
	for _, e := range examples {
		reasons = append(reasons, e)
	}
	slices.SortFunc(reasons, strings.Compare)
	return facts, reasons, nil
}

// factsIn is how many facts a message held: the lines of a sale, or one.
func factsIn(d *pb.DeadLetter) int {
	var s struct{ Lines []json.RawMessage }
	if d.Topic == SalesTopic && json.Unmarshal(d.Value, &s) == nil {
		return len(s.Lines)
	}
	return 1
}
