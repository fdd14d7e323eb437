package reconciliation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/publication"
	"github.com/stockfold/stockfold/services/reconciliation"
	"github.com/stockfold/stockfold/services/servicetest"
)

// patience bounds waiting for what must come; no test depends on how long it takes.
const patience = 30 * time.Second

// wire is a producer that may refuse.
type wire struct {
	mu    sync.Mutex
	fails error
}

func (w *wire) Publish(context.Context, []publication.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fails
}

func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails = err
}

// web is a shop whose changes are published by the real clock.
type web struct {
	*shop
	wire *wire
}

func startWeb(t *testing.T) *web {
	t.Helper()
	w := &web{&shop{World: servicetest.Start(t, servicetest.Options{Heartbeat: 10 * time.Millisecond}), t: t}, &wire{}}
	w.Shop()
	w.World.Publish(w.wire)
	w.Count("milk", 100)
	w.await("the count to be published", w.told)
	return w
}

// told tells whether everything is published.
func (w *web) told() bool {
	end, err := w.Store.End(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Publication.Status().Position >= end
}

func (w *web) await(what string, holds func() bool) {
	w.t.Helper()
	for limit := time.After(patience); !holds(); {
		select {
		case <-limit:
			w.t.Fatalf("waited in vain for %s: %+v", what, w.Publication.Status())
		case <-time.After(time.Millisecond):
		}
	}
}

// sell sells, and returns an instant right after it.
func (w *web) sell(quantity int64) aggregates.Instant {
	w.Move(&pb.Movement{Sku: "milk", Quantity: quantity, Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}})
	return w.Now()
}

// shows compares what the channel shows at an instant.
func (w *web) shows(document string, units int64, at aggregates.Instant) []*pb.Discrepancy {
	w.t.Helper()
	_, list := w.found(&pb.SnapshotHeader{Source: "shop", Document: document, AsOf: codec.Timestamp(at), Channel: "web"}, milk(units))
	return list
}

// A channel that shows what was available before a sale: the sale was not published, then published too late, and then it was told and shows something else.
func TestAChannelThatWasNotToldInTimeIsNamed(t *testing.T) {
	w := startWeb(t)
	w.wire.fail(errors.New("too large"))
	sold := w.sell(9)
	w.await("the trouble to be known", func() bool { return w.Publication.Status().Error != "" })
	d := one(t, w.shows("a", 100, sold), pb.DiscrepancyClass_DISCREPANCY_CLASS_NOT_DELIVERED)
	if d.Said != 100 || d.Held != 91 || len(d.Evidence) != 1 || d.Evidence[0].Kind != "publication" || !strings.Contains(d.Evidence[0].Text, "is not published") ||
		!strings.Contains(d.Evidence[0].Text, "too large") {
		t.Errorf("got %v", d)
	}
	w.wire.fail(nil)
	w.await("the sale to be published", w.told)
	d = one(t, w.shows("b", 100, sold), pb.DiscrepancyClass_DISCREPANCY_CLASS_NOT_DELIVERED)
	if len(d.Evidence) != 1 || !strings.Contains(d.Evidence[0].Text, "was published at") {
		t.Errorf("got %v", d)
	}
	one(t, w.shows("c", 100, w.Now()), pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED)
	if list := w.shows("d", 91, w.Now()); len(list) != 0 {
		t.Errorf("it shows what is available, and yet %v", list)
	}
}

// While nothing gets through, a channel may show what was available many changes ago; what it never was told, it cannot show.
func TestAChannelMayBeBehindByManyChanges(t *testing.T) {
	w := startWeb(t)
	w.wire.fail(errors.New("no"))
	var sold aggregates.Instant
	for range 12 {
		sold = w.sell(2)
	}
	d := one(t, w.shows("a", 100, sold), pb.DiscrepancyClass_DISCREPANCY_CLASS_NOT_DELIVERED)
	if d.Held != 76 || len(d.Evidence) != 12 {
		t.Errorf("got %v", d)
	}
	one(t, w.shows("b", 99, sold), pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED)
}

// What became of a change is said only where the records, or the position of publishing, tell.
func TestWhatBecameOfAChangeIsSaidOnlyWhereItIsKnown(t *testing.T) {
	w := startWeb(t)
	counted := reconciliation.Change{SKU: "milk", Channel: "web", Position: w.position("milk"), RecordedAt: w.Now().Add(-time.Hour), By: w.Now()}
	told := &reconciliation.Told{Records: w.Published, Checkpoints: w.Store, Since: func() (aggregates.Instant, bool) { return 0, true },
		Trouble: func() string { return "no" }}
	say := func(c reconciliation.Change) (reconciliation.Publication, bool) {
		t.Helper()
		p, known, err := told.Published(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return p, known
	}
	if p, known := say(counted); !known || p.At == 0 || p.At > counted.By {
		t.Errorf("told in time, whatever else there was: %+v, %v", p, known)
	}
	late := counted
	late.By = counted.RecordedAt
	if p, known := say(late); known {
		t.Errorf("recorded before the oldest record: %+v", p)
	}
	late.RecordedAt = w.Now()
	if p, known := say(late); !known || p.At <= late.By {
		t.Errorf("the first to tell of it, and late: %+v, %v", p, known)
	}
	told.Since = func() (aggregates.Instant, bool) { return 0, false }
	if p, known := say(late); known {
		t.Errorf("another replica publishes: %+v", p)
	}
	told.Since = func() (aggregates.Instant, bool) { return w.Now(), true }
	if p, known := say(late); known {
		t.Errorf("another replica published then: %+v", p)
	}
	for _, c := range []reconciliation.Change{{SKU: "milk", Channel: "store", Position: counted.Position}, {SKU: "tea", Channel: "web", Position: counted.Position}} {
		if p, known := say(c); known {
			t.Errorf("no record of %+v: %+v", c, p)
		}
	}
	if p, known := say(reconciliation.Change{SKU: "milk", Channel: "web", Position: counted.Position + 1_000}); !known || p.At != 0 || p.Trouble != "no" {
		t.Errorf("beyond what is published: %+v, %v", p, known)
	}
	err := w.Published.Record(t.Context(), []*pb.PublishedChange{{Sku: "tea", Channel: "web", Position: counted.Position + 7, PublishedAt: timestamppb.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	if p, known := say(reconciliation.Change{SKU: "tea", Channel: "web", Position: counted.Position, By: w.Now()}); !known || p.At == 0 {
		t.Errorf("a later value tells of it, too: %+v, %v", p, known)
	}
}

// position of the SKU's latest event.
func (w *web) position(sku string) (position uint64) {
	w.t.Helper()
	err := w.Store.ReadStreamBackwards(w.t.Context(), aggregates.SKUPrefix+sku, ^uint64(0), func(r aggregates.Record) bool {
		position = r.Position
		return false
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return position
}
