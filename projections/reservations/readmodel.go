package reservations

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
)

// ReadModel keeps the records.
//
// Write applies changes and the progress in one step, or else the changes first and the progress once all are applied; after
// an error some may be applied. A record with a lower position than the
// stored one of its id and SKU changes nothing, nor does a progress of a lower position, or of the same position and a
// lower Own.
//
// One returns nil when there is no record. ByID is in bytewise order of SKU. List is in order of Placed, after a
// position. Due lists held records whose hold ends at an instant or later, Ended lists ended records that ended before an
// instant, both the earliest first, those of the same instant in any fixed order, after a record that an earlier call
// returned (of Due, its end, SKU and id are enough), or from the first. Lists are of at most limit records; all reads see what was written, and
// what they return belongs to the caller.
//
// Reset removes everything. Errors are the back end's; the same call may succeed later. A model that can lose what was
// written is projections.Watched, as availability.ReadModel says.
type ReadModel interface {
	Progress(ctx context.Context) (projections.Progress, error)
	One(ctx context.Context, id, sku string) (*Record, error)
	ByID(ctx context.Context, id string) ([]*Record, error)
	List(ctx context.Context, sku string, liveOnly bool, after uint64, limit int) ([]*Record, error)
	Due(ctx context.Context, from aggregates.Instant, after *Record, limit int) ([]*Record, error)
	Ended(ctx context.Context, before aggregates.Instant, after *Record, limit int) ([]*Record, error)
	Write(ctx context.Context, changes []Change, p projections.Progress) error
	Reset(ctx context.Context) error
}

// Change replaces a record, or removes it when After is nil. Before is what was stored, nil when nothing was.
type Change struct {
	Before *Record
	After  *Record
}
