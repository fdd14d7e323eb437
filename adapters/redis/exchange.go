package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// removePatience bounds how long what was built and is not used is being removed.
const removePatience = 2 * time.Minute

// Why there is no exchange; both are availability.ErrNotExchanged.
var (
	ErrExchangeLost       = fmt.Errorf("%w: Redis lost some of what was built", availability.ErrNotExchanged)
	ErrExchangedElsewhere = fmt.Errorf("%w: another replica exchanged the documents meanwhile", availability.ErrNotExchanged)
)

// Beside is a generation of documents of availability that is built beside the one that serves.
type Beside struct {
	live   *Availability
	model  *Availability
	before uint64 // generation that serves
}

// Beside begins to build a generation. It returns ErrNoRoom when that could fill Redis, so that nobody could write any more. Several replicas may build at once; one of
// them can exchange.
func (d *DB) Beside(ctx context.Context) (*Beside, error) {
	if err := d.room(ctx); err != nil {
		return nil, err
	}
	live := d.Availability()
	s, err := live.guard.standing(ctx)
	if err != nil {
		return nil, err
	}
	e := &eval{script: reserve, keys: live.guard.keys[:1]}
	if err := d.runScripts(ctx, []*eval{e}); err != nil {
		return nil, err
	}
	number, err := e.answer.Uint64()
	if err != nil {
		return nil, err
	}
	model := &Availability{db: d, guard: d.newGuard(buildName(number), d.tags), built: number}
	return &Beside{live: live, model: model, before: s.generation}, nil
}

// room makes sure that every server can hold its data twice.
func (d *DB) room(ctx context.Context) error {
	err := d.eachServer(ctx, func(ctx context.Context, c *goredis.Client) error {
		text, err := c.Info(ctx, "server", "memory").Result()
		if err != nil {
			return err
		}
		if s := readInfo(c.Options().Addr, text); s.maxMemory > 0 && s.used+s.data > s.maxMemory {
			return &roomError{s}
		}
		return nil
	})
	var full *roomError
	if errors.As(err, &full) {
		return err
	}
	return d.explain(ctx, err)
}

// roomError is availability.ErrNoRoom on a server.
type roomError struct{ server }

func (e *roomError) Error() string {
	return fmt.Sprintf("%v: Redis at %s uses %d bytes, of them %d for data, and has a maxmemory of %d", availability.ErrNoRoom, e.addr, e.used, e.data, e.maxMemory)
}

func (e *roomError) Unwrap() error { return availability.ErrNoRoom }

// Availability is the read model that is built.
func (b *Beside) Availability() *Availability { return b.model }

// Exchange puts the documents that were built, and their progress, in the place of those that serve: for every replica there are either the old ones or the new
// ones, also after a crash here or there. Nobody in this process writes meanwhile; what others write to the old ones is folded again.
func (b *Beside) Exchange(ctx context.Context) error {
	if err := b.model.guard.check(ctx); err != nil {
		return errors.Join(ErrExchangeLost, err)
	}
	if err := b.exchange(ctx, len(b.live.guard.keys)); err != nil {
		return err
	}
	b.live.guard.leave()
	b.live.guard.place(b.model.built)
	return nil
}

// exchange exchanges in so many partitions, from the first on. Once that is done in the first, whoever enters any of them does the rest.
func (b *Beside) exchange(ctx context.Context, partitions int) error {
	builder, lost := b.model.guard.now()
	if lost != nil {
		return errors.Join(ErrExchangeLost, lost)
	}
	for i := range partitions {
		switch done, err := b.live.guard.switchTo(ctx, i, b.before, b.model.built, builder); {
		case err != nil:
			return fmt.Errorf("exchange the documents of partition %s: %w", b.live.guard.tags[i], err)
		case done == switchDone:
		case i == 0 && done == switchElsewhere:
			return ErrExchangedElsewhere
		case i == 0:
			return ErrExchangeLost
		default:
			// The first one has decided. What this one lost is built again by whoever enters.
			_, err := b.live.guard.current(ctx)
			return err
		}
	}
	return nil
}

// Close removes what was built, unless it took the place of what serves. When that cannot be found out it stays, until a later exchange.
func (b *Beside) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), removePatience)
	defer cancel()
	serves, err := b.serves(ctx)
	if serves || err != nil {
		return err
	}
	// An exchange whose outcome was not heard of may be on its way. Without this progress it is not done, so it is known then.
	if err := b.live.db.remove(ctx, b.model.guard.keys[:1]); err != nil {
		return err
	}
	if serves, err = b.serves(ctx); serves || err != nil {
		return err
	}
	d := b.live.db
	return errors.Join(d.remove(ctx, b.model.guard.keys),
		d.removeAll(ctx, d.key(d.generationSpace(spaceDocument, b.model.built), "")),
		d.removeAll(ctx, d.key(d.generationSpace(spaceSKUs, b.model.built), "")))
}

// serves tells whether what was built took the place of what served.
func (b *Beside) serves(ctx context.Context) (bool, error) {
	generations, _, err := b.live.guard.partitions(ctx)
	for _, n := range generations {
		if n == b.model.built {
			return true, err
		}
	}
	return false, err
}

var _ projections.Watched = (*Availability)(nil)
