package pebble

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/services/commands"
)

var background = context.Background()

func mustAppend(t *testing.T, s *Store, stream string, next, count int) commands.Appended {
	t.Helper()
	got, err := s.Append(background, stream, uint64(next), facts(stream, next, count, 0))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func length(t *testing.T, s *Store, stream string) int {
	t.Helper()
	up, down := 0, 0
	err := firstError(
		s.ReadStream(background, stream, 0, func(aggregates.Record) bool { up++; return true }),
		s.ReadStreamBackwards(background, stream, math.MaxUint64, func(aggregates.Record) bool { down++; return true }))
	if err != nil {
		t.Fatal(err)
	}
	if up != down {
		t.Fatalf("%q has %d events forwards, %d backwards", stream, up, down)
	}
	return up
}

// queued waits until n writes wait for the committer.
func queued(s *Store, n int) {
	for len(s.queue) < n {
		runtime.Gosched()
	}
}

// fill starts appends to new streams until the committer takes no more groups, as all are on their way.
func fill(t *testing.T, s *Store, h *holder) []*pending {
	t.Helper()
	h.hold()
	var list []*pending
	before := s.stats.groups.Load()
	for n := range maxInFlight {
		stream := fmt.Sprintf("filler-%d", n)
		list = append(list, start(background, t, s, stream, 0, facts(stream, 0, 1, 0)))
		for s.stats.groups.Load() == before || len(s.applied) < n { // the publisher has one, the others wait for it
			runtime.Gosched()
		}
	}
	h.syncing()
	return list
}

func TestNothingIsVisibleBeforeItsSync(t *testing.T) {
	s, h := openHeld(t)
	mustAppend(t, s, "sku-a", 0, 2)
	snapshotEnd, _ := s.End(background)
	sub, err := s.Subscribe(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	through(t, sub, 2)
	h.hold()
	p := start(background, t, s, "sku-a", 2, facts("sku-a", 2, 3, 0))
	h.syncing()
	p.running()
	if end, _ := s.End(background); end != snapshotEnd {
		t.Errorf("the store ends at %d before the sync, want %d", end, snapshotEnd)
	}
	if n := length(t, s, "sku-a"); n != 2 {
		t.Errorf("%d events are readable before the sync, want 2", n)
	}
	// A subscription from the start reads the database itself.
	old, err := s.Subscribe(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if b, err := old.Next(background); err != nil || b.Through != 2 {
		t.Errorf("a subscription reached %d before the sync, want 2; error %v", b.Through, err)
	}
	ended, cancel := context.WithCancel(background)
	cancel()
	if b, err := sub.Next(ended); err == nil {
		t.Errorf("a subscription got %+v before the sync", b)
	}
	h.release()
	if got := p.ok(); got.Position != 5 {
		t.Errorf("position %d, want 5", got.Position)
	}
	through(t, sub, 5)
	if n := length(t, s, "sku-a"); n != 5 {
		t.Errorf("%d events after the sync, want 5", n)
	}
}

// through reads a subscription up to a position.
func through(t *testing.T, sub projections.Subscription, position uint64) {
	t.Helper()
	for {
		b, err := sub.Next(background)
		if err != nil {
			t.Fatal(err)
		}
		if b.Through >= position {
			return
		}
	}
}

func TestNextGroupIsPreparedWhileOneSyncs(t *testing.T) {
	s, h := openHeld(t)
	for _, p := range fill(t, s, h) {
		p.running()
		defer p.ok()
	}
	h.release()
}

func TestWhatWaitsGoesInOneGroup(t *testing.T) {
	s, h := openHeld(t)
	fillers := fill(t, s, h)
	var list []*pending
	for n := range 50 {
		stream := fmt.Sprintf("sku-%d", n)
		list = append(list, start(background, t, s, stream, 0, facts(stream, 0, 1, 0)))
	}
	queued(s, 50)
	before := s.Stats().Groups
	h.release()
	for _, p := range append(list, fillers...) {
		p.ok()
	}
	if got := s.Stats().Groups - before; got > maxInFlight+2 {
		t.Errorf("%d appends that waited went in %d groups", len(list), got)
	}
	verify(t, s)
}

func TestOneStreamSeveralTimesInOneGroup(t *testing.T) {
	s, h := openHeld(t)
	mustAppend(t, s, "sku-a", 0, 1)
	fillers := fill(t, s, h)
	var list []*pending
	for n := 1; n < 20; n++ {
		list = append(list, start(background, t, s, "sku-a", n, facts("sku-a", n, 1, 0)))
		queued(s, n)
	}
	before := s.Stats().Groups
	h.release()
	last := uint64(0)
	for _, p := range list {
		got := p.ok()
		if got.Position <= last {
			t.Errorf("position %d after %d", got.Position, last)
		}
		last = got.Position
	}
	for _, p := range fillers {
		p.ok()
	}
	if got := s.Stats().Groups - before; got > maxInFlight+2 {
		t.Errorf("19 appends to one stream went in %d groups", got)
	}
	if got := len(verify(t, s)["sku-a"]); got != 20 {
		t.Errorf("the stream has %d events, want 20", got)
	}
}

// TestRepeatAndConflictWithinOneGroup queues the same append twice, and another at the same revision.
func TestRepeatAndConflictWithinOneGroup(t *testing.T) {
	s, h := openHeld(t)
	fillers := fill(t, s, h)
	first := start(background, t, s, "sku-a", 0, facts("sku-a", 0, 2, 0))
	queued(s, 1)
	again := start(background, t, s, "sku-a", 0, facts("sku-a", 0, 2, 0))
	queued(s, 2)
	other := start(background, t, s, "sku-a", 0, facts("sku-a", 100, 1, 0))
	queued(s, 3)
	ahead := start(background, t, s, "sku-a", 5, facts("sku-a", 100, 1, 0))
	queued(s, 4)
	next := start(background, t, s, "sku-a", 2, facts("sku-a", 2, 1, 0))
	queued(s, 5)
	h.release()
	if a, b := first.ok(), again.ok(); a != b {
		t.Errorf("the append returned %+v, its repetition %+v", a, b)
	}
	next.ok()
	for _, p := range []*pending{other, ahead} {
		_, err := p.wait()
		var conflict *commands.ConflictError
		if !errors.As(err, &conflict) || conflict.Actual != 2 {
			t.Errorf("got %v, want a conflict with 2 events", err)
		}
	}
	for _, p := range fillers {
		p.ok()
	}
	if got := len(verify(t, s)["sku-a"]); got != 3 {
		t.Errorf("the stream has %d events, want 3", got)
	}
}

// TestConflictIsAnsweredOnceReadable: who is told of more events than it knew must find them when it reads.
func TestConflictIsAnsweredOnceReadable(t *testing.T) {
	s, h := openHeld(t)
	h.hold()
	first := start(background, t, s, "sku-a", 0, facts("sku-a", 0, 2, 0))
	h.syncing()
	other := start(background, t, s, "sku-a", 0, facts("sku-a", 100, 1, 0))
	again := start(background, t, s, "sku-a", 0, facts("sku-a", 0, 2, 0))
	for s.stats.conflicts.Load()+s.stats.repeats.Load() < maxInFlight-1 { // the rest waits for room
		runtime.Gosched()
	}
	other.running()
	again.running()
	h.release()
	first.ok()
	again.ok()
	if _, err := other.wait(); err == nil {
		t.Error("want a conflict")
	}
}

func TestContextEndsWhileWaiting(t *testing.T) {
	s, h := openHeld(t)
	fillers := fill(t, s, h)
	ctx, cancel := context.WithCancel(background)
	p := start(ctx, t, s, "sku-a", 0, facts("sku-a", 0, 1, 0))
	queued(s, 1)
	cancel()
	if _, err := p.wait(); !errors.Is(err, context.Canceled) || errors.Is(err, commands.ErrUnknownOutcome) {
		t.Errorf("got %v, want context.Canceled alone: it was never taken", err)
	}
	h.release()
	for _, f := range fillers {
		f.ok()
	}
	mustAppend(t, s, "sku-b", 0, 1)
	if n := length(t, s, "sku-a"); n != 0 {
		t.Errorf("a dropped append wrote %d events", n)
	}
}

func TestContextEndsAfterHandingOver(t *testing.T) {
	s, h := openHeld(t)
	h.hold()
	ctx, cancel := context.WithCancel(background)
	p := start(ctx, t, s, "sku-a", 0, facts("sku-a", 0, 1, 0))
	h.syncing()
	cancel()
	if _, err := p.wait(); !errors.Is(err, context.Canceled) || !errors.Is(err, commands.ErrUnknownOutcome) {
		t.Errorf("got %v, want an unknown outcome for a cancelled context", err)
	}
	h.release()
	if got := mustAppend(t, s, "sku-a", 0, 1); got.Position != 1 {
		t.Errorf("repeated, it is at position %d, want 1", got.Position)
	}
	if n := len(verify(t, s)["sku-a"]); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestFullQueueHoldsCallersBack(t *testing.T) {
	s, h := openHeld(t)
	fillers := fill(t, s, h)
	var list []*pending
	for n := range maxWaiting {
		stream := fmt.Sprintf("sku-%d", n)
		list = append(list, start(background, t, s, stream, 0, facts(stream, 0, 1, 0)))
	}
	queued(s, maxWaiting)
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := s.Append(ctx, "sku-late", 0, facts("sku-late", 0, 1, 0)); !errors.Is(err, context.Canceled) || errors.Is(err, commands.ErrUnknownOutcome) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	late := start(background, t, s, "sku-late", 0, facts("sku-late", 0, 1, 0))
	h.release()
	late.ok()
	for _, p := range append(list, fillers...) {
		p.ok()
	}
	verify(t, s)
}

func TestBoundsOfAnAppend(t *testing.T) {
	s, _ := openHeld(t)
	long := strings.Repeat("x", MaxStreamBytes+1)
	for name, x := range map[string]struct {
		stream string
		list   []aggregates.NewEvent
	}{
		"no name":       {"", facts("a", 0, 1, 0)},
		"a long name":   {long, facts("a", 0, 1, 0)},
		"no type":       {"a", []aggregates.NewEvent{{Data: []byte("x")}}},
		"a long type":   {"a", []aggregates.NewEvent{{Type: strings.Repeat("x", MaxTypeBytes+1)}}},
		"a large event": {"a", facts("a", 0, 1, MaxEventBytes+1)},
		"many events":   {"a", make([]aggregates.NewEvent, MaxAppendEvents+1)},
		"many bytes":    {"a", facts("a", 0, MaxAppendBytes/MaxEventBytes+1, MaxEventBytes)},
	} {
		if _, err := s.Append(background, x.stream, 0, x.list); err == nil || errors.Is(err, commands.ErrUnavailable) {
			t.Errorf("%s: got %v, want an error of the request", name, err)
		}
	}
	at := facts(long[1:], 0, 2, MaxEventBytes)
	at[0].Type = strings.Repeat("x", MaxTypeBytes)
	if _, err := s.Append(background, long[1:], 0, at); err != nil {
		t.Errorf("at the bounds: %v", err)
	}
	if _, err := s.Append(background, "many", 0, facts("many", 0, MaxAppendEvents, 0)); err != nil {
		t.Errorf("at the bounds: %v", err)
	}
	if got := len(verify(t, s)["many"]); got != MaxAppendEvents {
		t.Errorf("%d events", got)
	}
}

func TestStatsAndSyncsAreTold(t *testing.T) {
	var syncs, events int
	s, err := Open(t.TempDir(), Options{OnSync: func(took time.Duration, n int) {
		syncs++
		events += n
		if took <= 0 {
			t.Errorf("a sync took %v", took)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		mustAppend(t, s, "sku-a", 2*n, 2)
	}
	mustAppend(t, s, "sku-a", 0, 2)
	if _, err := s.Append(background, "sku-a", 1, facts("sku-a", 7, 1, 0)); err == nil {
		t.Error("want a conflict")
	}
	got := s.Stats()
	if got.Events != 10 || got.End != 10 || got.Repeats != 1 || got.Conflicts != 1 || got.Syncs != 5 || got.Groups != 7 || got.DiskBytes == 0 || got.SyncTime <= 0 {
		t.Errorf("stats are %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if syncs != 5 || events != 10 {
		t.Errorf("told of %d syncs of %d events, want 5 of 10", syncs, events)
	}
}
