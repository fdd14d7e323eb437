// Package availability keeps, for every SKU, what lies where and what each channel can sell of it, and tells those
// who watch what changed. It folds the streams "sku-…" and prices each document, with the one availability function
// of package stock, under the policies of package policies.
//
// Rules. The ATS of a document is computed as of the time its last event was recorded, or the last one of the channel's policy, never by
// a clock: the same events give the same bytes. A hold that ends later counts until its end is recorded, or until the next
// event of the SKU after its end, whichever comes first. When a policy changes, every read through this process is right
// at once, and a pass over all documents brings the stored values up to date beside live updates.
//
// A rule that begins or ends does so by an event as well, on the SKU's stream or that of the shared rules, soon after; until that is folded, a
// read of a value whose rules have changed since computes it as of the reader's time.
//
// Guaranteed: what is readable was written; readers see the versions of a SKU only grow; a watcher gets the last
// value of everything it watches, however slow it is and however often it comes back.
//
// Left to others: the answer decided on the stream itself, and the words of the API.
package availability
