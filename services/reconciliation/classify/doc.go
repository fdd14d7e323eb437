// Package classify says why a source's snapshot and the stock that was held differ, from evidence that is handed to it. It does no I/O and reads no clock: what
// is known of the place, of messages that did not arrive and of who is believed are arguments, so that each class can be tried on paper.
//
// The rules are tried in an order, what explains a difference to the unit first:
//
//  1. A fact that its source told of twice, under two ids, makes up the difference.
//  2. Held now as the source says, but not at the as-of time, or the other way round: facts came late, or waited in the message log.
//  3. Facts in the dead letters make up the difference; likely when they were made out of a message that breaks rules.
//  4. The source's own observations, which nobody applied since another system is believed, make up the difference.
//  5. A count that is not in force leads to what the source says.
//  6. A channel shows what was available before a change that was not published by then.
//  7. The quantities are in a ratio of decimals or of packs.
//  8. A dead letter is about the place, and cannot be read: what it would change nobody can say.
//  9. Messages about the SKU are missing: what was in them nobody can say.
//  10. Another system is believed about the place.
//
// What none explains is unexplained. Of several facts that add up to a difference the fewest are named; nothing counts that explains a part of it.
package classify
