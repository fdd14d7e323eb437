// Package publication publishes changes of availability to the topic stockfold.availability.v1, for programs that keep
// a copy: channels, search indexes, storefront caches.
//
// It owns one watch over all channels, the form of the messages, and the position up to which everything is
// published. A message is a CloudEvent 1.0 in binary mode whose key is the SKU and whose data is the JSON mapping of an
// AvailabilityChanged, zero values included.
//
// It guarantees: a change is published after it is readable; the last value of every SKU and channel is published at
// least once, over restarts too, values of one SKU in order of their position. Values that were overtaken before they
// could be published are left out. The same value has the same event id however often it is published.
//
// It leaves to others what availability is (projections/availability) and how messages travel (adapters/kafka).
package publication
