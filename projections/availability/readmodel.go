package availability

import (
	"context"

	"github.com/stockfold/stockfold/projections"
)

// ReadModel keeps the documents.
//
// Write stores documents and the progress in one step, or else the documents first and the progress once all are stored,
// so that it never says more than what is there; after an error documents may be stored. A document that is older than the stored
// one of its SKU (see Document.Policies) changes nothing, one of the same version that Mends replaces it, also when nothing else is to be written, nor does a progress of a lower position, or of the same
// position and a lower Own; of several documents of a SKU in one call the newest wins. Read returns nil for a SKU without
// a document. Scan returns up to limit documents of the SKUs after a SKU, in bytewise order; "" is before all. What
// both return belongs to the caller. Reset removes everything. Errors are the back end's; the same call may succeed
// later. A model that can lose what was written is projections.Watched: from then on it returns errors, until Progress is
// called and tells what is left.
type ReadModel interface {
	Progress(ctx context.Context) (projections.Progress, error)
	Read(ctx context.Context, sku string) (*Document, error)
	Scan(ctx context.Context, after string, limit int) ([]*Document, error)
	Write(ctx context.Context, documents []*Document, p projections.Progress) error
	Reset(ctx context.Context) error
}
