package bench

import (
	"encoding/json"
	"io"
	"time"
)

// Report is what a run found. Its JSON form is stable: fields are only added.
type Report struct {
	Date    time.Time `json:"date"`
	Command string    `json:"command"`
	Version string    `json:"version,omitempty"`
	Machine Machine   `json:"machine"`
	Disk    Disk      `json:"disk"`
	Quick   bool      `json:"quick"`
	Rounds  int       `json:"rounds"`
	Seconds float64   `json:"seconds"` // of a round's window
	// GrowthRounds and GrowthSeconds are those of the rows of growth.
	GrowthRounds  int     `json:"growth_rounds"`
	GrowthSeconds float64 `json:"growth_seconds"`
	SKUs          int     `json:"skus"` // of the catalogue
	Connections   int     `json:"connections"`
	TookSeconds   float64 `json:"took_seconds"`
	// PeakMemory is the most memory that any server process had resident, in bytes; 0 where the system does not tell.
	PeakMemory int64    `json:"peak_memory_bytes,omitempty"`
	Figures    []Figure `json:"figures"`
}

func newReport(o Options, e effort, dir string) (*Report, error) {
	disk, err := probeDisk(dir)
	return &Report{Date: time.Now(), Command: o.Command, Version: o.Version, Machine: thisMachine(), Disk: disk, Quick: o.Quick,
		Rounds: e.rounds, Seconds: e.window.Seconds(), GrowthRounds: e.growthRounds, GrowthSeconds: e.growthWindow.Seconds(), SKUs: e.skus, Connections: connections}, err
}

// Missed are the figures that do not reach their targets.
func (r *Report) Missed() []Figure {
	var missed []Figure
	for _, f := range r.Figures {
		if f.Met != nil && !*f.Met {
			missed = append(missed, f)
		}
	}
	return missed
}

// WriteJSON writes the report for machines.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
