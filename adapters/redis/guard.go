package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// maxMarks is how many processes have a mark in a partition; the oldest are forgotten. Who finds its mark missing begins
// again, so forgetting too many is harmless.
const maxMarks = 64

// guard keeps the progress of a projection, and finds out when Redis has lost what was written.
//
// In every partition this process has a mark, a number that it raises with each write, after the documents. Redis
// changes in order, and a server that loses something loses the end: so as long as the marks are what they were raised to,
// everything that this process wrote, or relied on when it raised them, is there. Nobody else raises them, so others
// who repair a loss cannot hide it.
type guard struct {
	db   *DB
	name string   // of the projection
	tags []string // of its partitions
	keys []string // of the progress in each

	turn   chan struct{} // holds one while a write is under way
	yields bool          // to others who write; belongs to whoever has the turn

	generations bool // the documents may be exchanged

	mu         sync.Mutex
	process    string  // names the mark; "" before entering
	mark       uint64  // every partition has it at least
	covered    version // every document that tells of no more was written before the mark
	tried      uint64  // the highest that was tried
	generation uint64  // of the documents that the marks are about
	own        uint64  // generation that this process put in the place of another one
	lost       error   // why nothing may be read or written
}

// guardOf returns the guard of a projection, the same one each time.
func (d *DB) guardOf(name string, tags []string) *guard {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.guards[name]
	if g == nil {
		g = d.newGuard(name, tags)
		d.guards[name] = g
	}
	return g
}

func (d *DB) newGuard(name string, tags []string) *guard {
	g := &guard{db: d, name: name, tags: tags, turn: make(chan struct{}, 1), generations: name == availability.Name}
	for _, tag := range tags {
		g.keys = append(g.keys, d.key("progress", name, tagged(tag)))
	}
	return g
}

// standing is what a guard knew at one moment.
type standing struct {
	process    string
	mark       uint64
	covered    version
	generation uint64
}

// version is that of a document, or of all that tell of no more: the position of its last event, and of the last change of policies in it.
type version struct{ position, policies uint64 }

func (v version) includes(other version) bool {
	return other.position <= v.position && other.policies <= v.policies
}

func (g *guard) now() (standing, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return standing{g.process, g.mark, g.covered, g.generation}, g.lost
}

// next is a mark higher than all before.
func (g *guard) next() (s standing, mark uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tried++
	return standing{g.process, g.mark, g.covered, g.generation}, g.tried
}

// raised notes that every partition has a mark, which covers documents that tell of no more than a version.
func (g *guard) raised(process string, mark uint64, covered version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == process {
		g.mark = max(g.mark, mark)
		g.covered = version{max(g.covered.position, covered.position), max(g.covered.policies, covered.policies)}
	}
}

