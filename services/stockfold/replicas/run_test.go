package replicas

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stockfold/stockfold/services/ingest"
)

// run is what is done to a cluster, and what was asked of it.
type run struct {
	t         *testing.T
	cluster   *cluster
	ledger    ledger
	skus      []string
	kafka     *kgo.Client
	published *published
	takeovers []takeover
	probes    int

	found, stale, repeated atomic.Int64 // reservations read right after a change; with an old status; messages sent twice
}

// newRun opens a cluster for business.
func newRun(t *testing.T, c *cluster) *run {
	t.Helper()
	c.open(t.Context())
	client, err := kgo.NewClient(kgo.SeedBrokers(c.kafka.Addr), kgo.RecordPartitioner(partitioner()), kgo.ProducerLinger(0),
		kgo.DisableIdempotentWrite(), // as simple producers are: what was not acknowledged is sent again
		kgo.RecordDeliveryTimeout(patience), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &run{t: t, cluster: c, kafka: client, published: follow(t, c.kafka.Addr)}
}

// partitioner honours the partition of a probe, and spreads everything else by key.
func partitioner() kgo.Partitioner {
	byKey := kgo.StickyKeyPartitioner(nil)
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		keyed := byKey.ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			if r.Key == nil {
				return int(r.Partition)
			}
			return keyed.Partition(r, n)
		}
	})
}

// stock puts SKUs on the shelves.
func (x *run) stock(ctx context.Context, n int) {
	for i := range n {
		sku := fmt.Sprintf("sku-%d", i)
		x.skus = append(x.skus, sku)
		x.open(ctx, sku, 30, 1_000_000)
	}
}

// open puts units of a SKU into the warehouse, and others into the store.
func (x *run) open(ctx context.Context, sku string, inWarehouse, inStore int64) {
	x.receive(ctx, x.ledger.fact(fact{id: "opening " + sku, sku: sku, location: warehouse, change: inWarehouse, by: byRPC}))
	x.receive(ctx, x.ledger.fact(fact{id: "opening of the store " + sku, sku: sku, location: store, change: inStore, by: byRPC}))
}

// underLoad does something while customers reserve and tills sell, and returns once everything that they asked for is
// answered.
func (x *run) underLoad(ctx context.Context, shoppers int, do func(context.Context)) {
	loading, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for n := range shoppers {
		all.Go(func() { x.shopper(n).shop(loading) })
	}
	all.Go(func() { x.sell(loading) })
	defer all.Wait()
	defer stop()
	do(ctx)
}

// topics that facts come by.
var topics = []string{ingest.TopicSales, ingest.TopicMovements}
