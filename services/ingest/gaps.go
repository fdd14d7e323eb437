package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
)

// ReasonSequenceGap is of a letter that holds no message: numbers of a source did not come. It is open until they have, or
// until somebody discards it.
const ReasonSequenceGap = "SEQUENCE_GAP"

// Gap is a run of numbers of a source, some of which did not come yet.
type Gap struct {
	System       string // whose numbers they are, with the partition key
	PartitionKey string
	Topic        string
	Partition    int32
	First, Last  int64 // of the numbers that are missing still; both 0 once all have come
	Missing      int64
	Since        aggregates.Instant // when the message came that showed it
	LetterID     string             // of the dead letter that tells of it
}

// Headers of a gap's letter.
const (
	headerSystem  = "source"
	headerFirst   = "first"
	headerLast    = "last"
	headerMissing = "missing"
	headerSince   = "since"
	headerVersion = "version"
)

// maxRuns is how many runs of missing numbers a letter lists.
const maxRuns = 10

// tidings are what a gap was when something about it changed, to be told by its letter.
type tidings struct {
	of             numbering
	first, version int64
	letter         DeadLetter
}

func tidingsOf(t *track, g *gap, topic string, partition int32) tidings {
	now := Gap{System: t.system, PartitionKey: t.key}
	for _, s := range g.missing {
		now.Missing += s.len()
	}
	if len(g.missing) > 0 {
		now.First, now.Last = g.missing[0].first, g.missing[len(g.missing)-1].last
	}
	number := func(v int64) []byte { return strconv.AppendInt(nil, v, 10) }
	return tidings{of: t.numbering, first: g.first, version: g.version, letter: DeadLetter{
		ID:     letterID(g.since, ReasonSequenceGap, topic, strconv.Itoa(int(partition)), t.system, t.key, strconv.FormatInt(g.first, 10)),
		Reason: ReasonSequenceGap, Message: g.message(&now), Topic: topic, Partition: partition, Offset: g.offset, Key: []byte(t.key),
		Headers: []Header{
			{headerSystem, []byte(t.system)}, {headerFirst, number(now.First)}, {headerLast, number(now.Last)},
			{headerMissing, number(now.Missing)}, {headerSince, number(int64(g.since))}, {headerVersion, number(g.version)},
		},
	}}
}

func (g *gap) message(now *Gap) string {
	whose := fmt.Sprintf("source %q, partition key %q: ", now.System, now.PartitionKey)
	if now.Missing == 0 {
		return whose + fmt.Sprintf("messages %d to %d were missing and have all come", g.first, g.last)
	}
	var runs []string
	for _, s := range g.missing[:min(len(g.missing), maxRuns)] {
		if s.first == s.last {
			runs = append(runs, strconv.FormatInt(s.first, 10))
		} else {
			runs = append(runs, fmt.Sprintf("%d to %d", s.first, s.last))
		}
	}
	text := strings.Join(runs, ", ")
	if more := len(g.missing) - len(runs); more > 0 {
		text += fmt.Sprintf(" and %d more runs up to %d", more, now.Last)
	}
	return whose + fmt.Sprintf("%d missing, number %s; ask the source to send what is missing again", now.Missing, text)
}

// tell brings a gap's letter up to date. What is older than the letter changes nothing, and what somebody discarded stays
// discarded; so tidings may come twice, and in any order.
func (d *DeadLetterDesk) tell(ctx context.Context, x *tidings) error {
	unlock, err := d.lock(ctx, x.letter.ID)
	if err != nil {
		return err
	}
	defer unlock()
	for range maxChanges {
		letter, known, err := d.told(ctx, x)
		if letter == nil || err != nil {
			return err
		}
		switch _, err := d.letters.Put(ctx, *letter); {
		case errors.Is(err, ErrLetterChanged):
			continue // somebody discarded it, or another replica told more
		case err != nil:
			return fmt.Errorf("store dead letter %s: %w", letter.ID, err)
		}
		if !known {
			d.miss(letter)
		}
		return nil
	}
	return fmt.Errorf("%w: others changed dead letter %s %d times meanwhile", commands.ErrUnavailable, x.letter.ID, maxChanges)
}

// told is a gap's letter as tidings make it, over the version that is stored; nil when they make no difference to it.
func (d *DeadLetterDesk) told(ctx context.Context, x *tidings) (letter *DeadLetter, known bool, err error) {
	before, err := d.letters.Get(ctx, x.letter.ID)
	known = err == nil
	switch {
	case err != nil && !errors.Is(err, ErrNoDeadLetter):
		return nil, false, fmt.Errorf("look up dead letter %s: %w", x.letter.ID, err)
	case known && (before.State != Open || before.number(headerVersion) >= x.version):
		return nil, known, nil
	}
	now := x.letter
	now.State, now.Attempts, now.LastTriedAt, now.Version = Open, 1, d.now(), before.Version
	now.ReceivedAt = now.LastTriedAt
	if now.number(headerMissing) == 0 {
		now.State, now.Note = Replayed, "all that was missing has come"
	}
	return &now, known, nil
}

// miss counts and logs a gap that is new.
func (d *DeadLetterDesk) miss(letter *DeadLetter) {
	if n := d.stats.kept(letter.Reason, letter.ReceivedAt); n > 0 {
		d.log.Warn("messages of a source are missing", "gaps", n, "last", letter.ID, "message", letter.Message,
			"topic", letter.Topic, "partition", letter.Partition)
	}
}

// number reads a number in a gap's letter, 0 when there is none.
func (l *DeadLetter) number(header string) int64 {
	n, _ := strconv.ParseInt(l.header(header), 10, 64)
	return n
}

func (l *DeadLetter) header(key string) string {
	for _, h := range l.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// OpenGaps lists open gaps in the numbers of sources, the oldest first, at most so many, and tells whether there are more. They
// are those of all partitions, whichever replica reads them.
func (d *DeadLetterDesk) OpenGaps(ctx context.Context, limit int) (list []Gap, more bool, err error) {
	letters, more, err := d.letters.List(ctx, Query{State: Open, Reason: ReasonSequenceGap, Limit: limit})
	for i := range letters {
		l := &letters[i]
		list = append(list, Gap{
			System: l.header(headerSystem), PartitionKey: string(l.Key), Topic: l.Topic, Partition: l.Partition,
			First: l.number(headerFirst), Last: l.number(headerLast), Missing: l.number(headerMissing),
			Since: aggregates.Instant(l.number(headerSince)), LetterID: l.ID,
		})
	}
	return list, more, err
}

// Message is the gap as the contract writes it.
func (g *Gap) Message() *pb.SequenceGap {
	return &pb.SequenceGap{
		Source: g.System, PartitionKey: g.PartitionKey, Topic: g.Topic, Partition: g.Partition,
		First: g.First, Last: g.Last, Missing: g.Missing, Since: codec.Timestamp(g.Since), DeadLetterId: g.LetterID,
	}
}
