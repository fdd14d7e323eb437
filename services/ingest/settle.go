package ingest

import (
	"context"
	"time"

	"github.com/stockfold/stockfold/services/stock"
)

// settle looks at the entries whose outcome is known.
func (w *worker) settle() {
	w.mu.Lock()
	arrived := w.finished
	w.finished = nil
	w.mu.Unlock()
	for _, e := range arrived {
		w.flying--
		w.facts -= len(e.facts)
		w.conclude(e)
	}
	w.advance()
	if w.failed > 0 && w.flying == 0 {
		w.retry.Reset(w.pause.next())
	}
}

// advance drops what is settled from the start of the window.
func (w *worker) advance() {
	for len(w.window) > 0 && w.window[0].state == settled {
		w.bytes -= w.window[0].message.size()
		w.window[0] = nil
		w.window = w.window[1:]
	}
}

// conclude decides what follows from an entry's outcome.
func (w *worker) conclude(e *entry) {
	if e.errand != nil && e.rejection == nil {
		w.unchain(e)
	}
	if e.untold != nil {
		w.fail(e, e.untold)
		return
	}
	w.told(e)
	switch {
	case e.err != nil: // of a trial, or of keeping it as a dead letter
		w.fail(e, e.err)
		return
	case e.rejection != nil: // it is kept
		w.finish(e)
		return
	case e.refused != nil:
		e.rejection = e.refused
		w.flying++
		w.keep(e)
		return
	case e.errand != nil:
		if e.errand.policy {
			w.s.Desk.PoliciesTaken()
		}
		if e.news {
			w.s.stats.facts.Add(1)
		} else {
			w.s.stats.duplicates.Add(1)
		}
		w.finish(e)
		return
	}
	v := judge(e.facts, e.lines, e.results)
	switch {
	case v.err != nil:
		w.fail(e, v.err)
	case v.rejection != nil:
		e.rejection, e.applied = v.rejection, v.applied
		w.flying++
		w.facts += len(e.facts)
		e.open.Store(1)
		w.keep(e)
	default:
		w.count(e.results)
		w.finish(e)
	}
}

func (w *worker) finish(e *entry) {
	e.state = settled
	w.s.stats.messages.Add(1)
	w.pause = backoff{}
	if w.troubled && w.failed == 0 {
		w.troubled = false
		w.s.Log.Info("partition goes on", "topic", w.at.topic, "partition", w.at.partition)
		w.s.note(w.at, func(st *PartitionStatus) { st.Error = w.alarm })
	}
}

func (w *worker) count(results []stock.Result) {
	recorded, duplicates := uint64(0), uint64(0)
	for i := range results {
		if results[i].Moved.Duplicate {
			duplicates++
		} else {
			recorded++
		}
	}
	w.s.stats.facts.Add(recorded)
	w.s.stats.duplicates.Add(duplicates)
}

// fail puts an entry back, to be tried again once nothing else is under way. A message on which the service fails for
// no known reason does not hold up its partition for ever.
func (w *worker) fail(e *entry, err error) {
	if !stock.Temporary(err) {
		if e.defects++; e.defects >= maxDefects && e.rejection == nil {
			w.s.Log.Error("message cannot be applied for no known reason", "topic", w.at.topic, "partition", w.at.partition,
				"offset", e.message.Offset, "error", err)
			e.rejection = internal(err)
		}
	}
	e.state, e.err = failed, err
	w.failed++
	w.s.stats.retries.Add(1)
	if !w.troubled {
		w.troubled = true
		w.s.Log.Warn("partition waits and tries again", "topic", w.at.topic, "partition", w.at.partition,
			"offset", e.message.Offset, "error", err)
		w.s.note(w.at, func(st *PartitionStatus) { st.Error = "waits, and tries again: " + err.Error() })
	}
}

// tryAgain begins anew with what failed, in order.
func (w *worker) tryAgain(ctx context.Context) {
	w.failed = 0
	for _, e := range w.window {
		if e.state == failed {
			w.begin(ctx, e)
		}
	}
}

// durable is the offset before which everything is settled.
func (w *worker) durable() int64 {
	for _, e := range w.window {
		if e.state != settled {
			return e.message.Offset
		}
	}
	return w.readTo
}

// save saves the progress in our store, and hands it on for the log to know. When that fails, it is tried with the next
// tick.
func (w *worker) save(ctx context.Context, last bool) {
	next := w.durable()
	if next == w.saved.Next && !(last && w.numbers.changed) {
		return
	}
	p := w.saved
	p.Next, p.SavedAt = next, w.s.Now()
	if !w.withNumbers(&p, last) {
		return
	}
	if err := w.s.Offsets.SaveOffset(ctx, w.at.topic, w.at.partition, p); err != nil {
		w.s.Log.Warn("progress cannot be saved, will try again", "topic", w.at.topic, "partition", w.at.partition, "error", err)
		return
	}
	if w.saved.Numbers != p.Numbers {
		w.numbers.changed, w.keptAt = false, time.Now()
	}
	w.saved = p
	w.s.note(w.at, func(st *PartitionStatus) { st.Next = next })
	select { // the newest counts
	case <-w.commits:
	default:
	}
	w.commits <- next
}

// commit tells the log now and then how far the service came. It is advisory, so errors only cost a line of debug log.
func (w *worker) commit(ctx context.Context) {
	ticker := time.NewTicker(commitEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case next := <-w.commits:
			w.commitNow(ctx, next)
		default:
		}
	}
}

func (w *worker) commitNow(ctx context.Context, next int64) {
	if err := w.p.Commit(ctx, next); err != nil {
		w.s.Log.Debug("offset not committed to the log", "topic", w.at.topic, "partition", w.at.partition, "error", err)
	}
}

// drain waits, for a bounded time, for what is under way, and saves how far that came. What is not finished by then is
// read again by whoever takes the partition up, and counts once.
func (w *worker) drain() {
	w.retry.Stop()
	limit := time.NewTimer(drainTime)
	defer limit.Stop()
	for w.flying > 0 {
		select {
		case <-w.signal:
			w.settle()
			w.retry.Stop()
		case <-limit.C:
			w.s.Log.Warn("partition given up with messages under way", "topic", w.at.topic, "partition", w.at.partition, "messages", w.flying)
			w.flying = 0
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), finalTime)
	defer cancel()
	w.save(ctx, true)
	select {
	case next := <-w.commits:
		w.commitNow(ctx, next)
	default:
	}
}
