package eventstoredb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/stockfold/stockfold/services/ingest"
)

// listed is what the list knows of a letter.
type listed struct {
	version uint64
	reason  string
	state   ingest.State
}

// letterList is the fold of the stream that lists letters.
type letterList struct {
	next    uint64 // events folded
	letters map[string]listed
	ids     []string // sorted
	open    int64
}

func (l *letterList) fold(e *esdb.RecordedEvent) error {
	var d indexDocument
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return fmt.Errorf("event %d of stream %s is damaged: %w", e.EventNumber, lettersStream, err)
	}
	l.next = e.EventNumber + 1
	id := unescape(d.ID)
	before, known := l.letters[id]
	if known && before.version >= d.Version {
		return nil
	}
	if !known {
		l.ids = append(l.ids, id)
	}
	if before.state == ingest.Open {
		l.open--
	}
	if d.State == ingest.Open {
		l.open++
	}
	l.letters[id] = listed{version: d.Version, reason: unescape(d.Reason), state: d.State}
	return nil
}

// use brings the list to the end of its stream and hands it to f, to which it belongs meanwhile.
func (d *DeadLetters) use(ctx context.Context, f func(*letterList)) error {
	select {
	case d.lock <- struct{}{}:
		defer func() { <-d.lock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l := &d.list
	if l.letters == nil {
		l.letters = map[string]listed{}
	}
	known := len(l.ids)
	defer func() {
		if len(l.ids) > known {
			slices.Sort(l.ids)
		}
	}()
	for full := true; full; {
		p, err := call(ctx, d.store, "read the list of dead letters", func(ctx context.Context, c *esdb.Client) (page, error) {
			return readPage(ctx, c, lettersStream, esdb.Forwards, l.next, pageEvents)
		})
		if err != nil {
			return err
		}
		for _, e := range p.events {
			if err := l.fold(e); err != nil {
				return err
			}
		}
		full = p.full
	}
	if len(l.ids) > known {
		slices.Sort(l.ids)
		known = len(l.ids)
	}
	f(l)
	return nil
}

// makeListed lists a letter that is kept and not listed: whoever kept it may have been cut off in between.
func (d *DeadLetters) makeListed(ctx context.Context, x *ingest.DeadLetter) error {
	if x.Version == 0 {
		return nil
	}
	missing := false
	err := d.use(ctx, func(l *letterList) {
		known, ok := l.letters[x.ID]
		missing = !ok || known.version < x.Version-1
	})
	if err != nil || !missing {
		return err
	}
	return d.enlist(ctx, *x, x.Version-1)
}

// CountOpen is ingest.DeadLetters'.
func (d *DeadLetters) CountOpen(ctx context.Context) (open int64, err error) {
	err = d.use(ctx, func(l *letterList) { open = l.open })
	return open, err
}

// List is ingest.DeadLetters'. A page ends early when its letters have more than MaxValueBytes together.
func (d *DeadLetters) List(ctx context.Context, q ingest.Query) (letters []ingest.DeadLetter, more bool, err error) {
	if q.Limit < 1 {
		return nil, false, fmt.Errorf("list of dead letters with limit %d: at least 1 is needed", q.Limit)
	}
	if q.State == 0 {
		q.State = ingest.Open
	}
	size := 0
	for {
		ids, further, err := d.find(ctx, q, q.Limit-len(letters))
		if err != nil {
			return nil, false, err
		}
		for i, id := range ids {
			x, err := d.Get(ctx, id)
			if err != nil {
				return nil, false, fmt.Errorf("list dead letters: %w", err)
			}
			q.After = id
			if x.State != q.State { // it changed meanwhile, or who changed it could not tell the list
				if err := d.enlist(ctx, x, x.Version-1); err != nil {
					return nil, false, err
				}
				continue
			}
			letters = append(letters, x)
			if size += len(x.Value); size > MaxValueBytes {
				return letters, further || i+1 < len(ids), nil
			}
		}
		if len(letters) == q.Limit || !further {
			return letters, further, nil
		}
	}
}

// find gives the ids of the next letters that a query selects, and whether there are further ones.
func (d *DeadLetters) find(ctx context.Context, q ingest.Query, limit int) (ids []string, more bool, err error) {
	err = d.use(ctx, func(l *letterList) {
		at, found := slices.BinarySearch(l.ids, q.After)
		if found {
			at++
		}
		for _, id := range l.ids[at:] {
			x := l.letters[id]
			if x.state != q.State || q.Reason != "" && x.reason != q.Reason {
				continue
			}
			if len(ids) == limit {
				more = true
				return
			}
			ids = append(ids, id)
		}
	})
	return ids, more, err
}
