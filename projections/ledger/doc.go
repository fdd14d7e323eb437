// Package ledger is the read model of the past: what lay where at any instant, on both axes of time, what it was worth, and what made it
// change.
//
// On the axis of recorded time an instant shows what was known then: every event up to the first one that was recorded later, by the
// store's order. As soon as such a later event is there, the answer is the same for ever. On the axis of occurred time it shows what
// was true then, as far as it is known at a position: late facts are where they belong, and what a count covers ends at the count.
//
// SKUs are dealt out to Groups groups. For each group and axis the postings lie in blocks, in order of their instant; each block begins with the
// state before its first posting, its checkpoint. A state of the past is a checkpoint and the postings after it in one block,
// however long the history is. What was posted last is in memory, at most Interval postings, and is then merged into the blocks: a late posting goes
// into the block of its instant, and the blocks of its group after that are written anew. What is in memory is read from the events again
// after a restart.
//
// It leaves to others: who may ask, the form of reports, and the rules of value (package valuation).
package ledger
