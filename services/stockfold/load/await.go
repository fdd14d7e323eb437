package load

import (
	"context"
	"encoding/json"
	"errors"
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
	stalledAfter = 2 * time.Minute  // without any progress, something is wrong
	unreadAfter  = 30 * time.Second // so long at most a partition has no reader while replicas come and go, or a status no event store
	maxLetters   = 1_000_000        // dead letters looked through
)

// othersSource is the service's name for sources beyond those it measures one by one.
const othersSource = "(others)"

// awaitDurable waits until everything published to a topic is taken in by the service: recorded, or kept as a dead letter.
func (l *loader) awaitDurable(ctx context.Context, topic string, add func(int)) error {
	spans := l.publisher.where()
	maps.DeleteFunc(spans, func(at partition, _ span) bool { return at.topic != topic })
	already := make(map[partition]int64, len(spans))
	return l.poll(ctx, func(replicas []*pb.GetStatusResponse) (found look) {
		found.done = true
		for at, span := range spans {
			next, read := nextOffset(replicas, at)
			before := max(already[at], span.first)
			taken := min(max(next, before), span.end) // a service that starts again first reports no offset at all
			add(int(taken - before))
			already[at] = taken
			found.progress += taken
			if taken < span.end {
				found.done, found.unread = false, found.unread || !read
				found.what = fmt.Sprintf("partition %d of %s stands at offset %d of %d", at.number, at.topic, next, span.end)
			}
		}
		return found
	})
}

// nextOffset is how far a partition was taken in, and whether any of the replicas takes it in.
func nextOffset(replicas []*pb.GetStatusResponse, at partition) (next int64, read bool) {
	for _, s := range replicas {
		for _, p := range s.Partitions {
			if p.Topic == at.topic && int(p.Partition) == at.number {
				next, read = max(next, p.NextOffset), true
			}
		}
	}
	return next, read
}

// awaitReadable waits until every read model shows what is recorded now.
func (l *loader) awaitReadable(ctx context.Context) error {
	var end uint64
	return l.poll(ctx, func(replicas []*pb.GetStatusResponse) (found look) {
		if end == 0 {
			end = replicas[0].StorePosition
		}
		found.done = true
		for _, s := range replicas {
			for _, p := range s.Projections {
				found.progress += int64(min(p.Position, end))
				if p.Position < end {
					found.done = false
					found.what = fmt.Sprintf("projection %s stands at position %d of %d: %s", p.Name, p.Position, end, p.Error)
				}
			}
		}
		return found
	})
}

// look is what a look at the replicas' status found.
type look struct {
	progress int64
	done     bool
	unread   bool   // none of these replicas takes in something that is waited for
	what     string // is waited for
}

// tooLong says what to do once nothing has changed for a time; nil when it is not over.
func (f look) tooLong(since time.Duration) error {
	switch {
	case f.unread && since > unreadAfter:
		return fmt.Errorf("%s, and no replica that was asked takes it in: name all replicas with --grpc; is the role ingest among those of one?", f.what)
	case since > stalledAfter:
		return fmt.Errorf("the service has taken nothing in for %s: %s; its log and GetStatus say why", stalledAfter, f.what)
	}
	return nil
}

// storeAwayError says that a replica cannot ask its event store, as one cannot for a moment while much is going on.
type storeAwayError struct{ why string }

func (e *storeAwayError) Error() string {
	return "status of the service: " + e.why + "; run the load again once the event store is there, and it goes on"
}

// forgivable tells whether to ask again after an error, when the last good answer is so long ago.
func forgivable(err error, since time.Duration) bool {
	var away *storeAwayError
	return errors.As(err, &away) && since <= unreadAfter
}

// status asks all replicas.
func (l *loader) status(ctx context.Context) (all []*pb.GetStatusResponse, err error) {
	for _, ops := range l.replicas {
		s, err := ops.GetStatus(ctx, &pb.GetStatusRequest{})
		if err != nil {
			return nil, fmt.Errorf("status of the service: %w", err)
		}
		if s.StoreError != "" {
			return nil, &storeAwayError{s.StoreError}
		}
		all = append(all, s)
	}
	return all, nil
}

// poll asks for the status now and then until what see finds is done. It gives up when there is no progress for long.
func (l *loader) poll(ctx context.Context, see func([]*pb.GetStatusResponse) look) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last, since, heard := int64(-1), time.Now(), time.Now()
	for {
		replicas, err := l.status(ctx)
		if err == nil {
			heard = time.Now()
			found := see(replicas)
			if found.done {
				return nil
			}
			if found.progress != last {
				last, since = found.progress, time.Now()
			} else if err := found.tooLong(time.Since(since)); err != nil {
				return err
			}
		} else if !forgivable(err, time.Since(heard)) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// counted is how many facts of the file's sources the replicas have recorded since they started.
type counted struct {
	facts   int64
	started []time.Time
}

func (l *loader) facts(ctx context.Context) (sum counted, err error) {
	replicas, err := l.status(ctx)
	if err != nil {
		return sum, err
	}
	ours := map[string]bool{countSource: true, othersSource: true}
	for _, store := range l.survey.Stores {
		ours[sourcePrefix+store.ID] = true
	}
	for _, s := range replicas {
		sum.started = append(sum.started, s.StartedAt.AsTime())
		for _, source := range s.Sources {
			if ours[source.Source] {
				sum.facts += source.Facts
			}
		}
	}
	return sum, nil
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
