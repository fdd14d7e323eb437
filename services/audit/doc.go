// Package audit proves the history of a store. It signs heads of the tree over all events and records them; and it
// verifies a history against its seals and heads, wherever the events come from.
//
// It guarantees that a head is signed only when the tree that the newest recorded head stands for is the beginning of the tree
// now, so that a store that was changed stops growing heads instead of having the change signed. Seals and heads together show any change of what a head covers, to
// whoever has the head and the verifier key: seals alone show what was changed by somebody who did not compute all later ones anew.
// What the tree is made of is package projections/audit's.
package audit
