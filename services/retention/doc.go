// Package retention takes out of old events what is not needed for numbers, in place: an event of a SKU that is condensed still says what moved,
// was promised or expected, when, where and at what cost, so that every fold, every balance at any past instant and every value stays what it
// was; the names of documents, reservations and orders, who acted and why are gone. Package codec has the form.
//
// Nothing is condensed that somebody may still ask for: what is about a reservation, an order or a document that the SKU's state
// knows, or about a reservation of the last month, which the index of reservations knows, and every event that speaks of the same ones; commands whose repetition would be recognised; rules; and the last event of a stream. Before the events of
// a SKU are rewritten, they are folded both ways: unless the states are equal byte for byte, and each event says the same of the past, the SKU is left as it is.
//
// Proofs hold: a condensed event carries the hash of its leaf, so the tree over all events, and every signed head of it, stay the same. What
// condensed events say is proved by the digest that is recorded when all are condensed.
package retention
