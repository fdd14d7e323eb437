// Package views keeps the read models of one process in a Pebble database: availability, reservations and policies,
// each in a key space of its own.
//
// Guaranteed: a projection's documents and its progress are written in one batch; a document or progress never
// replaces a newer one, whoever writes first (the database merges by version, so no write reads); one process at a
// time. What is written is readable at once and stored together with what is written in the next moment, so that a SKU
// that changes all the time is encoded and stored twice a second. There is no log and no sync per write: after a crash a model is as it was after an earlier write, and goes on
// from there; Close loses nothing. A database that is damaged, of another format, or built from another event store is
// dropped and begun anew, with a line in the log; the projections then build it from the events. Left to others: what
// the documents mean.
package views
