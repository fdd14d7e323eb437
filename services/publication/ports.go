package publication

import (
	"context"

	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
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

	Partition int32 // where it is, once it is published
	Offset    int64
}

// Producer publishes messages. Publish returns once they are durable where they went, and says in each where that is; after an error some of
// them may have been published.
type Producer interface {
	Publish(ctx context.Context, messages []Message) error
}

// Changes is where changes of availability come from; *projection.Projection is one.
type Changes interface {
	Watch(ctx context.Context, channel string, skus []string, after uint64) (*projection.Watcher, error)
}

var _ Changes = (*projection.Projection)(nil)

// Records keeps what was published, for those who ask later; what is kept is bounded, and may be lost without harm.
type Records interface {
	Record(ctx context.Context, list []*pb.PublishedChange) error
}
