package ingest

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/stock"
)

// reading is a way in for facts that are only looked at: the location may be unknown, or the time ahead, which is why many letters are there.
var reading = stock.NewRecorder(nil, nil, stock.Options{AcceptUnknownLocations: true, Now: func() aggregates.Instant { return endOfTime }})

const endOfTime = aggregates.Instant(maxSeconds) * aggregates.Second

// Facts are what a dead letter would record; none when it cannot be read. Lines that were applied are left out.
func (l *DeadLetter) Facts() []stock.Fact {
	if l.Reason == ReasonSequenceGap || len(l.Value) == 0 {
		return nil
	}
	list, rejection := facts(reading, l.message(), 0)
	if rejection != nil {
		return nil
	}
	applied := map[int32]bool{}
	for _, line := range l.Applied {
		applied[line] = true
	}
	var open []stock.Fact
	for i := range list {
		if !applied[int32(i+1)] {
			open = append(open, list[i])
		}
	}
	return open
}
