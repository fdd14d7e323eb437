package ingest

import (
	"context"
	"errors"

	"github.com/stockfold/stockfold/aggregates"
)

// Message is one record of a message log. Whoever gets it may keep it.
type Message struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      aggregates.Instant // when it entered the log, as the log says; 0 when it does not
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Consumer is what ingest needs of a message log that several processes read together.
//
// Run takes part in reading until ctx ends. For every partition assigned to this process it calls handle in a goroutine of
// its own, with a context that ends when the partition is taken away or Run's context ends. handle then has a few seconds to
// finish; Run waits for it before it gives the partition up. Trouble with the log is retried inside, and reported by trouble
// (nil once it is over). Run returns ctx's error, or what was wrong with its settings.
type Consumer interface {
	Run(ctx context.Context, handle func(context.Context, Partition), trouble func(error)) error
}

// Partition is one assigned partition. One goroutine at a time may call Fetch; the other methods are safe beside it.
//
// Bounds asks for the identity and the ends of the log. Fetch reads messages from an offset on; it waits a moment for some
// to come and may return none. It returns ErrOffsetOutOfRange (wrapped) when the log has no such offset: it starts later, or
// ends earlier. Commit tells the log how far the service came, which is for its tools only. Errors other than
// ErrOffsetOutOfRange and ctx's are trouble with the log that may pass.
type Partition interface {
	Topic() string
	ID() int32
	Bounds(ctx context.Context) (Bounds, error)
	Fetch(ctx context.Context, offset int64) (Fetched, error)
	Commit(ctx context.Context, next int64) error
}

// Bounds of a partition's log.
type Bounds struct {
	LogID string // identity of the log, which another one of its name does not share; "" when not told
	Start int64  // offset of the first message
	End   int64  // offset after the last message
}

// Fetched is what Fetch read.
type Fetched struct {
	Messages []Message // in order of offset, at or after the one asked for
	Next     int64     // offset to read on at
	Start    int64     // offset of the log's first message
	End      int64     // offset after the log's last message
}

// ErrOffsetOutOfRange says that a log has no message at an offset, and none will come there.
var ErrOffsetOutOfRange = errors.New("offset is outside the log")
