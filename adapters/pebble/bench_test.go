package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/aggregates"
)

const appenders = 64

// inParallel runs b.N calls of f by a number of goroutines.
func inParallel(b *testing.B, goroutines int, f func(worker, n int) error) {
	b.Helper()
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	var n atomic.Int64
	var all sync.WaitGroup
	for w := range goroutines {
		all.Go(func() {
			for {
				i := int(n.Add(1))
				if i > b.N {
					return
				}
				if err := f(w, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/event")
}

// cpuTime is what this process has used so far, which the machine's other work changes less than the time passed.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBare is what the others compare with: Pebble alone, as many goroutines, two keys and a sync each.
func BenchmarkBare(b *testing.B) {
	db, err := pebbledb.Open(b.TempDir(), &pebbledb.Options{FormatMajorVersion: formatVersion, MemTableSize: memTableBytes, Logger: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	e := movement("sku-1082185", 1)
	inParallel(b, appenders, func(_, n int) error {
		batch := db.NewBatch()
		defer batch.Close()
		key := binary.BigEndian.AppendUint64([]byte("e"), uint64(n))
		if err := batch.Set(key, e.Data, nil); err != nil {
			return err
		}
		if err := batch.Set(append([]byte("ssku-1082185"), key...), key, nil); err != nil {
			return err
		}
		return batch.Commit(pebbledb.Sync)
	})
}

type quiet struct{}

func (quiet) Infof(string, ...any)      {}
func (quiet) Errorf(string, ...any)     {}
func (quiet) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// BenchmarkAppendStreams is many writers of as many streams, or more, each with one append under way at a time.
func BenchmarkAppendStreams(b *testing.B) {
	for _, streams := range []int{appenders, 1000} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) {
			s := openBench(b)
			next := make([]struct {
				sync.Mutex
				next uint64
			}, streams)
			names := make([]string, streams)
			for i := range names {
				names[i] = fmt.Sprintf("sku-%d", 1082185+i)
			}
			e := movement("sku-1082185", 1)
			ctx := context.Background()
			inParallel(b, appenders, func(_, n int) error {
				x := n % streams
				stream := &next[x]
				stream.Lock()
				defer stream.Unlock()
				one := e
				binary.BigEndian.PutUint64(one.ID[:], uint64(n))
				_, err := s.Append(ctx, names[x], stream.next, []aggregates.NewEvent{one})
				stream.next++
				return err
			})
			st := s.Stats()
			b.ReportMetric(float64(st.Events)/float64(st.Syncs), "events/sync")
		})
	}
}

// BenchmarkAppendOneStream is one stream whose writers' events go into one append, as a mailbox does it.
func BenchmarkAppendOneStream(b *testing.B) {
	s := openBench(b)
	events := make([]aggregates.NewEvent, appenders)
	for i := range events {
		events[i] = movement("sku-1", i)
	}
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += appenders {
		for i := range events {
			binary.BigEndian.PutUint64(events[i].ID[:], uint64(n+i))
		}
		if _, err := s.Append(ctx, "sku-1", uint64(n), events); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// filled is a store of n movements of 1,000 SKUs, written out and compacted as after a while.
func filled(b *testing.B, n int) *Store {
	b.Helper()
	s := openBench(b)
	ctx := context.Background()
	const streams, batch = 1000, 16
	var all sync.WaitGroup
	for w := range appenders {
		all.Go(func() {
			for x := w; x < streams; x += appenders {
				name := fmt.Sprintf("sku-%d", 1082185+x)
				for next := 0; next < n/streams; next += batch {
					events := make([]aggregates.NewEvent, 0, batch)
					for i := range min(batch, n/streams-next) {
						events = append(events, movement(name, x+(next+i)*streams))
					}
					if _, err := s.Append(ctx, name, uint64(next), events); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	return s
}

const replayed = 400_000

// BenchmarkSubscribe reads everything from the start, as a replay does.
func BenchmarkSubscribe(b *testing.B) {
	s := filled(b, replayed)
	end, err := s.End(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	total := 0
	for b.Loop() {
		sub, err := s.Subscribe(context.Background(), 0)
		if err != nil {
			b.Fatal(err)
		}
		for at := uint64(0); at < end; {
			batch, err := sub.Next(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			at = batch.Through
			total += len(batch.Records)
		}
		sub.Close()
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkBareScan is what BenchmarkSubscribe compares with.
func BenchmarkBareScan(b *testing.B) {
	db, err := pebbledb.Open(b.TempDir(), &pebbledb.Options{FormatMajorVersion: formatVersion, MemTableSize: memTableBytes, Logger: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	batch := db.NewBatch()
	for n := range replayed {
		e := movement("sku-1082185", n)
		if err := batch.Set(binary.BigEndian.AppendUint64([]byte("e"), uint64(n)), e.Data, nil); err != nil {
			b.Fatal(err)
		}
		if n%1000 == 999 {
			if err := batch.Commit(pebbledb.NoSync); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	b.ResetTimer()
	total := 0
	for b.Loop() {
		it, err := db.NewIter(nil)
		if err != nil {
			b.Fatal(err)
		}
		for ok := it.First(); ok; ok = it.Next() {
			total += len(it.Value())&1 | 1
		}
		it.Close()
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReadStream loads one stream of 400 events, as a cold mailbox does.
func BenchmarkReadStream(b *testing.B) {
	s := filled(b, replayed)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		err := s.ReadStream(context.Background(), fmt.Sprintf("sku-%d", 1082185+n*7%1000), 0, func(aggregates.Record) bool { return true })
		if err != nil {
			b.Fatal(err)
		}
	}
}
