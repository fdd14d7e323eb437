package ingest_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stockfold/stockfold/adapters/kafka"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

// orderReplica takes in the messages of orders from real brokers, beside others that share the work.
func orderReplica(t *testing.T, w *servicetest.World, addr string) *ingest.Service {
	t.Helper()
	c, err := kafka.NewConsumer(kafka.Config{Brokers: []string{addr}}, "orders", ingest.TopicOrders)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return ingest.New(ingest.Config{Consumer: c, Recorder: w.Recorder, Orders: w.Orders, Desk: w.Desk, Offsets: w.Store, Log: slog.New(slog.DiscardHandler)})
}

// Messages of orders come through real brokers by the path of all others: each twice, in any order and partition, compressed, beside
// aborted ones that say something else, while a consumer comes, another one goes, and the broker is killed.
func TestIntegrationOrdersComeToTheSameEnd(t *testing.T) {
	n := realKafka(t, nil)
	w := market(t)
	transactional, err := kgo.NewClient(kgo.SeedBrokers(n.Addr), kgo.TransactionalID("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transactional.Close)
	next, end := 0, make([]int64, partitions)
	send := func(messages []ingest.Message, commit kgo.TransactionEndTry) {
		t.Helper()
		if err := transactional.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			r := record(ingest.TopicOrders, int32(next%partitions), m)
			next++
			if err := transactional.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			end[r.Partition] = r.Offset + 1
		}
		if err := transactional.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	twice := append(stories(), stories()...)
	rand.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
	half := len(twice) / 2

	first, second := orderReplica(t, w, n.Addr), orderReplica(t, w, n.Addr)
	stop := run(t, first)
	var never []ingest.Message
	for i := range 6 { // each would reserve 5 more
		never = append(never, said(fmt.Sprint("never-", i), fmt.Sprint("never-", i),
			`"placed":{"channel":"market","sold":true,"lines":[{"line":"1","sku":"milk","quantity":"5"}]}`))
	}
	send(never, kgo.TryAbort)
	send(twice[:half], kgo.TryCommit)
	until(t, "the first half to be taken in", func() bool { return first.Stats().Messages >= uint64(half) })
	run(t, second)
	n.Kill() // not before the markers of the commit are in the partitions: brokers write them after they have answered
	n.Restart()
	send(never, kgo.TryAbort)
	send(twice[half:], kgo.TryCommit)
	stop()
	for partition, want := range end {
		until(t, fmt.Sprintf("partition %d to be taken in up to %d", partition, want), func() bool {
			p, _, err := w.Store.LoadOffset(t.Context(), ingest.TopicOrders, int32(partition))
			return err == nil && p.Next >= want
		})
	}
	if got := balances(t, w, "milk") + "; " + balances(t, w, "tea"); got != storiesEnd {
		t.Errorf("the orders end with %s, want %s", got, storiesEnd)
	}
	letters, _, err := w.Desk.List(t.Context(), ingest.Query{State: ingest.Open, Limit: 10})
	if err != nil || len(letters) > 0 {
		t.Errorf("letters %+v, %v", letters, err)
	}
	listed, err := pb.NewOrderServiceClient(w.Conn).ListOrders(t.Context(), &pb.ListOrdersRequest{PageSize: 100})
	if err != nil || len(listed.Orders) != 12 {
		t.Errorf("%d orders are listed, %v", len(listed.GetOrders()), err)
	}
	a, b := first.Stats(), second.Stats()
	facts, lost := a.Facts+b.Facts, a.Lost+b.Lost
	if facts > uint64(len(twice)/2) || lost > 0 {
		t.Errorf("of %d messages, each twice, %d were recorded, %d lost", len(twice)/2, facts, lost)
	}
	t.Logf("published %d, recorded %d, duplicates %d, dead letters %d; lost %d", len(twice), facts, a.Duplicates+b.Duplicates, len(letters), lost)
}
