// Package load publishes a file of till receipts as a retailer's tills would have: stores and channels are defined
// and items registered over gRPC, an opening count per SKU and store and every basket go through Kafka. It then
// waits until all of it is applied, says what became of every line, and can check each final balance against a sum
// of its own.
//
// Everything it sends is derived from the file, so that sending it again changes nothing. The file is read twice,
// first to check it as a whole and to learn its totals, then to publish it: a bad line is found before anything is
// sent. Memory grows with the number of different SKUs, stores and pairs of them, each bounded, not with lines.
//
// The package is a client: it knows the contract in proto and the topics' form, and nothing of the service's inside.
package load
