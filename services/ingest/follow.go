package ingest

import (
	"context"
	"fmt"
	"time"
)

// saveNumbersEvery is how often the numbers of sources are saved, at most. Progress waits for them.
const saveNumbersEvery = time.Second

// follow notes the number that a message's source gave it.
func (w *worker) follow(e *entry, n number) {
	if !n.ok {
		return
	}
	before := w.numbers.unfollowed
	t, g := w.numbers.note(n.numbering, n.n, &e.message, w.s.Now())
	if g != nil {
		x := tidingsOf(t, g, originTopic(w.at.topic, w.epoch), w.at.partition)
		e.tidings = &x
	}
	w.s.stats.unfollowed.Add(w.numbers.unfollowed - before)
}

// tell brings the letter of an entry's gap up to date, beside what else is under way. The entry is settled only then.
func (w *worker) tell(e *entry) {
	if e.tidings == nil {
		return
	}
	e.open.Add(1)
	w.keeping.Go(func() {
		e.untold = w.s.Desk.tell(w.keepContext, e.tidings)
		w.arrive(e)
	})
}

// told notes that the letter of an entry's gap is up to date.
func (w *worker) told(e *entry) {
	if e.tidings != nil {
		w.numbers.tell(e.tidings.of, e.tidings.first, e.tidings.version)
		e.tidings = nil
	}
}

// tellAgain tells of what was saved and may not have been told before its worker ended.
func (s *Service) tellAgain(ctx context.Context, n *sequences, p Partition, epoch int64) error {
	for e := n.silent.Front(); e != nil; e = e.Next() {
		t := e.Value.(*track)
		for i := len(t.gaps) - 1; i >= 0; i-- { // a filled one goes
			if t.gaps[i].told {
				continue
			}
			x := tidingsOf(t, t.gaps[i], originTopic(p.Topic(), epoch), p.ID())
			if err := s.Desk.tell(ctx, &x); err != nil {
				return fmt.Errorf("tell of missing messages: %w", err)
			}
			n.tell(x.of, x.first, x.version)
		}
	}
	return nil
}

// withNumbers puts the numbers into the progress that is to be saved. They never fall behind it: what was noted already does no
// harm when it is read again. ok is false when they were saved a moment ago, and the progress has to wait for them.
func (w *worker) withNumbers(p *Progress, last bool) (ok bool) {
	if !w.numbers.changed {
		return true
	}
	if !last && time.Since(w.keptAt) < saveNumbersEvery {
		return false
	}
	p.Numbers = w.numbers.save()
	return true
}
