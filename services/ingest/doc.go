// Package ingest takes facts in from a message log (Kafka, or the embedded broker) and keeps those that cannot be
// applied.
//
// It owns the reading of messages (CloudEvents 1.0 in JSON, binary and structured mode, whose data is the JSON mapping of
// a message in the proto contract), one worker per assigned partition, the progress of each partition, and the dead
// letters with their replay.
//
// It guarantees: every message ends as recorded facts or as a dead letter, whatever it contains; a partition's progress
// only moves behind what is durable; the same message counts once, however often it is delivered; messages of one SKU
// are submitted in the order of their partition while messages of different SKUs are under way at once; when the
// store cannot serve, a partition waits and tries again, in order, and takes nothing new in: the lag grows, memory does
// not. A log that lost messages before they were read, or that was replaced by another, is an alarm: in the log, in
// the status and as a dead letter of its own.
//
// It leaves to others: validation and recording of facts (services/stock), the protocol of the log (adapters/kafka),
// where dead letters and progress are kept (an adapter of the store).
package ingest
