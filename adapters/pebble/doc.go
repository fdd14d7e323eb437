// Package pebble is the embedded event store: events, dead letters, progress and snapshots in one Pebble database,
// in one directory, used by one process.
//
// It owns the directory. Events lie by position; an index tells which run of positions holds which revisions of a
// stream. One goroutine, the committer, orders all writes: it takes whatever waits, checks expected revisions, and
// hands one batch to the log; another waits for the log's sync, makes the batch visible and answers. While one sync
// runs the next group is prepared.
//
// It guarantees: what was answered is on disk; no event is read, or handed to a subscription, before it is on disk;
// positions are 1, 2, 3, … without gaps; an append is there wholly or not at all. Below a reserve of free disk space
// it refuses writes, and takes them again by itself when there is space. When the disk fails it stops serving, and
// says so; what it had answered is there after a restart.
//
// It leaves to its callers what the bytes mean, and to tell a token of this store from one of another by ID.
package pebble
