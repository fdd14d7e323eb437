package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is where a run took place.
type Machine struct {
	CPU    string `json:"cpu,omitempty"` // model; empty where the system does not tell
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes,omitempty"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel,omitempty"`
	Go     string `json:"go"`
	// Load is how many processes wanted a core in the minute before the run; what is above 0 takes from its figures.
	Load float64 `json:"load"`
}

// Where Linux tells about itself. Elsewhere there are no such files and the fields stay empty.
const (
	cpuFile    = "/proc/cpuinfo"
	memoryFile = "/proc/meminfo"
	kernelFile = "/proc/sys/kernel/osrelease"
	loadFile   = "/proc/loadavg"
	maxLine    = 64 << 10 // bytes read of such a file
)

func thisMachine() Machine {
	kernel, _ := os.ReadFile(kernelFile)
	load, _ := os.ReadFile(loadFile)
	first, _, _ := strings.Cut(string(load), " ")
	busy, _ := strconv.ParseFloat(first, 64) // 0 where it is not known
	return Machine{CPU: field(cpuFile, "model name"), Cores: runtime.NumCPU(), Memory: kilobytes(field(memoryFile, "MemTotal")),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: strings.TrimSpace(string(kernel)), Go: runtime.Version(), Load: busy}
}

func (m Machine) String() string {
	cpu, memory := m.CPU, ""
	if cpu == "" {
		cpu = "unknown CPU"
	}
	if m.Memory > 0 {
		memory = fmt.Sprintf(", %.0f GiB", float64(m.Memory)/(1<<30))
	}
	return fmt.Sprintf("%s, %d cores%s, %s/%s, %s; load before the run %.1f", cpu, m.Cores, memory, m.OS, m.Arch, m.Go, m.Load)
}

// field reads the first "name: value" of a file; "" when there is none.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	return fieldOf(io.LimitReader(f, maxLine), name)
}

func fieldOf(r io.Reader, name string) string {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// kilobytes reads "123 kB" as bytes; 0 for anything else.
func kilobytes(text string) int64 {
	number, ok := strings.CutSuffix(text, " kB")
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// peakMemory is the most memory that a process ever had resident, in bytes; 0 where the system does not tell.
func peakMemory(pid int) int64 {
	return kilobytes(field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM"))
}

// resident is the memory that a process has now, in bytes; 0 where the system does not tell.
func resident(pid int) int64 {
	return kilobytes(field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS"))
}

// Disk is how long the data directory takes to make a write of 4 KiB durable.
type Disk struct {
	SyncP50 float64 `json:"fsync_p50_ms"`
	SyncP99 float64 `json:"fsync_p99_ms"`
}

// Bounds of probing the disk.
const (
	diskWrites  = 200
	diskBlock   = 4 << 10
	diskTimeout = 3 * time.Second
)

// probeDisk appends to a file as the event store does, each write with an fsync.
func probeDisk(dir string) (d Disk, err error) {
	f, err := os.Create(filepath.Join(dir, "fsync.probe"))
	if err != nil {
		return d, fmt.Errorf("probe the disk: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	times := newClock()
	for end, i := time.Now().Add(diskTimeout), 0; i < diskWrites && time.Now().Before(end); i++ {
		from := time.Now()
		if _, err := f.Write(zeros[:diskBlock]); err != nil {
			return d, fmt.Errorf("probe the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return d, fmt.Errorf("probe the disk: %w", err)
		}
		times.record(0, time.Since(from))
	}
	if l := latency(times.histogram()); l != nil {
		d = Disk{l.P50, l.P99}
	}
	return d, nil
}
