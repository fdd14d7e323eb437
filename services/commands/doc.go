// Package commands carries every change of a stream from a wish to a durable fact.
//
// It owns one mailbox per stream. A mailbox gathers what is waiting, decides each command in order on the state in
// memory, appends all their events as one batch at the expected revision, and only then answers. On a conflict it
// reads what others wrote and decides again, a bounded number of times; on an unknown outcome it repeats the same
// append, which the store recognises by its ids.
//
// It guarantees: no answer before the append is durable; commands of one stream take effect in the order in which
// they were submitted; a decision that recorded nothing was made on the stream's latest revision; a SKU's time does not
// go back when a clock does, by as much as maxBehind; the number of waiting commands and the memory of states are bounded.
//
// It leaves to the aggregates what is decided (retries included: an aggregate's state remembers its keys), and to
// the callers what to do when the store cannot serve.
package commands
