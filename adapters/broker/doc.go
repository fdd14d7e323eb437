// Package broker is the embedded message log: a Kafka-compatible broker on loopback, so that the service, and whoever
// tries it, needs no Kafka. It is franz-go's kfake, kept on disk.
//
// It owns a directory, which one process may use at a time, and one loopback port. It guarantees that what a producer
// got an acknowledgement for survives the end of the process and of the machine (every batch is synced, unless that is
// switched off), with the groups' offsets, and that messages of a topic with a reader, which that has not committed, are never deleted.
//
// Bounds: a partition keeps about KeepBytes; beyond that its older half is deleted, as far as it is read. In memory there are
// about 80 bytes for each batch that producers sent; at start after a crash the whole log is read, and held in memory
// for that moment. It is made for trying out, for tests and for one small machine; it has one node and no authentication.
package broker
