package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// scanChecked is how many keys a scan reads before it looks whether it is to go on.
const scanChecked = 1 << 16

// scan is what Pebble alone takes to read all that a stopped service stored.
type scan struct {
	keys  int
	bytes int64 // of keys and values
	took  time.Duration
}

// rate is amount, which all that was read is about, per second.
func (s scan) rate(amount float64) float64 {
	if s.took <= 0 {
		return 0
	}
	return amount / s.took.Seconds()
}

// scanAlone opens a store that nobody else has open, read-only, and reads every key and value of it. Opening is not timed.
func scanAlone(ctx context.Context, dir string) (s scan, err error) {
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}, ReadOnly: true})
	if err != nil {
		return s, fmt.Errorf("open %s with Pebble alone: %w", dir, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	from := time.Now()
	it, err := db.NewIterWithContext(ctx, nil)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return s, fmt.Errorf("scan %s with Pebble alone: %w", dir, err)
		}
		s.keys, s.bytes = s.keys+1, s.bytes+int64(len(it.Key())+len(value))
		if s.keys%scanChecked == 0 && ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
	}
	s.took = time.Since(from)
	if s.keys == 0 {
		return s, wrong("%s is empty", dir)
	}
	return s, it.Error()
}
