package kafkatest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child makes the test binary start a node and wait to be killed.
const child = "KAFKATEST_CHILD"

func TestIntegrationAKilledTestLeavesNoNodeBehind(t *testing.T) {
	if os.Getenv(child) != "" {
		n := Start(t, Options{})
		fmt.Println("pid", n.command.Process.Pid)
		select {}
	}
	Skip(t)
	c := exec.Command(os.Args[0], "-test.run", t.Name())
	c.Env = append(os.Environ(), child+"=1", "TMPDIR="+t.TempDir())
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			if pid, err = strconv.Atoi(text); err != nil {
				t.Error(err)
			}
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait()
	if pid == 0 {
		t.Fatal("the child started no node")
	}
	for limit := time.After(patience); syscall.Kill(pid, 0) == nil; {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			t.Fatal("the node still runs")
		}
	}
}

func TestIntegrationANodeComesBackWhereItWas(t *testing.T) {
	n := Start(t, Options{})
	before := n.Addr
	n.Freeze()
	n.Thaw()
	n.Kill()
	n.Kill()
	n.Restart()
	if n.Addr != before {
		t.Errorf("it serves at %s, before at %s", n.Addr, before)
	}
}
