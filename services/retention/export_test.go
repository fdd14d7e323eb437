package retention

// KeepEvents has no more than so many events of a stream be kept in memory, until the function that it returns is called.
func KeepEvents(n uint64) (restore func()) {
	was := keptEvents
	keptEvents = n
	return func() { keptEvents = was }
}

// Rounds has no more than so many bytes be rewritten at once, until the function that it returns is called.
func Rounds(bytes int) (restore func()) {
	was := roundBytes
	roundBytes = bytes
	return func() { roundBytes = was }
}
