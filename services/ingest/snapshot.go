package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stock"
)

// Snapshots takes in what other systems say of the whole stock, and tells whether a chunk was news; *reconciliation.Service does. What is wrong with a chunk is a
// *stock.Rejection; with any other error it may be tried again. Taking a chunk in again is safe, and the order of chunks makes no difference.
type Snapshots interface {
	TakeChunk(ctx context.Context, m *pb.SnapshotChunk) (news bool, err error)
}

var errNoSnapshots = errors.New("snapshots are not taken in here")

// snapshotErrand reads a message of the topic of snapshots; is is false when it is about something else.
func (t *takers) snapshotErrand(e *event, _ aggregates.Metadata) (x *errand, rejection *stock.Rejection, is bool) {
	if e.kind != TypeSnapshot {
		return nil, nil, false
	}
	m := &pb.SnapshotChunk{}
	if err := decodeReference(e.data, m); err != nil {
		return nil, malformed(err), true
	}
	return &errand{key: "snapshot " + m.Header.GetSource() + " " + m.Header.GetDocument(), do: func(ctx context.Context) (bool, error) {
		if t.snapshots == nil {
			return false, fmt.Errorf("snapshot %q: %w", m.Header.GetDocument(), errNoSnapshots)
		}
		return t.snapshots.TakeChunk(ctx, m)
	}}, nil, true
}
