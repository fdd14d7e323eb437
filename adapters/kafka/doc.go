// Package kafka reads and writes Apache Kafka, or anything that speaks its protocol, such as the embedded broker.
//
// It owns the consumer group (one goroutine per assigned partition, ended and waited for before the partition is given
// up), fetching, the producer, the creation of topics, and TLS and SASL. It reads through kafka-go's transport with the protocol's own
// fetch request, not through its Reader: an offset below the start of the log is an error and not a silent leap, the
// messages of aborted transactions are left out, and the start and end of the log are known with every answer.
//
// It guarantees that what Publish returned nil for is acknowledged by all in-sync replicas, and that one key always goes
// to one partition. It leaves to others what messages mean, and how far they were taken in: what it commits to the group
// is for tools to look at.
package kafka
