// Package projections runs read models: it hands the event store's records, decoded and in order, to
// projections, and has what they made of them written together with how far they have come.
//
// Guaranteed: the events of one stream are folded in order, those of different streams in parallel; what
// is readable was written, and the progress is never written before it; after any failure folding goes on from the last
// written progress, so no event is left out; a read model that lost something is built again from what is left, and is
// not read meanwhile; an event that cannot be read stops the projection at that
// event and is named in its status. Left to the projections: what they keep, and to skip events that a
// document already includes.
package projections
