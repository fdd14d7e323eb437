package eventstoredb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
)

// DeadLetters fills ingest.DeadLetters. Every letter has a stream of its own, which keeps all its versions; one stream for
// all lists them, and is folded in memory: about 200 bytes for each letter there ever was.
type DeadLetters struct {
	store *Store
	lock  chan struct{} // has a token while somebody uses the list
	list  letterList
}

func letterStream(id string) string { return letterPrefix + escape(id) }

// Put is ingest.DeadLetters'. A letter's version is the revision of its newest version, plus one.
func (d *DeadLetters) Put(ctx context.Context, letter ingest.DeadLetter) (version uint64, err error) {
	if err := checkName("id of the dead letter", letter.ID); err != nil {
		return 0, err
	}
	if letter.State < ingest.Open || letter.State > ingest.Discarded {
		return 0, fmt.Errorf("dead letter %.100q has no state that can be kept: %d", letter.ID, letter.State)
	}
	ctx, cancel := d.store.limited(ctx)
	defer cancel()
	revision, err := d.keep(ctx, letter)
	if err != nil {
		return 0, fmt.Errorf("keep dead letter %.100q: %w", letter.ID, err)
	}
	return revision + 1, d.enlist(ctx, letter, revision)
}

// keep writes a version of a letter and gives its revision. Parts that others left do not count as a change.
func (d *DeadLetters) keep(ctx context.Context, letter ingest.DeadLetter) (revision uint64, err error) {
	wait := minBackoff
	for range maxConflicts {
		before, next, err := d.newest(ctx, letter.ID)
		if err != nil && !errors.Is(err, ingest.ErrNoDeadLetter) {
			return 0, err
		}
		if before.Version != letter.Version {
			if err := d.makeListed(ctx, &before); err != nil {
				return 0, err
			}
			return 0, ingest.ErrLetterChanged
		}
		if before.ReceivedAt != 0 {
			letter.ReceivedAt = before.ReceivedAt
		}
		revision, err = d.keepAt(ctx, next, &letter)
		var conflict *commands.ConflictError
		if !errors.As(err, &conflict) {
			return revision, err
		}
		sleep(ctx, rand.N(wait)) // whoever writes parts at the same time is let through
		wait = min(2*wait, maxBackoff)
	}
	return 0, fmt.Errorf("%w: others wrote it %d times meanwhile", commands.ErrUnavailable, maxConflicts)
}

// keepAt appends the parts of a version, one by one, and the version itself.
func (d *DeadLetters) keepAt(ctx context.Context, next uint64, letter *ingest.DeadLetter) (version uint64, err error) {
	e, err := encodeLetter(letter)
	if err != nil {
		return 0, err
	}
	document := letterDocument{Applied: letter.Applied}
	if len(e.Data) > partBytes {
		document.FirstPart = next
		for rest := e.Data; len(rest) > 0; document.Parts++ {
			var part []byte
			part, rest = cut(rest)
			if err := d.write(ctx, letter.ID, next, esdb.EventData{EventType: letterPart, Data: part}); err != nil {
				return 0, err
			}
			next++
		}
		e.Data = []byte{}
	}
	if e.Metadata, err = json.Marshal(document); err != nil {
		return 0, err
	}
	return next, d.write(ctx, letter.ID, next, e)
}

// write appends one event to a letter's stream at a revision.
func (d *DeadLetters) write(ctx context.Context, id string, at uint64, e esdb.EventData) error {
	var expected esdb.ExpectedRevision = esdb.NoStream{}
	if at > 0 {
		expected = esdb.Revision(at - 1)
	}
	e.EventID = uuid.New()
	var tried attempts
	_, err := repeat(ctx, d.store.supervisor, &tried, func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return write(ctx, c, letterStream(id), expected, e)
	})
	if err == nil {
		return nil
	}
	return d.store.appendError(ctx, "append", letterStream(id), at, &tried, err)
}

// enlist tells the list of a version. The order in which versions are listed does not matter.
func (d *DeadLetters) enlist(ctx context.Context, x ingest.DeadLetter, version uint64) error {
	e, err := indexDocument{ID: escape(x.ID), State: x.State, Reason: escape(x.Reason), Version: version}.event()
	if err != nil {
		return err
	}
	e.EventID = uuid.New()
	_, err = call(ctx, d.store, fmt.Sprintf("list dead letter %.100q", x.ID), func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return write(ctx, c, lettersStream, esdb.Any{}, e)
	})
	return err
}

// Get is ingest.DeadLetters'.
func (d *DeadLetters) Get(ctx context.Context, id string) (ingest.DeadLetter, error) {
	x, _, err := d.newest(ctx, id)
	return x, err
}

// newest reads a letter's newest version, and how many events its stream has. Parts behind it are of a version that was
// never finished.
func (d *DeadLetters) newest(ctx context.Context, id string) (x ingest.DeadLetter, next uint64, err error) {
	none := fmt.Errorf("%w: %.100q", ingest.ErrNoDeadLetter, id)
	if id == "" || len(id) > MaxNameBytes {
		return x, 0, none
	}
	for from, first := uint64(1<<63), true; ; first = false {
		p, err := d.page(ctx, id, esdb.Backwards, from, 1)
		if err != nil {
			return x, next, err
		}
		if len(p.events) == 0 {
			return x, next, none
		}
		e := p.events[0]
		if first {
			next = e.EventNumber + 1
		}
		if e.EventType == letterKept {
			x, err = d.decode(ctx, id, e)
			x.Version = e.EventNumber + 1
			return x, next, err
		}
		if e.EventNumber == 0 {
			return x, next, none
		}
		from = e.EventNumber - 1
	}
}

func (d *DeadLetters) page(ctx context.Context, id string, direction esdb.Direction, from uint64, limit int) (page, error) {
	return call(ctx, d.store, fmt.Sprintf("read dead letter %.100q", id), func(ctx context.Context, c *esdb.Client) (page, error) {
		return readPage(ctx, c, letterStream(id), direction, from, limit)
	})
}

// decode reads a version, with its parts.
func (d *DeadLetters) decode(ctx context.Context, id string, e *esdb.RecordedEvent) (ingest.DeadLetter, error) {
	var document letterDocument
	if err := json.Unmarshal(e.UserMetadata, &document); err != nil {
		return ingest.DeadLetter{}, fmt.Errorf("dead letter %.100q is damaged: %w", id, err)
	}
	data := e.Data
	for n := 0; n < document.Parts; n++ {
		p, err := d.page(ctx, id, esdb.Forwards, document.FirstPart+uint64(n), 1)
		if err != nil {
			return ingest.DeadLetter{}, err
		}
		if len(p.events) == 0 || p.events[0].EventType != letterPart {
			return ingest.DeadLetter{}, fmt.Errorf("dead letter %.100q is damaged: part %d of %d is missing", id, n+1, document.Parts)
		}
		data = append(data, p.events[0].Data...)
	}
	return decodeLetter(id, e.ContentType, data, document)
}
