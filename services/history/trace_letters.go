package history

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/tokens"
)

// addLetters adds the dead letters that name what was asked for, or that events of the trace came from.
func (x *tracing) addLetters(ctx context.Context) error {
	if x.letters == nil {
		return nil
	}
	for _, state := range []ingest.State{ingest.Open, ingest.Replayed, ingest.Discarded} {
		q := ingest.Query{State: state, Limit: 200}
		for looked := 0; looked < maxLetters; {
			list, more, err := x.letters.List(ctx, q)
			if err != nil {
				return err
			}
			looked += len(list)
			for i := range list {
				x.addLetter(&list[i])
			}
			if x.truncated && x.bytes > tracedBytes {
				return nil
			}
			if !more || len(list) == 0 {
				break
			}
			q.After = list[len(list)-1].ID
		}
	}
	return nil
}

func (x *tracing) addLetter(l *ingest.DeadLetter) {
	place := kafkaPlace(l.Topic, l.Partition, l.Offset)
	origin := x.origins[place]
	if origin == nil && !l.Names(x.asked) && !l.CameAs(x.asked) {
		return
	}
	if x.bytes += len(l.Value); x.bytes > tracedBytes {
		x.truncated = true
		return
	}
	letter := l.Proto()
	if len(l.Value) > tokens.MaxPageBytes { // no client takes as much in one answer, unless it is told to
		letter.Value, letter.Message = nil, fmt.Sprintf("%s (its message has %d bytes, too many for a trace; ListDeadLetters has them)", letter.Message, len(l.Value))
	}
	step := &pb.TraceStep{Id: l.ID, Kind: "DEAD_LETTER", At: codec.Timestamp(l.ReceivedAt), Through: place, Actor: text(l.Note),
		Reason: l.Reason, DeadLetter: letter}
	if origin != nil {
		step.ParentId, step.DelayMs = origin.Id, delay(origin, step)
	}
	x.steps = append(x.steps, step)
}
