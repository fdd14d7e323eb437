package pebble

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

const killDirectory = "STOCKFOLD_TEST_KILL"

// TestKilledProcess starts this test's binary again as a writer, kills it without warning while it writes, opens what
// it left and looks for everything that it had acknowledged. Then again, on the same directory.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(killDirectory); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	l := newLedger()
	for round := range 4 {
		l.events = append(l.events, killed(t, dir, 150+100*round)...)
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := l.check(s); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d events acknowledged", len(l.events))
}

// killed runs a writer, kills it once it has acknowledged a number of events, and returns all that it acknowledged.
func killed(t *testing.T, dir string, after int) []aggregates.Record {
	t.Helper()
	writer := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$")
	writer.Env = append(os.Environ(), killDirectory+"="+dir)
	writer.Stderr = os.Stderr
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	var list []aggregates.Record
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a line cut off by the kill is no acknowledgement that we saw
			break
		}
		r, err := parseAcknowledged(line)
		if err != nil {
			t.Fatalf("the writer said %q: %v", line, err)
		}
		if list = append(list, r); len(list) == after {
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := writer.Wait(); err == nil || len(list) < after {
		t.Fatalf("the writer ended by itself after %d events: %v", len(list), err)
	}
	return list
}

func parseAcknowledged(line string) (r aggregates.Record, err error) {
	parts := strings.Fields(line)
	if len(parts) != 3 {
		return r, fmt.Errorf("%d fields", len(parts))
	}
	n, err1 := strconv.Atoi(parts[1])
	position, err2 := strconv.ParseUint(parts[2], 10, 64)
	return aggregates.Record{NewEvent: fact(parts[0], n, killSize(n)), Stream: parts[0], Revision: uint64(n), Position: position}, firstError(err1, err2)
}

func killSize(n int) int { return n * 37 % 3000 }

// writeUntilKilled goes on with streams where they end, and says what was acknowledged.
func writeUntilKilled(t *testing.T, dir string) {
	s, err := Open(dir, Options{memTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var says sync.Mutex
	var all sync.WaitGroup
	for w := range 8 {
		stream := fmt.Sprintf("sku-%d", w)
		all.Go(func() {
			for n := length(t, s, stream); ; n++ {
				got, err := s.Append(background, stream, uint64(n), []aggregates.NewEvent{fact(stream, n, killSize(n))})
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				says.Lock()
				_, err = io.WriteString(os.Stdout, fmt.Sprintf("%s %d %d\n", stream, n, got.Position))
				says.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
}
