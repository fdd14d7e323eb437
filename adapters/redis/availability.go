package redis

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// What Redis takes at most for availability, by MEMORY USAGE.
const (
	// SKUBytes is of a SKU, beside its channels, its id, which counts SKUIDTimes, and its document, which counts
	// DocumentTimes, since memory comes in sizes.
	SKUBytes      = 480
	SKUIDTimes    = 4
	DocumentTimes = 1.25
	// GenerationBytes come on top of that once documents were exchanged.
	GenerationBytes = 64
	// ChannelBytes is of a channel of a SKU, beside the channel's id and what it adds to the document: as long as there are
	// at most 500 channels, with ids of at most 60 bytes, which Redis keeps in one piece. Else each takes LooseBytes more.
	ChannelBytes = 24
	LooseBytes   = 104
)

// Spaces of keys.
const (
	spaceSKU      = "sku"
	spaceDocument = "document"
	spaceSKUs     = "skus"
)

// Availability keeps the documents of availability.
type Availability struct {
	db    *DB
	guard *guard
	built uint64 // generation that is being built; 0 for the documents that serve, whose generation the guard knows
}

// Availability returns the read model of availability.
func (d *DB) Availability() *Availability {
	return &Availability{db: d, guard: d.guardOf(availability.Name, d.tags)}
}

// generation is that of the documents that somebody has to do with who knows s.
func (a *Availability) generation(s standing) uint64 {
	if a.built != 0 {
		return a.built
	}
	return s.generation
}

// Progress tells how far the documents have come. After ErrLost it begins anew.
func (a *Availability) Progress(ctx context.Context) (projections.Progress, error) {
	return a.guard.progress(ctx)
}

// Watch returns ErrLost when Redis loses something, ErrExchanged when the documents were exchanged, nil at ctx's end, and why it cannot tell. Meanwhile what is left of
// earlier generations is removed.
func (a *Availability) Watch(ctx context.Context) error {
	settling, stop := context.WithCancel(ctx)
	var owned sync.WaitGroup
	defer owned.Wait()
	defer stop()
	if a.built == 0 {
		owned.Go(func() { a.settle(settling) })
	}
	return a.guard.watch(ctx)
}

// Read returns a SKU's document, nil when there is none.
func (a *Availability) Read(ctx context.Context, sku string) (*availability.Document, error) {
	s, err := a.guard.standing(ctx)
	if err != nil {
		return nil, err
	}
	d, err := a.readAs(ctx, s, sku)
	if d == nil || err != nil {
		return nil, err
	}
	if err := a.keep(ctx, s, d); err != nil {
		return nil, err
	}
	return d, nil
}

// keep has a document that was read found to be lost, should it be, before anything older is read.
func (a *Availability) keep(ctx context.Context, s standing, d *availability.Document) error {
	return a.guard.keep(ctx, s, version{d.Position, d.Policies()}, func(ctx context.Context, s standing) (version, error) {
		again, err := a.readAs(ctx, s, d.SKU)
		if again == nil || err != nil {
			return version{}, err
		}
		return version{again.Position, again.Policies()}, nil
	})
}

// readAs is Read of the generation that s tells of, and no more than that.
func (a *Availability) readAs(ctx context.Context, s standing, sku string) (*availability.Document, error) {
	key := a.db.generationKey(spaceDocument, a.generation(s), tagged(sku))
	var stored *goredis.StringCmd
	calls := []call{func(pipe goredis.Pipeliner) { stored = pipe.Get(ctx, key) }}
	if err := a.guard.readAs(ctx, s, calls, key); err != nil {
		return nil, err
	}
	return decodeDocument(stored, a.generation(s))
}

