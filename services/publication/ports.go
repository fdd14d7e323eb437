package publication

import (
	"context"

	projection "github.com/stockfold/stockfold/projections/availability"
)

// Header of a message.
type Header struct {
	Key   string
	Value []byte
}

// Message is a message to be published.
type Message struct {
	Topic   string
	Key     []byte // messages of one key keep their order
	Value   []byte
	Headers []Header
}

// Producer publishes messages. Publish returns once they are durable where they went; after an error some of them may
// have been published.
type Producer interface {
	Publish(ctx context.Context, messages []Message) error
}

// Changes is where changes of availability come from; *projection.Projection is one.
type Changes interface {
	Watch(ctx context.Context, channel string, skus []string, after uint64) (*projection.Watcher, error)
}

var _ Changes = (*projection.Projection)(nil)
