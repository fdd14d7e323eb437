package ingest

// Topics that the service reads, a contract.
const (
	TopicMovements = "stockfold.movements.v1" // one Movement per message
	TopicSales     = "stockfold.sales.v1"     // one Sale per message
	TopicOrders    = "stockfold.orders.v1"    // one OrderMessage per message
	TopicPolicy    = "stockfold.policy.v1"    // one request of PolicyService per message, of the types that policy.TypeOf names
	TopicSnapshots = "stockfold.snapshots.v1" // one SnapshotChunk per message
)

// Topics are the topics that the service reads.
func Topics() []string {
	return []string{TopicMovements, TopicSales, TopicOrders, TopicPolicy, TopicSnapshots}
}

// Types of CloudEvents that the service understands, on either topic, a contract.
const (
	TypeMovement = "stockfold.movement.v1" // data is a Movement
	TypeSale     = "stockfold.sale.v1"     // data is a Sale
	TypeOrder    = "stockfold.order.v1"    // data is an OrderMessage; on the orders' topic only
	TypeSnapshot = "stockfold.snapshot.v1" // data is a SnapshotChunk; on the snapshots' topic only
)

// TopicRPC is the origin of a dead letter that came by StockService.RecordMovements.
const TopicRPC = "rpc"

// Group is the consumer group of the processes that write to an event store. Stores do not share one: each needs every
// message.
func Group(storeID string) string { return "stockfold-" + storeID }