// lose notes a loss that somebody found who knew s, and returns it. When the documents were exchanged it is that.
func (g *guard) lose(ctx context.Context, s standing, what string) error {
	exchanged := g.superseded(ctx, s)
	err := fmt.Errorf("%w (projection %s: %s)", ErrLost, g.name, what)
	if exchanged {
		err = ErrExchanged
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process != s.process {
		return err // it was found before, and mended
	}
	switch {
	case g.lost != nil:
	case exchanged:
		g.db.opts.Log.Info("a replica exchanged the documents in Redis; the new ones are used from now on", "projection", g.name, "redis", g.db.where)
	default:
		g.db.opts.Log.Error("Redis lost what was written to it; the read model is not used until it is repaired",
			"projection", g.name, "redis", g.db.where, "found", what)
	}
	g.lost = err
	return err
}

// maxEnters is how often documents may be exchanged while a process enters.
const maxEnters = 5

// progress raises the marks and returns the lowest progress of all partitions. After a loss it takes new marks.
func (g *guard) progress(ctx context.Context) (p projections.Progress, err error) {
	for n := 0; ; n++ {
		p, err = g.enter(ctx)
		if !errors.Is(err, errAnotherGeneration) || n == maxEnters {
			return p, err
		}
		g.leave()
	}
}

// enter is progress, as long as no documents are exchanged meanwhile.
func (g *guard) enter(ctx context.Context) (p projections.Progress, err error) {
	if err := g.begin(ctx); err != nil {
		return p, err
	}
	s, mark := g.next()
	least := "-1"
	if s.mark > 0 {
		least = strconv.FormatUint(s.mark, 10)
	}
	evals := make([]*eval, len(g.keys))
	for i, key := range g.keys {
		evals[i] = &eval{script: enter, keys: []string{key}, args: []any{g.db.originOf(s.generation), s.process, least, mark, maxMarks, decimal(s.generation)}}
	}
	if err := g.db.runScripts(ctx, evals); err != nil {
		return p, err
	}
	for i, e := range evals {
		one, err := g.entered(ctx, s, e.answer)
		if err != nil {
			return projections.Progress{}, err
		}
		if i == 0 || before(one, p) {
			p = one
		}
	}
	g.raised(s.process, mark, version{p.Position, p.Own})
	return p, nil
}

// begin names a new mark before the first use, and after a loss. The servers are looked at first.
func (g *guard) begin(ctx context.Context) error {
	if s, lost := g.now(); s.process != "" && lost == nil {
		return nil
	}
	if err := g.db.inspect(ctx); err != nil {
		return err
	}
	generation, err := g.current(ctx)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == "" || g.lost != nil {
		g.process = fmt.Sprintf("%012x-%s", time.Now().UnixMilli(), rand.Text()[:8]) // in order of age
		g.mark, g.tried, g.covered, g.lost, g.generation = 0, 0, version{}, nil, generation
	}
	return nil
}

// placed tells whether this process has put a generation in its place.
func (g *guard) placed(generation uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.own == generation
}

// place notes that this process has done so.
func (g *guard) place(generation uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.own = generation
}

// leave has the next to enter do so anew.
func (g *guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.process, g.mark, g.tried, g.covered, g.lost = "", 0, 0, version{}, nil
}

// entered reads what the script enter answered.
func (g *guard) entered(ctx context.Context, s standing, answer *goredis.Cmd) (p projections.Progress, err error) {
	parts, err := answer.StringSlice()
	if err != nil || len(parts) != 2 {
		return p, fmt.Errorf("enter: unexpected answer of Redis at %s: %v", g.db.where, answer)
	}
	switch parts[0] {
	case "origin":
		return p, fmt.Errorf("%w: under %q they are of %q, this is %q", ErrForeign, g.db.prefix, parts[1], g.db.originOf(s.generation))
	case "generation":
		return p, fmt.Errorf("%w: %s in place of %d", errAnotherGeneration, parts[1], s.generation)
	case "lost":
		return p, g.lose(ctx, s, "mark "+parts[1]+" instead of "+strconv.FormatUint(s.mark, 10))
	}
	if parts[1] == "" {
		return p, nil
	}
	return p, p.UnmarshalBinary([]byte(parts[1]))
}

func before(a, b projections.Progress) bool {
	return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Own, b.Own)) < 0
}

// write has documents written, and the progress after them, one write at a time. It looks for losses before, since what the
// documents were made of was read from Redis, and with the progress. Nothing is left to do when documents says that others have
// stored them, and the progress.
func (g *guard) write(ctx context.Context, p projections.Progress, documents func(context.Context) (stored bool, err error)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-g.turn }()
	if err := g.check(ctx); err != nil {
		return err
	}
	stored, err := documents(ctx)
	if err != nil || stored {
		return err
	}
	return g.advance(ctx, p)
}

// writeOwn is write for documents that this process writes itself in any case.
func (g *guard) writeOwn(ctx context.Context, p projections.Progress, documents func(context.Context) error) error {
	return g.write(ctx, p, func(ctx context.Context) (bool, error) { return false, documents(ctx) })
}

// advance writes the progress to every partition.
func (g *guard) advance(ctx context.Context, p projections.Progress) error {
	stored, err := p.AppendBinary(nil)
	if err != nil {
		return err
	}
	s, mark := g.next()
	evals := make([]*eval, len(g.keys))
	for i, key := range g.keys {
		evals[i] = &eval{script: advance, keys: []string{key}, args: []any{s.process, s.mark, mark, decimal(p.Position), decimal(p.Own), stored}}
	}
	if err := g.db.runScripts(ctx, evals); err != nil {
		return err
	}
	for i, e := range evals {
		if n, err := e.answer.Int(); err != nil || n != 1 {
			return g.lose(ctx, s, "while writing, in partition "+g.tags[i])
		}
	}
	g.raised(s.process, mark, version{p.Position, p.Own})
	return nil
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
