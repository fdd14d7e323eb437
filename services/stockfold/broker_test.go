package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// brokerOf runs the subcommand and returns its address and what ends it, giving the exit code.
func brokerOf(t *testing.T, args ...string) (address string, end func() int) {
	t.Helper()
	return server(t, `"kafka-brokers":"([^"]+)"`, append([]string{"broker", "--broker", "127.0.0.1:0"}, args...)...)
}

// What was published is there after a restart, and where serve would look for it.
func TestABrokerOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	message := `{"sku": "tea", "location": "dc", "quantity": 10, "received": {}}`
	for _, says := range []string{"offset 0,", "offset 1,"} {
		addr, end := brokerOf(t, "--data", dir)
		var out, trouble strings.Builder
		if code := run(t.Context(), []string{"publish", "--kafka-brokers", addr, "movement", message}, streams{&out, &trouble}); code != 0 ||
			!strings.Contains(out.String(), says) {
			t.Errorf("publish ends with %d, want %q:\n%s%s", code, says, &out, &trouble)
		}
		if code := end(); code != 0 {
			t.Errorf("stopped with %d", code)
		}
	}
	c := testConfig(t)
	c.Data = dir
	n := startNode(t, c)
	if out, trouble, code := (client{t, n}).run("publish", "movement", message); code != 0 || !strings.Contains(out, "offset 2,") {
		t.Errorf("serve went on elsewhere: %s%s", out, trouble)
	}
}

func TestABrokerThatCannotStartSaysWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, _ := brokerOf(t, "--data", t.TempDir())
	for problem, args := range map[string][]string{
		"not on loopback":                  {"--broker", "0.0.0.0:0"},
		"choose another one with --broker": {"--broker", taken},
		"must be 1 to 1048576 MiB, is 0":   {"--keep", "0"},
		"broker directory":                 {"--data", filepath.Join(file, "x")},
	} {
		var out strings.Builder
		args = append([]string{"broker", "--broker", "127.0.0.1:0", "--data", t.TempDir()}, args...)
		if code := run(t.Context(), args, streams{&out, &out}); code != 1 || !strings.Contains(out.String(), problem) {
			t.Errorf("%q: ends with %d:\n%s", args, code, &out)
		}
	}
}
