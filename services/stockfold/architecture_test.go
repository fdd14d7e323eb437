package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stockfold/stockfold/"

// root is the top of the repository, seen from this package.
const root = "../.."

// rules say which of our own packages the packages under a folder may import. The first that fits counts.
var rules = []struct {
	folder string
	may    []string
	why    string
}{
	{"aggregates", []string{"aggregates"}, "the domain knows nobody"},
	{"proto/gen", []string{"proto/gen"}, "the contract knows nobody"},
	{"proto/codec", []string{"aggregates", "proto/gen"}, "the stored form knows the domain and the contract"},
	{"proto", []string{"proto/gen"}, "the contract knows nobody"},
	{"projections", []string{"aggregates", "proto", "projections"}, "read models know the domain, not who keeps or asks them"},
	{"services/stockfold/load", []string{"proto/gen", "services/validation"}, "a tool is a client: it knows the contract"},
	{"services/bench", []string{"proto/gen", "services/validation"}, "a tool is a client: it knows the contract"},
	{"services/stockfold", []string{""}, "the binary puts everything together"},
	{"services", []string{"aggregates", "proto", "projections", "services"}, "services know interfaces, not what fills them"},
	{"adapters", []string{"aggregates", "proto", "projections", "services"}, "adapters know the interfaces they fill, not each other"},
	{"deploy", nil, "what operators take holds no code of the service"},
}

func TestArrowsPointInwards(t *testing.T) {
	for pkg, imports := range packages(t) {
		rule := slices.IndexFunc(rules, func(r struct {
			folder string
			may    []string
			why    string
		}) bool {
			return within(pkg, r.folder)
		})
		if rule < 0 {
			t.Errorf("package %s has no rule; is it in the right place?", pkg)
			continue
		}
		for _, i := range imports {
			ours, is := strings.CutPrefix(i, module)
			if is && forTests(ours) && !forTests(pkg) {
				t.Errorf("%s imports %s, which is for tests", pkg, ours)
			}
			if is && !forTests(pkg) && !slices.ContainsFunc(rules[rule].may, func(f string) bool { return within(ours, f) }) && !sameAdapter(pkg, ours) {
				t.Errorf("%s imports %s: %s", pkg, ours, rules[rule].why)
			}
		}
	}
}

// The domain does no I/O, reads no clock, and draws on no library but Go's own.
func TestTheDomainIsPure(t *testing.T) {
	outside := []string{"os", "net", "log", "io/fs", "syscall", "database/sql", "math/rand", "crypto/rand", "runtime", "context"}
	for pkg, imports := range packages(t) {
		if !within(pkg, "aggregates") {
			continue
		}
		for _, i := range imports {
			if strings.Contains(i, ".") && !strings.HasPrefix(i, module) || slices.ContainsFunc(outside, func(o string) bool { return within(i, o) }) {
				t.Errorf("%s imports %s", pkg, i)
			}
		}
	}
	err := filepath.WalkDir(filepath.Join(root, "aggregates"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		if bytes.Contains(code, []byte("time.Now(")) || bytes.Contains(code, []byte("time.Since(")) {
			t.Errorf("%s reads the clock", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheTopLevelHoldsNothingElse(t *testing.T) {
	allowed := strings.Fields(`proto services projections aggregates adapters deploy buf.yaml buf.gen.yaml go.mod go.sum Makefile
		README.md ARCHITECTURE.md CONTRIBUTING.md LICENSE`)
	ignored := strings.Fields(`stockfold stockfold-data stockfold-cluster`) // what make run and the README's commands leave behind, not part of the repository
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) && !slices.Contains(ignored, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
	for _, name := range allowed {
		if !slices.Contains(found, name) {
			t.Errorf("%s is missing at the top level", name)
		}
	}
}

// packages gives every package of ours with what it imports, tests left out.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	list := map[string][]string{}
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		fields := strings.Fields(s.Text())
		list[strings.TrimPrefix(fields[0], module)] = fields[1:]
	}
	if len(list) < 10 {
		t.Fatalf("only %d packages found", len(list))
	}
	return list
}

// within tells whether a package lies in a folder, or is it. Everything lies in the folder "".
func within(pkg, folder string) bool {
	return folder == "" || pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

// forTests tells whether a package only serves the tests of others, like adapters/storetest. It may know all, and only
// tests may import it.
func forTests(pkg string) bool { return strings.HasSuffix(pkg, "test") }

// sameAdapter tells whether both are parts of one adapter, like adapters/pebble and adapters/pebble/views.
func sameAdapter(a, b string) bool {
	x, y := strings.SplitN(a, "/", 3), strings.SplitN(b, "/", 3)
	return len(x) > 1 && len(y) > 1 && x[0] == "adapters" && y[0] == "adapters" && x[1] == y[1]
}
