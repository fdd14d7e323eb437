package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stock"
)

// patience bounds waiting for what must come; no test depends on how long it takes.
const patience = 30 * time.Second

// places are the locations that are defined.
type places struct {
	mu    sync.Mutex
	known map[string]bool
}

func (p *places) Location(id string) (location.State, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return location.State{Known: true}, p.known[id]
}

func (p *places) define(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[id] = true
}

// clock is a clock that tests set.
type clock struct{ at atomic.Int64 }

func (c *clock) now() aggregates.Instant { return aggregates.Instant(c.at.Load()) }
func (c *clock) set(at time.Time)        { c.at.Store(at.UnixMicro()) }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Microseconds()) }
func newClock() *clock                   { c := &clock{}; c.set(today); return c }

var today = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// outage is a store that can be made to fail, or to take its time.
type outage struct {
	*pebble.Store
	down    atomic.Bool
	refused atomic.Int64
	defect  atomic.Pointer[string] // stream on which it fails for no known reason
	held    atomic.Pointer[hold]
}

// hold keeps appends to a stream, or to all, waiting until it is let go.
type hold struct {
	stream string        // "": all
	waits  chan struct{} // one for each append that waits
	let    chan struct{}
}

func (o *outage) hold(sku string) *hold {
	h := &hold{waits: make(chan struct{}, 1<<16), let: make(chan struct{})}
	if sku != "" {
		h.stream = aggregates.SKUPrefix + sku
	}
	o.held.Store(h)
	return h
}

// letGo ends the hold.
func (o *outage) letGo(h *hold) {
	o.held.Store(nil)
	close(h.let)
}

func (o *outage) Append(ctx context.Context, stream string, next uint64, events []aggregates.NewEvent) (commands.Appended, error) {
	if o.down.Load() {
		o.refused.Add(1)
		return commands.Appended{}, fmt.Errorf("%w: pulled the plug", commands.ErrUnavailable)
	}
	if d := o.defect.Load(); d != nil && *d == stream {
		return commands.Appended{}, errors.New("defect")
	}
	if h := o.held.Load(); h != nil && (h.stream == "" || h.stream == stream) {
		h.waits <- struct{}{}
		<-h.let
	}
	return o.Store.Append(ctx, stream, next, events)
}

// ledger keeps offsets in the store, and tells of every save.
type ledger struct {
	*pebble.Store
	mu      sync.Mutex
	saved   map[place]ingest.Progress
	history []ingest.Progress
	changed chan struct{}
}

func (l *ledger) SaveOffset(ctx context.Context, topic string, partition int32, p ingest.Progress) error {
	if err := l.Store.SaveOffset(ctx, topic, partition, p); err != nil {
		return err
	}
	l.mu.Lock()
	l.saved[place{topic, partition}] = p
	l.history = append(l.history, p)
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return nil
}

// await waits until a partition's progress has reached an offset.
func (l *ledger) await(t *testing.T, topic string, partition int32, next int64) {
	t.Helper()
	limit := time.After(patience)
	for {
		l.mu.Lock()
		now := l.saved[place{topic, partition}].Next
		l.mu.Unlock()
		if now >= next {
			return
		}
		select {
		case <-l.changed:
		case <-limit:
			t.Fatalf("%s[%d] has come to offset %d, want %d", topic, partition, now, next)
		}
	}
}

// world is the service on a real store.
type world struct {
	dir      string
	store    *pebble.Store
	outage   *outage
	streams  *commands.Streams[domain.State]
	places   *places
	clock    *clock
	recorder *ingest.Recorder
	desk     *ingest.DeadLetterDesk
	ledger   *ledger
	closed   bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), places: &places{known: map[string]bool{"berlin": true, "hamburg": true}}, clock: newClock()}
	w.open(t)
	t.Cleanup(func() { w.close(t) })
	return w
}

var quiet = slog.New(slog.DiscardHandler)

