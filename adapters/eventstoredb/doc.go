// Package eventstoredb is the event store on an EventStoreDB cluster, by its official client: events, snapshots,
// checkpoints, dead letters and Kafka progress, all of them in streams.
//
// It owns the connection. A supervisor keeps one client, asks now and then whether the server is there, and makes a new
// client when the old one has lost it; the client's own way of reconnecting leaks connections and can end it for good, so
// it is kept from that. A leader that a node names is asked first whether it is there: the client would keep a connection
// open for each one that is not. What is left is a leader that goes away between that question and the client's own, within
// milliseconds; that connection is closed by nobody, since only the client ever held it. Before a new client is used it is asked for the store's identity: another store's positions and
// tokens are not this one's. Every call returns by its context's end, whatever the client does, and after
// Options.Timeout without one. What a lost connection interrupted is repeated: reads from where they were, appends with
// the same ids, subscriptions after the last event handed out.
//
// It guarantees what commands.Store, projections.Store, ingest.DeadLetters, ingest.Offsets and projections.Checkpoints
// say. Writes and reads ask for the leader. It takes the server's word for durability.
//
// # Streams
//
// A stream of ours has the same name there. Bytes that are not Unicode text, control characters, % and a leading $ are
// written as % and two hexadecimal digits. Beside them there are
//
//	stockfold-store              one event, the identity of the store
//	stockfold-snapshot-STREAM    the newest snapshot of a stream; $maxCount 1
//	stockfold-part-N-STREAM      the N-th further half MiB of a snapshot larger than that; $maxCount 1
//	stockfold-checkpoint-NAME    how far a process has come; $maxCount 1
//	stockfold-progress-N-TOPIC   how far partition N of a topic has been taken in; $maxCount 1
//	stockfold-letter-ID          every version of a dead letter
//	stockfold-letters            which dead letters there are, in which state
//
// Events are JSON where codec.JSON can give it, else application/octet-stream.
//
// # Rights
//
// The user of the connection string reads and writes streams, reads $all, and writes the metadata of streams whose name
// begins with stockfold-.
//
// # Limits of the server
//
// An append is one write there, and EventStoreDB takes at most 1 MiB in one unless it is told otherwise
// (MaxAppendSize). A batch of 4,096 reservations needs about 3 MiB: set it to 16 MiB. A larger append is refused by the
// server, and the error says so.
package eventstoredb
