// Package reservations finds reservations by id, by SKU and by the end of their holds. It folds the reservation events
// of the streams "sku-…". A reservation is known by its id and SKU together.
//
// Guaranteed: what is readable was written; a reservation that was placed before Get was called is found, on any
// replica; an ended one is kept for Keep after its end, by the recorded time of later events. Left to others: to
// decide anything about a reservation, and to record that a hold has ended.
package reservations
