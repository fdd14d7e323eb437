// Package esdbserver puts an event store of ours behind EventStoreDB's own gRPC protocol, so that its official clients
// read, follow and write it.
//
// It owns the protocol: Streams (Append, BatchAppend and Read, which is also how clients subscribe), Gossip,
// ServerFeatures and gRPC health. It guarantees what EventStoreDB guarantees there: expected revisions, appends that are
// known again by the ids of their events, reads and subscriptions without gaps, checkpoints of filtered subscriptions,
// caught-up. What it does not do, it refuses with UNIMPLEMENTED: deleting and tombstoning, persistent subscriptions,
// projections, users, link events, access lists and ages in stream metadata, and regular expressions beyond RE2. A
// server that only reads refuses writes with PERMISSION_DENIED. It leaves durability and order to the store.
//
// # Events
//
// An event of this service is stored as canonical protobuf, and appears as two JSON documents (codec.JSON): the fact as
// data, all else as metadata, with $correlationId and $causationId. Documents that arrive are stored as protobuf when
// protobuf gives back equal documents; the time of creation is then the event's own recordedAt. Every other event, of
// whatever type, stream and content, is kept as it came, in an envelope with the time it came at, and comes back byte for
// byte. An event that is in the store in another form appears as application/octet-stream, created at 1970-01-01.
//
// # Positions
//
// Commit and prepare position are the same number: the event's position in the store. Reading $all forwards from a
// position includes it, backwards and subscribing exclude it, as in EventStoreDB.
//
// # Stream metadata
//
// $maxCount and $tb (truncate before) in the stream $$NAME hide events from reads of NAME. $cacheControl and names of
// others are kept and have no effect. Hidden events keep their place on disk.
package esdbserver
