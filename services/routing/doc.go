// Package routing hands what is to be decided on one SKU to one of the replicas, so that customers of a hot SKU wait in one
// mailbox instead of each replica writing past the others.
//
// Every replica knows the addresses of all, and ranks them for each SKU by rendezvous hashing; the first that is not known
// to be away decides. Nothing depends on their agreeing, on the list or on anything else: whoever decides appends at the
// expected revision, and a call repeated counts once. So whatever is wrong with the other replica, the call is decided here.
//
// A call that was handed on is decided where it came to: Desk has no way to others, and what Reservations and Stock get by
// the ordinary port with the mark of such a call they decide. On a network that others share, replicas make sure of each
// other by certificates (Identity). Which calls are handed on is in reservations.go and stock.go. Orders are not, nor are
// batches of reservations, as they are about many SKUs, nor is what comes by Kafka, whose partitions give a SKU to one replica anyway.
package routing
