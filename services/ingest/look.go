package ingest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// lookOn keeps the lag true while nothing new is taken in, for a fetch is what tells of it otherwise. When the log
// deletes meanwhile what was not read yet, it says so at once: there may still be time to make it keep messages longer.
func (w *worker) lookOn(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	before, warning := w.taken.Load(), ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		next := w.taken.Load()
		if next != before {
			before = next
			w.s.note(w.at, func(st *PartitionStatus) { st.Error = strings.TrimSuffix(st.Error, warning) })
			warning = ""
			continue
		}
		b, err := w.p.Bounds(ctx)
		if err != nil {
			continue // whoever fetches finds that out too
		}
		w.s.note(w.at, func(st *PartitionStatus) { st.End = max(st.End, b.End) })
		if b.Start > next && warning == "" {
			warning = w.warnOfLoss(b.Start - next)
		}
	}
}

// warnOfLoss makes known that messages are lost that are not counted before reading goes on, and returns what it added to
// the status. One batch of them may have been read ahead.
func (w *worker) warnOfLoss(lost int64) (warning string) {
	w.s.Log.Error("message log deletes what was not read", "topic", w.at.topic, "partition", w.at.partition, "lost", lost)
	warning = fmt.Sprintf("about %d messages are being deleted from the log before they were read, more may follow; "+
		"make the topic keep messages longer, and see to what holds the partition up", lost)
	w.s.note(w.at, func(st *PartitionStatus) {
		if st.Error != "" {
			warning = "; " + warning
		}
		st.Error += warning
	})
	return warning
}
