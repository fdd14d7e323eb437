package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
)

// BlockEntries is how many postings a block has, about, in a group of few locations; no fewer than 4 for each of its rows, so that checkpoints do not
// outweigh what they are of.
const BlockEntries = 2048

var entriesPerBlock = BlockEntries // fewer in tests

// Cut is what is asked for: an instant on an axis, and what was recorded up to a position.
type Cut struct {
	Axis     Axis
	At       aggregates.Instant
	Position uint64 // 0: everything
}

func (c Cut) limit() uint64 {
	if c.Position == 0 {
		return math.MaxUint64
	}
	return c.Position
}

// timeline is a state, and the entries after it, in order.
type timeline struct {
	*group
	entries []entry
	done    int
}

// spare are entries of timelines that are done with. A snapshot reads a timeline for each group.
var spare = sync.Pool{New: func() any { return &[]entry{} }}

// maxSpare bounds the entries that are kept for the next timeline.
const maxSpare = 8 * BlockEntries

// free gives the memory of the entries back. Nothing of the timeline is used after that but the group.
func (t *timeline) free() {
	if cap(t.entries) > 0 && cap(t.entries) <= maxSpare {
		clear(t.entries)
		list := t.entries[:0]
		spare.Put(&list)
	}
	t.entries = nil
}

// advance applies the entries up to an instant.
func (t *timeline) advance(to aggregates.Instant) {
	for t.done < len(t.entries) && t.entries[t.done].at <= to {
		t.apply(&t.entries[t.done])
		t.done++
	}
	t.settle()
}

// load reads the timeline of a group: a state at from or before, and what comes after up to the cut. recent is what is in no block yet.
func load(ctx context.Context, m ReadModel, number int, c Cut, from aggregates.Instant, recent []posting, method valuation.Method) (*timeline, error) {
	from = min(from, c.At)
	for i := range recent {
		if p := &recent[i]; p.position <= c.limit() && p.at[c.Axis] <= c.At {
			from = min(from, p.at[c.Axis])
		}
	}
	for {
		blocks, err := m.Blocks(ctx, number, c.Axis, from, c.At)
		if err != nil {
			return nil, err
		}
		t, fits, err := read(blocks, c, method)
		if err != nil {
			return nil, fmt.Errorf("ledger, group %d: %w", number, err)
		}
		if fits {
			t.add(recent, c)
			return t, nil
		}
		from = blocks[0].Start - 1
	}
}

// read makes a timeline of blocks. It does not fit when the first one begins with more than was recorded by the position.
func read(blocks []Block, c Cut, methods ...valuation.Method) (t *timeline, fits bool, err error) {
	t = &timeline{group: newGroup(methods...), entries: *spare.Get().(*[]entry)}
	for i := range blocks {
		r := reader{b: blocks[i].Value}
		n, err := r.open(t.group)
		if err != nil {
			return nil, false, err
		}
		base := t.group
		if i > 0 {
			base = nil
		}
		r.state(base, n)
		if i == 0 && t.position > c.limit() && blocks[0].Start != earliest {
			return nil, false, nil
		}
		t.entries = r.entries(t.entries, n, c)
		if err := r.err(); err != nil {
			return nil, false, err
		}
	}
	return t, true, nil
}

// add takes in what is in no block yet.
func (t *timeline) add(recent []posting, c Cut) {
	limit, before := c.limit(), len(t.entries)
	t.entries = slices.Grow(t.entries, len(recent))
	for i := range recent {
		if p := &recent[i]; p.position <= limit && p.at[c.Axis] <= c.At {
			t.entries = append(t.entries, t.entry(p, c.Axis))
		}
	}
	if len(t.entries) > before {
		sortEntries(t.entries)
	}
}

// merge puts postings into the blocks of a group: from the block of the earliest one on they are written anew.
func merge(ctx context.Context, m ReadModel, number int, a Axis, recent []posting) (blocks []Block, gone []aggregates.Instant, err error) {
	everything := Cut{Axis: a, At: stock.Never - 1}
	first := everything.At
	for i := range recent {
		first = min(first, recent[i].at[a])
	}
	old, err := m.Blocks(ctx, number, a, first, everything.At)
	if err != nil {
		return nil, nil, err
	}
	t, _, err := read(old, everything, everyMethod...)
	if err != nil {
		return nil, nil, fmt.Errorf("ledger, group %d: %w", number, err)
	}
	t.add(recent, everything)
	start := earliest
	if len(old) > 0 {
		start = old[0].Start
	}
	blocks = t.blocks(start)
	t.free()
	return blocks, missing(old, blocks), nil
}

// blocks cuts a timeline into blocks. An instant is never divided.
func (t *timeline) blocks(start aggregates.Instant) (list []Block) {
	state, from, enough := appendState(nil, t.group), 0, entriesPerBlock
	for i := range t.entries {
		ends := i-from >= enough && t.entries[i].at != t.entries[i-1].at
		if ends {
			enough = t.blockEntries() // of the rows that there are by now
			ends = i-from >= enough
		}
		if ends {
			t.settle()
			list = append(list, Block{start, appendBlock(nil, t.group, state, t.entries[from:i])})
			state, from, start = appendState(nil, t.group), i, t.entries[i].at
		}
		t.apply(&t.entries[i])
	}
	return append(list, Block{start, appendBlock(nil, t.group, state, t.entries[from:])})
}

func (t *timeline) blockEntries() int {
	rows := 0
	for i := range t.skus {
		rows += len(t.skus[i].rows)
	}
	return max(entriesPerBlock, 4*rows)
}

// missing are the starts of old blocks that no new one has.
func missing(old, now []Block) (gone []aggregates.Instant) {
	kept := make(map[aggregates.Instant]bool, len(now))
	for i := range now {
		kept[now[i].Start] = true
	}
	for i := range old {
		if !kept[old[i].Start] {
			gone = append(gone, old[i].Start)
		}
	}
	return gone
}
