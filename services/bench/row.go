package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Row is one thing that is measured. To add another, write a file with its Row and name it in rows.
type Row struct {
	Name     string  // for Options.Only
	Title    string  // in the report
	Unit     string  // of the figure
	Baseline string  // what it is compared with in the same run; empty when with nothing
	Target   *Target // what it should reach; nil when that is open

	// long has it left out of a quick run, unless it is asked for.
	long bool

	// takes estimates how long measuring takes.
	takes func(effort) time.Duration
	// measure fills in the rounds and what was seen beside them.
	measure func(ctx context.Context, b *bench, f *Figure) error
}

// rows are all there is, in the order in which they are measured: reads go first, as they need stock that nobody
// changes; what makes most events goes before what replays them.
var rows = []Row{
	getRow,
	batchGetRow,
	reserveRow("reserve", 64, false),
	reserveRow("reserve-1024", 1024, false),
	reserveRow("hot", 64, true),
	reserveRow("hot-1024", 1024, true),
	bulkRow,
	watchRow,
	readableRow,
	ingestRow,
	replayRow,
	snapshotRow,
	growthStreamRow,
	growthHoldsRow,
	growthLocationsRow,
	growthChannelsRow,
	growthCallersRow,
	overloadRow,
	growthSKUsRow,
	startRow,
	completeRow,
	memoryRow,
	diskRow,
	remoteReserveRow,
	remoteReadableRow,
	remoteIngestRow,
}

// RowNames are what Options.Only may name.
func RowNames() []string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
	}
	return names
}

// choose returns the rows of these names, in the order of rows; all when there are no names, those apart that are too long for a quick run.
func choose(names []string, quick bool) ([]Row, error) {
	for _, n := range names {
		if !slices.Contains(RowNames(), n) {
			return nil, fmt.Errorf("there is no row %q; there are %s", n, strings.Join(RowNames(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
		if len(names) == 0 {
			return quick && r.long
		}
		return !slices.Contains(names, r.Name)
	}), nil
}

// What a run takes beside its rows, about: starting, stocking, stopping.
const (
	overhead         = 5 * time.Second
	stockedPerSecond = 20_000 // movements, on two cores
)

// estimate is how long the rows take together.
func estimate(chosen []Row, e effort) time.Duration {
	total := overhead + time.Duration(e.skus*shelvesPerSKU)*time.Second/stockedPerSecond
	for _, r := range chosen {
		total += r.takes(e)
	}
	return total
}

// limit bounds a run that is estimated to take this long.
func limit(estimated time.Duration) time.Duration { return 3*estimated + time.Minute }

// duelTakes is how long a row of calls takes that is compared with the echo.
func duelTakes(e effort) time.Duration {
	return 2*e.warmUp + time.Duration(e.rounds)*2*e.window + time.Second
}

// rivalTakes is how long it takes if PostgreSQL does the same.
func rivalTakes(e effort) time.Duration {
	if !e.rivals {
		return duelTakes(e)
	}
	return duelTakes(e) + time.Duration(e.rounds)*max(e.window, pgLeast) + 2*time.Second
}
