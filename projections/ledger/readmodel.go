package ledger

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// ReadModel keeps blocks.
//
// Blocks returns, in order, the block of a group and axis that covers an instant, which is the last one that starts at it or before, and
// those that start after it up to another instant. Group returns what a group is beside its blocks, nil when there is nothing. Write
// stores a group in one step. Save stores the progress, after what was written before: never is a progress stored without
// that. Reset removes everything. Errors are the back end's; the same call may succeed later.
type ReadModel interface {
	Progress(ctx context.Context) (projections.Progress, error)
	Blocks(ctx context.Context, group int, a Axis, at, to aggregates.Instant) ([]Block, error)
	Group(ctx context.Context, group int) ([]byte, error)
	Write(ctx context.Context, group int, w Written) error
	Save(ctx context.Context, p projections.Progress) error
	Reset(ctx context.Context) error
}

// Block is a stored block. It holds what is at its start or later, before the start of the next one.
type Block struct {
	Start aggregates.Instant
	Value []byte
}

// Written is what changes of a group: for each axis, the starts of blocks that are no more, and blocks that are new or changed.
type Written struct {
	Group  []byte
	Gone   [axes][]aggregates.Instant
	Blocks [axes][]Block
}
