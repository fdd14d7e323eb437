package codec

import (
	"sync"

	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// envelope is the memory of a message on its way to or from an event: every event that is decided, and every one that a
// projection folds, goes through one. Nothing that leaves this package points into it.
type envelope struct {
	message            inventoryv1.Event
	occurred, recorded timestamppb.Timestamp
	source             inventoryv1.Source
}

var envelopes = sync.Pool{New: func() any { return new(envelope) }}

// takeEnvelope returns an empty one.
func takeEnvelope() *envelope { return envelopes.Get().(*envelope) }

// release empties the envelope for the next event.
func (x *envelope) release() {
	x.message.Reset()
	x.occurred.Reset()
	x.recorded.Reset()
	x.source.Reset()
	envelopes.Put(x)
}
