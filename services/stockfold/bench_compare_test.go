package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compareScript compares a change with what it is based on.
const compareScript = ".ci/bench"

// script prepares the script with settings.
func script(t *testing.T, settings []string, args ...string) *exec.Cmd {
	t.Helper()
	for _, need := range []string{"bash", "awk", "git"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("%s is not installed", need)
		}
	}
	c := exec.CommandContext(t.Context(), "bash", append([]string{compareScript}, args...)...)
	c.Dir, c.Env = root, append(os.Environ(), settings...)
	return c
}

// comparison is what benchstat says of one benchmark: seconds, bytes and allocations, before and after, with how sure it is.
func comparison(name, seconds, bytes, allocations string) string {
	return "goos: linux\npkg: a\n,base.txt,,change.txt,,,\n,sec/op,CI,sec/op,CI,vs base,P\n" + name + "," + seconds + "\ngeomean,1,,9,,+800.00%,\n\n" +
		",base.txt,,change.txt,,,\n,B/op,CI,B/op,CI,vs base,P\n" + name + "," + bytes + "\n\n" +
		",base.txt,,change.txt,,,\n,allocs/op,CI,allocs/op,CI,vs base,P\n" + name + "," + allocations + "\n\n" +
		",base.txt,,change.txt,,,\n,events/s,CI,events/s,CI,vs base,P\n" + name + ",1,0%,9,0%,+800.00%,p=0.000 n=8\n"
}

func TestBenchVerdict(t *testing.T) {
	const same, p = "100,1%,100,1%,~,p=1.000 n=8", ",p=0.000 n=8"
	for _, c := range []struct {
		seconds, bytes, allocations string
		worse                       string // the unit; empty when nothing is
	}{
		{same, same, same, ""},
		{"100,1%,139,1%,+39.00%" + p, "100,1%,109,1%,+9.00%" + p, "100,0%,105,0%,+5.00%" + p, ""},
		{"100,1%,141,1%,+41.00%" + p, same, same, "sec/op"},
		{"100,90%,500,90%,~,p=0.090 n=8", same, same, ""}, // noise
		{same, "100,1%,111,1%,+11.00%" + p, same, "B/op"},
		{same, same, "100,0%,106,0%,+6.00%" + p, "allocs/op"},
		{same, same, "0,0%,1,0%,?" + p, "allocs/op"},
		{"100,1%,10,1%,-90.00%" + p, "100,1%,0,1%,-100.00%" + p, "100,0%,0,0%,-100.00%" + p, ""},
		{"100,1%", same, same, ""}, // only in the base
	} {
		v := script(t, nil, "verdict")
		v.Stdin = strings.NewReader(comparison("Move-2", c.seconds, c.bytes, c.allocations))
		out, err := v.CombinedOutput()
		if (err != nil) != (c.worse != "") || c.worse != "" && !strings.HasPrefix(string(out), "worse: Move-2, "+c.worse+": ") || c.worse == "" && len(out) > 0 {
			t.Errorf("%+v: %v, %s", c, err, out)
		}
	}
	v := script(t, []string{"TIME=50"}, "verdict")
	v.Stdin = strings.NewReader(comparison("Move-2", "100,1%,141,1%,+41.00%"+p, same, same))
	if out, err := v.CombinedOutput(); err != nil {
		t.Errorf("41%% more of 50%% allowed: %v, %s", err, out)
	}
}

// One round with the last commit finds nothing, since one round is not significant, and leaves nothing behind.
func TestBenchCompareWithTheLastCommit(t *testing.T) {
	out := t.TempDir()
	c := script(t, []string{"COUNT=1", "SUITE=aggregates/stock", "OUT=" + out, "TMPDIR=" + t.TempDir()}, "HEAD")
	for _, need := range [][]string{{"git", "rev-parse", "--verify", "HEAD"}, {"go", "tool", "-modfile=.ci/tools/go.mod", "-n", "benchstat"}} {
		can := exec.Command(need[0], need[1:]...)
		if can.Dir = root; can.Run() != nil {
			t.Skipf("%q does not work here", need)
		}
	}
	said, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "nothing got significantly worse") {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, side := range []string{"base.txt", "change.txt"} {
		text, err := os.ReadFile(filepath.Join(out, side))
		if err != nil || strings.Count(string(text), "BenchmarkMove") != 1 || strings.Count(string(text), "BenchmarkReserveConfirm/holds=10/ends-within=4500s") != 1 {
			t.Errorf("%s: %s (%v)", side, text, err)
		}
	}
	list := exec.Command("git", "worktree", "list")
	list.Dir = root
	if trees, err := list.Output(); err != nil || strings.Contains(string(trees), c.Env[len(c.Env)-1][len("TMPDIR="):]) {
		t.Errorf("left behind: %s (%v)", trees, err)
	}
}

func TestBenchCompareRefusesWhatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		settings []string
		base     string
	}{{nil, "no-such-commit"}, {[]string{"SUITE=no-such-package"}, "HEAD"}} {
		said, err := script(t, append(c.settings, "TMPDIR="+t.TempDir()), c.base).CombinedOutput()
		if err == nil || !strings.Contains(string(said), "no-such") {
			t.Errorf("%+v: %v\n%s", c, err, said)
		}
	}
}
