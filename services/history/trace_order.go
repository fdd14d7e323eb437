package history

import (
	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/orders"
)

// inStream is where an event stands in its stream.
type inStream struct {
	stream   string
	revision uint64
}

// places has the events of the trace by where they stand.
func (x *tracing) places() map[inStream]*pb.TraceStep {
	list := make(map[inStream]*pb.TraceStep, len(x.events))
	for _, step := range x.events {
		list[inStream{step.Event.Stream, step.Event.Revision}] = step
	}
	return list
}

// behind is the event of an order that an event follows from which the service itself decided on for the order; nil when it was not for one. Such
// events have no cause in their metadata, and their keys say which state of the order they are what came of.
func behind(e *pb.Event, at map[inStream]*pb.TraceStep) *pb.TraceStep {
	version, ok := orders.VersionBehind(e.IdempotencyKey, e.CorrelationId)
	if !ok {
		return nil
	}
	cause := at[inStream{aggregates.OrderPrefix + e.CorrelationId, version - 1}]
	if cause == nil || cause.Event.Position >= e.Position {
		return nil
	}
	return cause
}
