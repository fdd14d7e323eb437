// Package stock is where physical facts enter the service, and where the stock of a SKU is read.
//
// It owns the Recorder, the one way in for facts, whether they come by RPC or by Kafka: it validates every field,
// checks the clock and the location, gives each fact its idempotency key and fingerprint, and submits it to the SKU's
// stream. Beside it stand the gRPC StockService and the measure of each source's delay.
//
// It guarantees: a fact is recorded at most once per idempotency key, which follows from the source's name and the
// source's own id of the fact (and the line, for a sale); what cannot be recorded comes back as a *Rejection, fit for a
// dead letter, and whatever else goes wrong as an error after which the same fact may be submitted again.
//
// It leaves to others: what a fact changes (aggregates/stock), ordering and durability (services/commands), reading
// messages and keeping dead letters (services/ingest).
package stock
