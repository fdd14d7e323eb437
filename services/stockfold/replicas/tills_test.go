package replicas

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
)

// tillPause is between two rounds of receipts.
const tillPause = 40 * time.Millisecond

// tillSystem and warehouseSystem are the systems that facts come from.
const (
	tillSystem      = "tills"
	warehouseSystem = "wms"
)

// sell sells from the store and receives into the warehouse, by Kafka and by RPC, until ctx ends. Every seventh message
// is sent twice, as a producer does that did not hear of the first.
func (x *run) sell(ctx context.Context) {
	for n := 0; ctx.Err() == nil && !x.t.Failed(); n++ {
		var told []*fact
		var records []*kgo.Record
		for i := range 4 {
			f := x.ledger.fact(fact{id: fmt.Sprintf("receipt-%d-%d", n, i), sku: x.any(), location: store, change: -(1 + rand.Int64N(2)), by: byTill})
			told, records = append(told, f), append(records, saleRecord(f))
		}
		f := x.ledger.fact(fact{id: fmt.Sprintf("delivery-%d", n), sku: x.any(), location: warehouse, change: 1 + rand.Int64N(6), by: byMovement})
		told, records = append(told, f), append(records, receivedRecord(f))
		if n%7 == 0 {
			records = append(records, again(records[0]), again(records[len(records)-1]))
			x.repeated.Add(2)
		}
		if err := x.kafka.ProduceSync(context.WithoutCancel(ctx), records...).FirstErr(); err != nil {
			x.t.Errorf("a till got: %v", err)
			return
		}
		for _, f := range told {
			f.told = acknowledged
		}
		x.receive(context.WithoutCancel(ctx), x.ledger.fact(fact{id: fmt.Sprintf("pallet-%d", n), sku: x.any(), location: warehouse, change: 1, by: byRPC}))
		select {
		case <-time.After(tillPause):
		case <-ctx.Done():
		}
	}
}

func (x *run) any() string { return x.skus[rand.IntN(len(x.skus))] }

// receive records a fact by RPC.
func (x *run) receive(ctx context.Context, f *fact) {
	at := timestamppb.Now()
	o, err := anywhere(ctx, x.cluster.replicas, func(ctx context.Context, r *replica) error {
		_, err := r.stock.RecordMovements(ctx, &pb.RecordMovementsRequest{Movements: []*pb.Movement{{MovementId: f.id, Source: warehouseSystem,
			Sku: f.sku, Location: f.location, Quantity: f.change, OccurredAt: at, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
		return err
	})
	if f.told = o; o != acknowledged {
		x.t.Errorf("the warehouse got: %v", err)
	}
}

// saleRecord is the message of a till.
func saleRecord(f *fact) *kgo.Record {
	return record(ingest.TopicSales, ingest.TypeSale, tillSystem, f.id, map[string]any{"document": f.id, "location": f.location, "channel": till,
		"lines": []any{map[string]any{"sku": f.sku, "quantity": -f.change}}})
}

// receivedRecord is the message of a warehouse.
func receivedRecord(f *fact) *kgo.Record {
	return record(ingest.TopicMovements, ingest.TypeMovement, warehouseSystem, f.id, map[string]any{"sku": f.sku, "location": f.location,
		"quantity": f.change, "received": map[string]any{}})
}

// again is the same message once more.
func again(r *kgo.Record) *kgo.Record {
	return &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers}
}

// record is a CloudEvent in binary mode. Its key is its id, so that messages are spread over the partitions.
func record(topic, kind, source, id string, data map[string]any) *kgo.Record {
	value, err := json.Marshal(data)
	if err != nil {
		panic(err) // never: it is made of text and numbers
	}
	r := &kgo.Record{Topic: topic, Key: []byte(id), Value: value}
	for _, h := range [][2]string{{"specversion", "1.0"}, {"id", id}, {"source", source}, {"type", kind}, {"time", time.Now().UTC().Format(time.RFC3339Nano)}} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_" + h[0], Value: []byte(h[1])})
	}
	return r
}
