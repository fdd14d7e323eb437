package load

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// summaryOf is of a load of ten lines and four opening counts.
func summaryOf(deadLettered int) *Summary {
	return &Summary{Survey: &Survey{Lines: 10}, Counts: 4, DeadLettered: deadLettered}
}

func printed(t *testing.T, s *Summary) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFactsRecordedNowAreToldFromThoseRecordedBefore(t *testing.T) {
	s, started := summaryOf(1), time.Now()
	s.tellApart(counted{100, []time.Time{started}}, counted{109, []time.Time{started}})
	if s.Applied != 9 || s.Duplicates != 4 {
		t.Errorf("%d applied, %d duplicates", s.Applied, s.Duplicates)
	}
	if got := printed(t, s); !strings.Contains(got, "applied now    9\n  duplicates     4\n  dead letters   1\n") {
		t.Error(got)
	}
}

// A service that restarts counts its facts from zero.
func TestARestartOfTheServiceIsNotCountedAsDuplicates(t *testing.T) {
	s, started := summaryOf(1), time.Now()
	s.tellApart(counted{100, []time.Time{started}}, counted{5, []time.Time{started.Add(time.Minute)}})
	got := printed(t, s)
	if !strings.Contains(got, "recorded       13, now or before: the service restarted") || strings.Contains(got, "-95") ||
		strings.Contains(got, "uplicates") {
		t.Error(got)
	}
}

func TestMessagesSentAgainAreNotShownBeyondTheTotal(t *testing.T) {
	shown := 0
	add := atMost(10, func(n int) { shown += n })
	add(7)
	add(7)
	add(0)
	if shown != 10 {
		t.Errorf("%d of 10", shown)
	}
}
