package reconciliation

import (
	"context"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/publication"
)

// maxRecords is how many records of a SKU are looked at for one change.
const maxRecords = 1_000

// Records are what was published of each SKU, in order of position; *views.Published keeps them.
type Records interface {
	Of(ctx context.Context, sku string, from uint64, limit int) ([]*pb.PublishedChange, error)
	Oldest(ctx context.Context) (aggregates.Instant, error) // 0 when there is none
}

// Told says of changes whether channels were told of them: by the position that publishing has come to, which all replicas know, and by the records of it, which
// are bounded and each replica's own. Nothing is said where neither tells.
type Told struct {
	Records     Records
	Checkpoints projections.Checkpoints
	// Since is when this process began to be the one that publishes; 0 when it always was. ok is false when it is not.
	Since func() (at aggregates.Instant, ok bool)
	// Trouble is why publishing does not move now; "" when it does.
	Trouble func() string
}

var _ Publications = (*Told)(nil)

// Published tells when a channel was first told of a change. A value that overtook the change before it was published tells of it too.
func (t *Told) Published(ctx context.Context, c Change) (Publication, bool, error) {
	list, err := t.Records.Of(ctx, c.SKU, c.Position, maxRecords)
	if err != nil {
		return Publication{}, false, err
	}
	for _, r := range list {
		if r.Channel != c.Channel {
			continue
		}
		at := codec.Instant(r.PublishedAt)
		known, err := t.kept(ctx, c.RecordedAt)
		return Publication{At: at}, known || at <= c.By, err
	}
	done, _, err := t.Checkpoints.LoadCheckpoint(ctx, publication.Checkpoint)
	if err != nil || done >= c.Position { // it was published, and is not in the records
		return Publication{}, false, err
	}
	return Publication{Trouble: t.Trouble()}, true, nil
}

// kept tells whether the records have all that was published since an instant.
func (t *Told) kept(ctx context.Context, at aggregates.Instant) (bool, error) {
	since, publishes := t.Since()
	oldest, err := t.Records.Oldest(ctx)
	return publishes && oldest != 0 && max(oldest, since) <= at, err
}
