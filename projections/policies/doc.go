// Package policies is the directory of channels, locations and shared rules: what each of them is, and what each channel may
// sell, ready for the one availability function. It folds the streams "channel-…", "location-…" and "policy-…" in the
// store's order.
//
// Guaranteed: reads take no lock and see the directory as of one position; a channel's policy names only
// locations that are defined and enabled, and is another value whenever it differs; what is readable was
// written. Left to others: to compute availability, and to decide what a channel or location is.
package policies
