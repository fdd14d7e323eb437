package bench

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestCPUTimeIsReadFromWhatLinuxTells(t *testing.T) {
	line := "4711 (stock (fold) x) S 1 4711 4711 0 -1 4194560 100 0 0 0 250 33 0 0 20 0 9 0 100 1000 10"
	if got := parseCPUTime(line); got != 2830*time.Millisecond {
		t.Errorf("%s", got)
	}
	for _, odd := range []string{"", "1 (x) S 2", "4711 (x) S 1 4711 4711 0 -1 4194560 100 0 0 0 a 33", "4711 (x) S 1 4711 4711 0 -1 4194560 100 0 0 0 1 a"} {
		if got := parseCPUTime(odd); got != 0 {
			t.Errorf("%q: %s", odd, got)
		}
	}
}

func TestAMeterCountsTheTimeOfItsProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell")
	}
	m := &meter{pid: os.Getpid()}
	reason := errors.New("reason")
	err := m.around(func() (int64, error) {
		for from := cpuTime(m.pid); cpuTime(m.pid)-from < 50*time.Millisecond; {
		}
		return 10, reason
	})
	if !errors.Is(err, reason) || m.perCall() < 5_000 {
		t.Errorf("%g µs a call (%v)", m.perCall(), err)
	}
	if (&meter{}).perCall() != 0 || cpuTime(-1) != 0 {
		t.Error("what nobody did took time")
	}
}
