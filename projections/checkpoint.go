package projections

import "context"

// Checkpoints keeps how far named processes have come that keep no documents of their own, such as the publisher.
//
// LoadCheckpoint returns ok = false for a name that was never saved. Saving need not be durable at once: a process
// does again what came after its checkpoint. Every method may return commands.ErrUnavailable (wrapped).
type Checkpoints interface {
	LoadCheckpoint(ctx context.Context, name string) (position uint64, ok bool, err error)
	SaveCheckpoint(ctx context.Context, name string, position uint64) error
}
