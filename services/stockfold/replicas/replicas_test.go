package replicas

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/adapters/kafka/kafkatest"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
)

// Three replicas share an event store, Kafka and Redis. Any of them answers any call, and none promises what another one
// has promised. While customers reserve and tills sell, each of the replicas is killed once, and each of what they share:
// nothing acknowledged is lost, nothing counts twice, nothing is promised twice.
func TestReplicas(t *testing.T) {
	x := three(t, byTLS)
	t.Run("any replica answers any call", func(t *testing.T) { anyReplicaAnswersAnyCall(t, x.cluster.replicas) })
	x.rush(t.Context(), 100, 400)
	x.stock(t.Context(), 8)
	x.underLoad(t.Context(), 4, x.faults)
	histories := x.settle(t.Context())
	a := examine(&x.ledger, histories)
	x.report(a, x.compare(t.Context(), histories, a))
}

// routes is how replicas hand SKUs to each other.
type routes int

const (
	alone      routes = iota // they do not
	inTheClear               // on loopback, by the port for callers
	byTLS                    // by a port of their own, with certificates
)

// three starts three replicas and what they share.
func three(t *testing.T, how routes) *run {
	kafkatest.Skip(t)
	binary := build(t, root)
	c := startShared(t, binary)
	if how != alone {
		c.peers = freeAddresses(t, 3)
	}
	if how == byTLS {
		certificates := redistest.NewCertificates(t)
		c.certificates = &certificates
	}
	for range 3 {
		c.add(binary)
	}
	return newRun(t, c)
}

// rush has many customers reserve the last units of a SKU at once, spread over the replicas.
func (x *run) rush(ctx context.Context, units, customers int) {
	x.open(ctx, "rush", int64(units), 0)
	var all sync.WaitGroup
	carts := make([]*cart, customers)
	for n := range carts {
		carts[n] = x.ledger.cart(cart{id: fmt.Sprint("rush-", n), sku: "rush", quantity: 1})
		all.Go(func() {
			s := &shopper{x, n, x.cluster.replicas[n%len(x.cluster.replicas):][:1]}
			carts[n].placed = s.reserve(ctx, carts[n])
		})
	}
	all.Wait()
	got := 0
	for _, c := range carts {
		if c.placed == acknowledged {
			got++
		}
	}
	if got != units {
		x.t.Errorf("%d of %d customers got one of %d units", got, customers, units)
	}
	x.t.Logf("%d units, %d customers at once: %d got one", units, customers, got)
}

// faults lets every process be killed once.
func (x *run) faults(ctx context.Context) {
	c := x.cluster
	for _, r := range c.replicas {
		left := slices.DeleteFunc(slices.Clone(c.replicas), func(o *replica) bool { return o == r })
		x.suffer(ctx, fault{name: r.name + " killed", left: left, happen: r.kill})
		r.start()
		r.awaitReady(ctx)
	}
	x.suffer(ctx, fault{"event store killed and started", c.replicas, c.store.kill, c.store.start})
	x.suffer(ctx, fault{"Redis killed and started empty", c.replicas, c.redis.Kill, c.redis.Run})
	x.suffer(ctx, fault{"broker killed and started", c.replicas, c.kafka.Kill, c.kafka.Restart})
}
