package projections

import "time"

// Status tells how far a projection has come.
type Status struct {
	Name     string
	Position uint64        // everything up to here is readable
	Lag      uint64        // positions between Position and the store's end when asked
	Delay    time.Duration // from the recording of the last event applied to its being readable
	Error    string        // why it does not move, when it does not
}