func decodeDocument(stored *goredis.StringCmd, generation uint64) (*availability.Document, error) {
	b, err := stored.Bytes()
	if errors.Is(err, goredis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if generation > 0 {
		for range 2 { // its version comes first
			_, b, _ = bytes.Cut(b, []byte(" "))
		}
	}
	return availability.Decode(b)
}

// Scan returns up to limit documents of the SKUs after a SKU, in bytewise order.
func (a *Availability) Scan(ctx context.Context, after string, limit int) (list []*availability.Document, err error) {
	s, err := a.guard.standing(ctx)
	if err != nil {
		return nil, err
	}
	generation := a.generation(s)
	index := lexIndex{db: a.db, space: spaceSKUs, generation: generation}
	from := "(" + after
	if after == "" {
		from = "-"
	}
	for len(list) < limit {
		skus, err := index.after(ctx, a.guard, s, from, "+", limit-len(list))
		if err != nil || len(skus) == 0 {
			return list, err
		}
		found := make([]*goredis.StringCmd, len(skus))
		calls := make([]call, len(skus))
		for i, sku := range skus {
			key := a.db.generationKey(spaceDocument, generation, tagged(sku))
			calls[i] = func(pipe goredis.Pipeliner) { found[i] = pipe.Get(ctx, key) }
		}
		if err := a.guard.readAs(ctx, s, calls); err != nil {
			return nil, err
		}
		for _, stored := range found {
			d, err := decodeDocument(stored, generation)
			if err != nil {
				return nil, err
			}
			if d != nil {
				list = append(list, d)
			}
		}
		from = "(" + skus[len(skus)-1]
	}
	return list, nil
}

// Write stores documents, and the progress after them, unless another process has stored both, or newer ones.
func (a *Availability) Write(ctx context.Context, documents []*availability.Document, p projections.Progress) error {
	var policies uint64
	for _, d := range documents {
		policies = max(policies, d.Policies())
	}
	store := func(ctx context.Context) error {
		s, _ := a.guard.now() // what was lost is found out with the progress
		generation := a.generation(s)
		index := lexIndex{db: a.db, space: spaceSKUs, generation: generation}
		var encoder availability.Encoder
		evals := make([]*eval, 0, min(len(documents), maxPipeline))
		for chunk := range slices.Chunk(documents, maxPipeline) {
			members := make([]entry, len(chunk))
			evals = evals[:0]
			for i, d := range chunk {
				members[i] = entry{of: d.SKU, member: d.SKU}
				e, err := a.writing(&encoder, d, generation)
				if err != nil {
					return err
				}
				evals = append(evals, e)
			}
			// The index first: a SKU in it without a document is passed over, one without it would not be found.
			if err := index.add(ctx, members); err != nil {
				return err
			}
			if err := a.db.runScripts(ctx, evals); err != nil {
				return err
			}
		}
		return nil
	}
	if slices.ContainsFunc(documents, (*availability.Document).Mends) { // they are not what others have stored
		return a.guard.writeOwn(ctx, p, store)
	}
	return a.guard.writeShared(ctx, p, policies, store)
}

// writing is the script that stores a document of a generation.
func (a *Availability) writing(encoder *availability.Encoder, d *availability.Document, generation uint64) (*eval, error) {
	stored, err := encoder.Append(nil, d)
	if err != nil {
		return nil, err
	}
	channels := d.Channels()
	args := make([]any, 0, 8+2*len(channels))
	if generation > 0 {
		args = append(args, decimal(generation))
	}
	args = append(args, decimal(d.Position), decimal(d.Policies()), stored,
		"recorded_at", strconv.FormatInt(int64(d.RecordedAt), 10), "decimals", strconv.Itoa(d.Balances.Item.Decimals))
	kit := d.Balances.AsKit()
	for _, c := range channels {
		if kit == nil || d.Balances.Withheld(c.Channel, c.RecordedAt) {
			args = append(args, "ats:"+c.Channel, strconv.FormatInt(c.ATS, 10))
		}
	}
	if kit != nil {
		for _, c := range kit.Components {
			args = append(args, "component:"+c.SKU, strconv.FormatInt(c.Quantity, 10))
		}
	}
	tag := tagged(d.SKU)
	hash, document := a.db.key(spaceSKU, tag), a.db.generationKey(spaceDocument, generation, tag)
	switch {
	case generation == 0:
		return &eval{script: writeDocument, keys: []string{hash, document}, args: args}, nil
	case a.built > 0: // other programs read what serves
		return &eval{script: writeGeneration, keys: []string{document}, args: args}, nil
	}
	return &eval{script: writeGeneration, keys: []string{document, hash}, args: args}, nil
}

// Reset removes everything, also what is being built by anybody: its progress first, so that nobody takes it for whole.
func (a *Availability) Reset(ctx context.Context) error {
	if a.built == 0 {
		if err := a.db.removeAll(ctx, a.db.key("progress", buildPrefix)); err != nil {
			return err
		}
		return a.guard.reset(ctx, spaceSKU, spaceDocument, spaceSKUs)
	}
	return a.guard.reset(ctx, a.db.generationSpace(spaceDocument, a.built), a.db.generationSpace(spaceSKUs, a.built))
}

var _ availability.ReadModel = (*Availability)(nil)

// lexIndex is a set of names in bytewise order, in partitions.
type lexIndex struct {
	db         *DB
	space      string
	generation uint64
}

// entry is a member of an index, and the name whose partition it is in.
type entry struct{ of, member string }

// add adds entries, all those of a partition with one command.
func (x lexIndex) add(ctx context.Context, entries []entry) error {
	byPartition := make([][]goredis.Z, len(x.db.tags))
	for _, e := range entries {
		p := partition(e.of, len(x.db.tags))
		byPartition[p] = append(byPartition[p], goredis.Z{Member: e.member})
	}
	var calls []call
	for p, members := range byPartition {
		if len(members) > 0 {
			calls = append(calls, func(pipe goredis.Pipeliner) { pipe.ZAdd(ctx, x.key(p), members...) })
		}
	}
	return x.db.run(ctx, calls)
}

func (x lexIndex) key(p int) string {
	return x.db.generationKey(x.space, x.generation, tagged(x.db.tags[p]))
}

// after returns up to limit members in bytewise order between two bounds of ZRANGE BYLEX.
func (x lexIndex) after(ctx context.Context, g *guard, s standing, from, to string, limit int) ([]string, error) {
	found := make([]*goredis.StringSliceCmd, len(x.db.tags))
	calls := make([]call, len(x.db.tags))
	for p := range x.db.tags {
		calls[p] = func(pipe goredis.Pipeliner) {
			found[p] = pipe.ZRangeArgs(ctx, goredis.ZRangeArgs{Key: x.key(p), Start: from, Stop: to, ByLex: true, Count: int64(limit)})
		}
	}
	if err := g.readAs(ctx, s, calls); err != nil {
		return nil, fmt.Errorf("index %s: %w", x.space, err)
	}
	var all []string
	for _, part := range found {
		all = append(all, part.Val()...)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(a, b) })
	return all[:min(limit, len(all))], nil
}
