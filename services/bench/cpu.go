package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU is the processor time that one call, line or event costs, in microseconds. Unlike rates it hardly changes when others use the
// machine, too. 0 where the system does not tell.
type CPU struct {
	Service  float64 `json:"service_us"` // in the service's process, what follows from the call there included
	Baseline float64 `json:"baseline_us,omitempty"`
	// Others are the processes that the service calls, by name.
	Others map[string]float64 `json:"others_us,omitempty"`
}

// userHertz is the unit of times in /proc/PID/stat, the same on every Linux.
const userHertz = 100

// cpuTime is the processor time that a process has used; 0 where the system does not tell.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return parseCPUTime(string(text))
}

// parseCPUTime reads user and system time, the 14th and 15th field. The second is a name in parentheses, which may
// contain anything.
func parseCPUTime(stat string) time.Duration {
	const afterName, user, system = 2, 13, 14 // numbers of fields, from 0
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= system-afterName {
		return 0
	}
	u, err := strconv.ParseInt(fields[user-afterName], 10, 64)
	if err != nil {
		return 0
	}
	s, err := strconv.ParseInt(fields[system-afterName], 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(u+s) * time.Second / userHertz
}

// meter sums up the processor time of a process, and the calls that it was for.
type meter struct {
	pid   int
	used  time.Duration
	calls int64
}

// around runs something that makes calls, and counts what the process uses meanwhile.
func (m *meter) around(run func() (calls int64, err error)) error {
	before := cpuTime(m.pid)
	n, err := run()
	m.used += cpuTime(m.pid) - before
	m.calls += n
	return err
}

// add counts all that a process has used since it was started.
func (m *meter) add(pid int, calls int64) {
	m.used += cpuTime(pid)
	m.calls += calls
}

// perCall is in microseconds.
func (m *meter) perCall() float64 {
	if m.calls == 0 {
		return 0
	}
	return float64(m.used.Microseconds()) / float64(m.calls)
}

// named is the meter of a process.
type named struct {
	name string
	*meter
}

// usage are the meters of several processes.
type usage []named

// around runs something that makes calls, and counts what each process uses meanwhile.
func (u usage) around(run func() (calls int64, err error)) (calls int64, err error) {
	if len(u) == 0 {
		return run()
	}
	err = u[0].around(func() (int64, error) {
		calls, err = u[1:].around(run)
		return calls, err
	})
	return calls, err
}

// perCall is in microseconds, of those processes of which it is known; nil when of none.
func (u usage) perCall() map[string]float64 {
	var all map[string]float64
	for _, m := range u {
		if used := m.meter.perCall(); used > 0 {
			if all == nil {
				all = map[string]float64{}
			}
			all[m.name] = used
		}
	}
	return all
}