func (w *world) open(t testing.TB) {
	t.Helper()
	store, err := pebble.Open(w.dir, pebble.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	w.closed, w.store, w.outage = false, store, &outage{Store: store}
	w.streams = commands.NewStreams(w.outage, commands.SKUs(), commands.Options{Now: w.clock.now, Exclusive: true})
	w.recorder = stock.NewRecorder(w.streams, w.places, stock.Options{Now: w.clock.now})
	w.desk = ingest.NewDeadLetterDesk(store.DeadLetters(), w.recorder, w.clock.now, quiet)
	w.ledger = &ledger{Store: store, saved: map[place]ingest.Progress{}, changed: make(chan struct{}, 1)}
}

func (w *world) close(t testing.TB) {
	t.Helper()
	if w.closed {
		return
	}
	w.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(w.streams.Close(ctx), w.store.Close()); err != nil {
		t.Error(err)
	}
}

func (w *world) service(c ingest.Consumer) *ingest.Service {
	return ingest.New(ingest.Config{Consumer: c, Recorder: w.recorder, Desk: w.desk, Offsets: w.ledger, Now: w.clock.now, Log: quiet})
}

// run runs a service, and its desk, until stop is called, which waits for their end.
func run(t testing.TB, s *ingest.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- s.Run(ctx) }()
	go func() { done <- s.Desk.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			for range 2 {
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("Run returned %v", err)
				}
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// sellable is what lies there by a fold of the SKU's stream, and how many movements are on it.
func (w *world) sellable(t *testing.T, sku, location string) (units int64, movements int) {
	t.Helper()
	var b domain.Balances
	err := w.store.ReadStream(context.Background(), aggregates.SKUPrefix+sku, 0, func(r aggregates.Record) bool {
		e, _, err := codec.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Evolve(e)
		if r.Type != domain.TypeItemRegistered {
			movements++
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if x := b.At(location); x != nil {
		units = x.OnHand[domain.Sellable]
	}
	return units, movements
}

// letters lists the open dead letters.
func (w *world) letters(t *testing.T) []ingest.DeadLetter {
	t.Helper()
	list, _, err := w.desk.List(context.Background(), ingest.Query{State: ingest.Open, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (w *world) letter(t *testing.T, id string) ingest.DeadLetter {
	t.Helper()
	l, err := w.desk.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ce is a binary mode CloudEvent.
func ce(kind, id, data string, more ...ingest.Header) ingest.Message {
	return ingest.Message{Value: []byte(data), Headers: append([]ingest.Header{
		{"ce_specversion", []byte("1.0")}, {"ce_id", []byte(id)}, {"ce_source", []byte("pos-1")}, {"ce_type", []byte(kind)},
		{"ce_time", []byte("2026-03-04T11:00:00Z")}, {"content-type", []byte("application/json")},
	}, more...)}
}

func movement(id, sku, place string, quantity int, kind string) ingest.Message {
	return ce(ingest.TypeMovement, id, fmt.Sprintf(`{"sku":%q,"location":%q,"quantity":%d,%q:{}}`, sku, place, quantity, kind))
}

func received(id, sku string, quantity int) ingest.Message {
	return movement(id, sku, "berlin", quantity, "received")
}

// sale has lines of "sku quantity" each.
func sale(id string, lines ...string) ingest.Message {
	text := ""
	for i, l := range lines {
		var sku, quantity string
		fmt.Sscan(l, &sku, &quantity)
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(`{"sku":%q,%s}`, sku, quantity)
	}
	return ce(ingest.TypeSale, id, fmt.Sprintf(`{"document":%q,"location":"berlin","channel":"store","lines":[%s]}`, id, text))
}

// sources returns the metadata of a SKU's movements, in their order, without events of other types that are named.
func (w *world) sources(t *testing.T, sku string, without ...string) (list []aggregates.Metadata) {
	t.Helper()
	err := w.store.ReadStream(context.Background(), aggregates.SKUPrefix+sku, 0, func(r aggregates.Record) bool {
		_, m, err := codec.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if r.Type != domain.TypeItemRegistered && !slices.Contains(without, r.Type) {
			list = append(list, m)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// until waits for what must come.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (w *world) awaitUnits(t *testing.T, sku string, want int64) {
	t.Helper()
	until(t, fmt.Sprintf("%d units of %s", want, sku), func() bool {
		units, _ := w.sellable(t, sku, "berlin")
		return units == want
	})
}

func (w *world) awaitRefusals(t *testing.T, n int64) {
	t.Helper()
	until(t, "the store to refuse", func() bool { return w.outage.refused.Load() >= n })
}

func (w *world) awaitStatus(t *testing.T, s *ingest.Service, text string) {
	t.Helper()
	until(t, fmt.Sprintf("status %q", text), func() bool {
		for _, p := range s.Status() {
			if text == "" && p.Error != "" || !strings.Contains(p.Error, text) {
				return false
			}
		}
		return true
	})
}

// each looks at every progress that was saved.
func (l *ledger) each(look func(ingest.Progress)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.history {
		look(p)
	}
}
