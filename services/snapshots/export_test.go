package snapshots

import "time"

// BePatient has answers of services made from now on wait for their readers so long.
func BePatient(d time.Duration) (restore func()) {
	before := patience
	patience = d
	return func() { patience = before }
}
