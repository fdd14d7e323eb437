package policies

import (
	"context"

	"github.com/stockfold/stockfold/projections"
)

// ReadModel keeps the directory's documents.
//
// Write stores the documents and the progress in one step, or else the documents first. A document whose position
// is lower than the stored one's changes nothing, nor does a lower progress. Load returns everything, without
// the channels' Policy. Reset removes everything. Errors are the back end's; the same call may succeed later. A
// model that can lose what was written is projections.Watched, as availability.ReadModel says; Load then tells what is left.
type ReadModel interface {
	Load(ctx context.Context) (Contents, projections.Progress, error)
	Write(ctx context.Context, changed Contents, p projections.Progress) error
	Reset(ctx context.Context) error
}

// Contents are documents of the directory, in no particular order.
type Contents struct {
	Channels  []*Channel
	Locations []*Location
	Rules     *SharedRules // nil when there are none, or they did not change
}
