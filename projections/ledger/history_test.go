package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/proto/codec"
)

func TestMain(m *testing.M) {
	ledger.SetBlockEntries(8)
	ledger.LookForLate(time.Millisecond)
	goleak.VerifyTestMain(m)
}

var (
	quiet  = slog.New(slog.DiscardHandler)
	places = []string{"berlin", "hamburg", "munich"}
	policy = stock.NewPolicy("web", places, 0, 30)
)

// noon is when histories begin.
const noon = aggregates.Instant(1_700_000_000) * aggregates.Second

// logged is an event as the store has it.
type logged struct {
	sku      string
	event    aggregates.Event
	meta     aggregates.Metadata
	position uint64
}

// history decides random facts about some SKUs, appends them to an event store, and remembers all of it.
type history struct {
	*rapid.T
	store  *pebble.Store
	states map[string]*stock.State
	log    []logged
	now    aggregates.Instant
	keys   int
	resend []func()
}

func newHistory(t *rapid.T) *history {
	store, err := pebble.Open("events", pebble.Options{FS: vfs.NewMem(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return &history{T: t, store: store, states: map[string]*stock.State{}, now: noon}
}

func (h *history) append(sku string, events []aggregates.Event, m aggregates.Metadata) {
	state := h.states[sku]
	var stored []aggregates.NewEvent
	for i, e := range events {
		data, err := codec.Encode(nil, e, &m)
		if err != nil {
			h.Fatal(err)
		}
		id := aggregates.NewEventID("sku-"+sku, m.IdempotencyKey, i, data)
		stored = append(stored, aggregates.NewEvent{ID: id, Type: e.EventType(), Data: data})
	}
	if len(stored) == 0 {
		return
	}
	done, err := h.store.Append(context.Background(), "sku-"+sku, state.Version, stored)
	if err != nil {
		h.Fatal(err)
	}
	for i, e := range events {
		state.Evolve(e, m)
		h.log = append(h.log, logged{sku, e, m, done.Position - uint64(len(events)-1-i)})
	}
}

func (h *history) state(sku string) *stock.State {
	if h.states[sku] == nil {
		h.states[sku] = &stock.State{}
	}
	return h.states[sku]
}

func (h *history) meta(at aggregates.Instant) aggregates.Metadata {
	h.keys++
	return aggregates.Metadata{OccurredAt: at, RecordedAt: h.now, IdempotencyKey: strconv.Itoa(h.keys), Fingerprint: uint64(h.keys),
		Source: aggregates.Source{System: "wms", Document: "d" + strconv.Itoa(h.keys%5)}}
}

// step is one fact or call. Facts come late, at one instant, twice; clocks go back a little.
func (h *history) step() {
	h.now += aggregates.Second * aggregates.Instant(rapid.IntRange(-1, 4).Draw(h.T, "pass"))
	sku := rapid.SampledFrom([]string{"a", "b", "c/ß"}).Draw(h.T, "sku")
	switch rapid.IntRange(0, 9).Draw(h.T, "what") {
	case 0:
		h.reserve(sku)
	case 1, 2:
		h.change(sku)
	case 3:
		if len(h.resend) > 0 {
			rapid.SampledFrom(h.resend).Draw(h.T, "again")()
		}
	default:
		h.fact(sku)
	}
}

func (h *history) fact(sku string) {
	late := aggregates.Instant(rapid.SampledFrom([]int{0, 0, 0, 1, 5, 40, 300}).Draw(h.T, "late")) * aggregates.Second
	r := stock.Movement{
		Kind:      stock.Kind(rapid.IntRange(1, int(stock.KindTransferReceived)).Draw(h.T, "kind")),
		Location:  rapid.SampledFrom(places).Draw(h.T, "location"),
		Other:     rapid.SampledFrom(places).Draw(h.T, "other"),
		Quantity:  int64(rapid.IntRange(0, 9).Draw(h.T, "quantity")),
		Condition: stock.Condition(rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(h.T, "condition")),
		To:        stock.Inspection, TransferID: rapid.SampledFrom([]string{"", "t1", "t2"}).Draw(h.T, "transfer"),
	}
	if r.Kind == stock.KindReceived && rapid.Bool().Draw(h.T, "costed") {
		r.Cost = &stock.Cost{Unit: int64(rapid.IntRange(1, 9).Draw(h.T, "cost")), Currency: rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "USD"}).Draw(h.T, "currency")}
	}
	if r.Kind == stock.KindReceived && rapid.IntRange(0, 4).Draw(h.T, "correction") == 0 {
		r.Kind, r.InsteadOf = stock.KindCostCorrected, 3
		r.Cost = &stock.Cost{Unit: int64(rapid.IntRange(1, 9).Draw(h.T, "cost")), Currency: "EUR"}
	}
	m := h.meta(h.now - late)
	h.move(sku, r, m)
	h.resend = append(h.resend, func() { m.RecordedAt = h.now; h.move(sku, r, m) })
}

func (h *history) move(sku string, r stock.Movement, m aggregates.Metadata) {
	_, events, err := stock.Move(h.state(sku), r, m, h.now)
	var need *stock.NeedHistory
	if errors.As(err, &need) {
		for i := range h.log {
			if x := &h.log[i]; x.sku == sku {
				need.History.Add(x.event, need.History.Next(), x.meta)
			}
		}
		r.History = need.History
		_, events, err = stock.Move(h.state(sku), r, m, h.now)
	}
	if err != nil {
		h.Fatal(err)
	}
	h.append(sku, events, m)
}

func (h *history) reserve(sku string) {
	m := h.meta(0)
	until := int64(rapid.IntRange(1, 40).Draw(h.T, "hold"))
	if rapid.Bool().Draw(h.T, "confirmed") {
		until = 0
	}
	_, events, err := stock.Reserve(h.state(sku), stock.ReserveRequest{ReservationID: "r" + m.IdempotencyKey, Quantity: 2, HoldSeconds: until,
		Confirmed: until == 0}, m, policy, h.now)
	if err == nil {
		h.append(sku, events, m)
	}
}

// change ends, confirms or fulfils some reservation.
func (h *history) change(sku string) {
	id := "r" + strconv.Itoa(rapid.IntRange(1, h.keys+1).Draw(h.T, "id"))
	m := h.meta(0)
	var events []aggregates.Event
	var err error
	switch rapid.IntRange(0, 3).Draw(h.T, "how") {
	case 0:
		_, events, err = stock.Confirm(h.state(sku), stock.ConfirmRequest{ReservationID: id}, m, h.now)
	case 1:
		_, events, err = stock.Release(h.state(sku), stock.ReleaseRequest{ReservationID: id, Quantity: 1}, m, h.now)
	case 2:
		_, events, err = stock.Fulfil(h.state(sku), stock.FulfilRequest{ReservationID: id, Quantity: 1}, m, h.now)
	case 3:
		events = stock.Expire(h.state(sku), h.now, 10)
	}
	if err == nil {
		h.append(sku, events, m)
	}
}

// open runs a ledger over the history until stop is called.
func (h *history) open(fs vfs.FS, interval int) (l *ledger.Ledger, stop func()) {
	db := h.views(fs)
	l, end := h.run(db.Ledger(), interval)
	return l, sync.OnceFunc(func() {
		end()
		if err := db.Close(); err != nil {
			panic(fmt.Sprint("close: ", err))
		}
	})
}

func (h *history) views(fs vfs.FS) *views.DB {
	db, err := views.Open("views", views.Options{FS: fs, StoreID: h.store.ID(), MemTableBytes: 64 << 10, Log: quiet})
	if err != nil {
		h.Fatal(err)
	}
	return db
}

func (h *history) run(m ledger.ReadModel, interval int) (l *ledger.Ledger, stop func()) {
	l = ledger.New(ledger.Config{Store: h.store, Model: m, Interval: interval, Log: quiet})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx); err != nil {
			panic(err)
		}
	})
	return l, sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
}

// failing is a read model that takes some writes, and none after them: what a crash leaves.
type failing struct {
	ledger.ReadModel
	left   int
	once   sync.Once
	failed chan struct{}
}

var errCrashed = errors.New("crashed")

func (m *failing) Write(ctx context.Context, group int, w ledger.Written) error {
	if err := m.fail(); err != nil {
		return err
	}
	return m.ReadModel.Write(ctx, group, w)
}

func (m *failing) Save(ctx context.Context, p projections.Progress) error {
	if err := m.fail(); err != nil {
		return err
	}
	return m.ReadModel.Save(ctx, p)
}

func (m *failing) fail() error {
	if m.left--; m.left >= 0 {
		return nil
	}
	m.once.Do(func() { close(m.failed) })
	return errCrashed
}

// crash waits until the model takes nothing any more, or has taken everything.
func (m *failing) crash(l *ledger.Ledger) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.WaitForEnd(ctx) // or until the crash
	}()
	select {
	case <-m.failed:
	case <-done:
	}
	cancel()
	<-done
}

// await waits until a ledger shows everything.
func (h *history) await(l *ledger.Ledger) {
	if err := l.WaitForEnd(context.Background()); err != nil {
		h.Fatal(err)
	}
}
