package history

// LimitTrace has traces end after so many bytes.
func LimitTrace(bytes int) (restore func()) {
	before := tracedBytes
	tracedBytes = bytes
	return func() { tracedBytes = before }
}
