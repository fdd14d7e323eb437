// Package views keeps the read models of one process in a Pebble database: availability, reservations and policies,
// each in a key space of its own.
//
// Guaranteed: a projection's documents and its progress are written in one batch; a document or progress never
// replaces a newer one, whoever writes first (the database merges by version, so no write reads); one process at a
// time. Writes are not synced: after a crash a model is as it was after one of its last writes, and goes on from
// there. A database that is damaged, of another format, or built from another event store is dropped and begun anew,
// with a line in the log; the projections then build it from the events. Left to others: what the documents mean.
package views
