package ledger

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
)

// Axis of time.
type Axis uint8

// The axes.
const (
	Recorded Axis = iota // what was known
	Occurred             // what was true
	axes                 // their number
)

// Groups is how many groups SKUs are dealt out to. It is part of the stored form.
const Groups = 1024

// groupOf is the group of a SKU.
func groupOf(sku string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(sku))
	return int(h.Sum32() % Groups)
}

// posting is a change that is not in a block yet, with its instant on each axis.
type posting struct {
	sku, location string
	at            [axes]aggregates.Instant // stock.Never when not on that axis
	position      uint64
	delta         int64
	cost          *stock.Cost
	kind
}

// kind is what a posting is beside its numbers.
type kind struct {
	condition stock.Condition
	dimension stock.Dimension
	flow      stock.Flow
	flags     uint8
}

const (
	flagCount uint8 = 1 << iota // comes before movements of its instant
	flagEvent                   // the first posting of its event: it is counted
	flagCost
	flagNet // is one change with the others of its event
)

// post appends what an event changes. watermark is the latest recording so far in the order of the store.
func post(list []posting, sku string, e *projections.Event, watermark aggregates.Instant) []posting {
	first := len(list)
	stock.Post(e.Fact, &e.Metadata, func(x stock.Posting) {
		p := posting{sku: sku, location: x.Location, position: e.Record.Position, delta: x.Delta, cost: x.Cost,
			kind: kind{condition: x.Condition, dimension: x.Dimension, flow: x.Flow}}
		p.at = [axes]aggregates.Instant{Recorded: watermark, Occurred: x.At}
		switch {
		case x.Past:
			p.at[Recorded] = stock.Never
		case x.Due:
			p.at[Recorded] = max(watermark, x.At)
		}
		if x.Count {
			p.flags |= flagCount
		}
		if x.Net {
			p.flags |= flagNet
		}
		list = append(list, p)
	})
	if len(list) > first {
		list[first].flags |= flagEvent
		if list[first].at[Recorded] == stock.Never { // it changed nothing that was known, and was heard of
			list = append(list, posting{sku: sku, position: e.Record.Position, location: list[first].location,
				at: [axes]aggregates.Instant{Recorded: watermark, Occurred: stock.Never}, kind: kind{dimension: stock.PostNothing, flags: flagEvent}})
		}
	}
	return list
}

// entry is a posting in its group, on one axis.
type entry struct {
	at            aggregates.Instant
	position      uint64
	delta         int64
	cost          *stock.Cost
	sku, location int32
	kind
}

// compare is the order in which entries hold. Those of one event keep theirs.
func compare(a, b entry) int {
	if a.at != b.at {
		return cmp.Compare(a.at, b.at)
	}
	if x, y := a.flags&flagCount, b.flags&flagCount; x != y {
		return -cmp.Compare(x, y)
	}
	return cmp.Compare(a.position, b.position)
}

func sortEntries(list []entry) { slices.SortStableFunc(list, compare) }

// description is what was said of a SKU, and when.
type description struct {
	sku       string
	position  uint64
	watermark aggregates.Instant
	item      Item
}

// Item is what a SKU is.
type Item struct {
	Name, Unit, Category string
	Decimals             int
}

func describe(sku string, e *projections.Event, watermark aggregates.Instant) (description, bool) {
	r, ok := e.Fact.(*stock.ItemRegistered)
	if !ok {
		return description{}, false
	}
	return description{sku: sku, position: e.Record.Position, watermark: watermark,
		item: Item{Name: r.Name, Unit: r.Unit, Category: r.Category, Decimals: r.Decimals}}, true
}
