package ledger

// SetBlockEntries makes blocks small.
func SetBlockEntries(n int) { entriesPerBlock = n }
