package load

import (
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Topics and types of the contract.
const (
	MovementsTopic = "stockfold.movements.v1"
	SalesTopic     = "stockfold.sales.v1"
	PolicyTopic    = "stockfold.policy.v1"
	OrdersTopic    = "stockfold.orders.v1"
	movementType   = "stockfold.movement.v1"
	saleType       = "stockfold.sale.v1"
	orderType      = "stockfold.order.v1"
)

// Sources of what is published: each store's tills, and the stocktake before them.
const (
	sourcePrefix = "pos-"
	countSource  = "stocktake"
)

// countNamespace is the name space of the ids of opening counts.
var countNamespace = uuid.MustParse("6a7d43f0-5c7e-5b19-9a26-6f70656e696e")

// sale is a basket as its till publishes it: one CloudEvent in binary mode, keyed by the store, so that its order is kept.
func sale(b *Basket) (kafka.Message, error) {
	s := &pb.Sale{Document: b.ID, Location: b.Store, Channel: StoreChannel, Lines: make([]*pb.SaleLine, len(b.Lines))}
	for i, line := range b.Lines {
		s.Lines[i] = &pb.SaleLine{Sku: line.SKU, Quantity: max(line.Quantity, -line.Quantity), Returned: line.Quantity < 0}
	}
	value, err := protojson.Marshal(s)
	return kafka.Message{Topic: SalesTopic, Key: []byte(b.Store), Value: value,
		Headers: cloudEvent(saleType, sourcePrefix+b.Store, b.ID, b.At)}, err
}

// count is what was counted of a SKU in a store as of an instant, keyed by the SKU. Its id follows from the rest, so
// that the same count is the same message.
func count(sku, store string, units int64, rule string, asOf time.Time) (kafka.Message, error) {
	value, err := protojson.Marshal(&pb.Movement{Sku: sku, Location: store, Quantity: units, Document: openingDocument,
		Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
	name := asOf.UTC().Format(time.RFC3339Nano) + "\x00" + rule + "\x00" + store + "\x00" + sku
	id := uuid.NewSHA1(countNamespace, []byte(name)).String()
	return kafka.Message{Topic: MovementsTopic, Key: []byte(sku), Value: value,
		Headers: cloudEvent(movementType, countSource, id, asOf)}, err
}

// openingDocument names the count that the opening balances belong to.
const openingDocument = "opening count"

// cloudEvent gives the headers of a CloudEvent 1.0 in binary mode.
func cloudEvent(kind, source, id string, at time.Time) []kafka.Header {
	return []kafka.Header{
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_type", Value: []byte(kind)},
		{Key: "ce_source", Value: []byte(source)},
		{Key: "ce_id", Value: []byte(id)},
		{Key: "ce_time", Value: []byte(at.UTC().Format(time.RFC3339Nano))},
		{Key: "content-type", Value: []byte("application/json")},
	}
}
