package replicas

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stockfold/stockfold/adapters/kafka"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
)

// takeover is how long it took, from a fault on, until each kind of work was done again.
type takeover struct {
	fault                                              string
	promises, ingest, projections, publication, expiry time.Duration
}

// fault is what happens to a cluster, and what is done about it.
type fault struct {
	name   string
	left   []*replica // that go on
	happen func()
	repair func() // at once, while the others go on; nil when nothing is done yet
}

// suffer lets a fault happen and measures until everything works again for those that are left: a reservation is
// acknowledged, a message of every partition is recorded, every replica shows it, its effect is published, and a hold ends.
func (x *run) suffer(ctx context.Context, f fault) {
	x.t.Helper()
	x.awaitShared(ctx)
	x.probes++
	sku := fmt.Sprint("probe-", x.probes)
	x.open(ctx, sku, 100, 100)
	held := x.shopper(0).hold(ctx, sku)
	took := takeover{fault: f.name}
	began := time.Now()
	f.happen()
	var all sync.WaitGroup
	all.Go(func() {
		x.shopper(0).hold(ctx, sku)
		took.promises = time.Since(began)
	})
	all.Go(func() {
		x.awaitExpiry(ctx, f.left, sku, held)
		took.expiry = max(0, time.Since(began)-shortHold*time.Second)
	})
	all.Go(func() {
		x.awaitFacts(ctx, f.left, sku, x.publishToAll(ctx, sku))
		took.ingest = time.Since(began)
		position := x.last(ctx, f.left, sku)
		all.Go(func() {
			x.awaitPublished(ctx, f.left[0], sku)
			took.publication = time.Since(began)
		})
		x.awaitVisible(ctx, f.left, sku, position)
		took.projections = time.Since(began)
	})
	if f.repair != nil {
		f.repair()
	}
	all.Wait()
	x.takeovers = append(x.takeovers, took)
	x.t.Logf("%s: all goes on after %s", f.name, short(max(took.promises, took.ingest, took.projections, took.publication, took.expiry)))
}

// awaitShared waits until every replica reads partitions, and all of them are read.
func (x *run) awaitShared(ctx context.Context) {
	x.t.Helper()
	eventually(ctx, x.t, "the partitions are shared among the replicas", func(ctx context.Context) bool {
		read := 0
		for _, r := range x.cluster.replicas {
			now, err := r.operations.GetStatus(ctx, &pb.GetStatusRequest{})
			if err != nil || len(now.Partitions) == 0 {
				return false
			}
			read += len(now.Partitions)
		}
		return read == len(ingest.Topics())*kafka.DefaultPartitions
	})
}

// last is the position of a SKU's last event.
func (x *run) last(ctx context.Context, list []*replica, sku string) (position uint64) {
	for _, e := range x.history(ctx, list[0], sku) {
		position = e.Position
	}
	return position
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// hold places a hold that soon ends.
func (s *shopper) hold(ctx context.Context, sku string) *cart {
	s.ledger.mu.Lock()
	n := len(s.ledger.carts)
	s.ledger.mu.Unlock()
	c := s.ledger.cart(cart{id: fmt.Sprintf("%s-hold-%d", sku, n), sku: sku, quantity: 1, lapses: true})
	if c.placed = s.reserve(ctx, c); c.placed != acknowledged {
		s.t.Errorf("a hold on %s was refused", sku)
	}
	return c
}

// publishToAll sends a message to every partition that facts come by.
func (x *run) publishToAll(ctx context.Context, sku string) []*fact {
	var facts []*fact
	var records []*kgo.Record
	for _, topic := range topics {
		for p := range kafka.DefaultPartitions {
			id, r := fmt.Sprintf("%s of %s/%d", sku, topic, p), (*kgo.Record)(nil)
			if topic == topics[0] {
				f := x.ledger.fact(fact{id: id, sku: sku, location: store, change: -1, by: byTill})
				facts, r = append(facts, f), saleRecord(f)
			} else {
				f := x.ledger.fact(fact{id: id, sku: sku, location: warehouse, change: 1, by: byMovement})
				facts, r = append(facts, f), receivedRecord(f)
			}
			r.Key, r.Partition = nil, int32(p)
			records = append(records, r)
		}
	}
	if err := x.kafka.ProduceSync(ctx, records...).FirstErr(); err != nil {
		x.t.Errorf("publish: %v", err)
		return nil
	}
	for _, f := range facts {
		f.told = acknowledged
	}
	return facts
}

// awaitFacts waits until all facts are in the SKU's history.
func (x *run) awaitFacts(ctx context.Context, list []*replica, sku string, facts []*fact) {
	eventually(ctx, x.t, "every partition is read", func(ctx context.Context) bool {
		there := map[string]bool{}
		for _, e := range x.history(ctx, list[0], sku) {
			there[e.Source.GetMessageId()] = true
		}
		return !slices.ContainsFunc(facts, func(f *fact) bool { return !there[f.id] })
	})
}

// awaitExpiry waits until the end of a hold is recorded.
func (x *run) awaitExpiry(ctx context.Context, list []*replica, sku string, c *cart) {
	eventually(ctx, x.t, "the end of a hold is recorded", func(ctx context.Context) bool {
		return slices.ContainsFunc(x.history(ctx, list[0], sku), func(e *pb.Event) bool {
			return e.GetReservationExpired().GetReservationId() == c.id
		})
	})
}

// awaitVisible waits until every replica shows a SKU as of a position or later.
func (x *run) awaitVisible(ctx context.Context, list []*replica, sku string, position uint64) {
	for _, r := range list {
		eventually(ctx, x.t, r.name+" shows what was recorded", func(ctx context.Context) bool {
			a, err := r.availability.GetAvailability(ctx, &pb.GetAvailabilityRequest{Sku: sku, Channel: web})
			return err == nil && a.Availability.Position >= position && a.Availability.AnsweredFrom == pb.AnsweredFrom_ANSWERED_FROM_UNSPECIFIED
		})
	}
}

// awaitPublished waits until what each channel can sell of a SKU, decided on its stream, is what was published last. Not every event
// changes it.
func (x *run) awaitPublished(ctx context.Context, r *replica, sku string) {
	for _, channel := range []string{web, till} {
		eventually(ctx, x.t, "changes are published", func(ctx context.Context) bool {
			a, err := r.availability.GetAvailability(ctx, &pb.GetAvailabilityRequest{Sku: sku, Channel: channel, Consistency: pb.Consistency_CONSISTENCY_STRONG})
			return err == nil && x.published.of(sku, channel).ats == a.Availability.Ats
		})
	}
}

// history reads all events of a SKU on a replica; none while it cannot.
func (x *run) history(ctx context.Context, r *replica, sku string) (all []*pb.Event) {
	page := ""
	for {
		limited, done := context.WithTimeout(ctx, callTimeout)
		answer, err := r.history.ListEvents(limited, &pb.ListEventsRequest{Sku: sku, Order: pb.ListEventsRequest_ORDER_OLDEST_FIRST, PageSize: 1000, PageToken: page})
		done()
		if err != nil {
			return nil
		}
		if all = append(all, answer.Events...); answer.NextPageToken == "" {
			return all
		}
		page = answer.NextPageToken
	}
}
