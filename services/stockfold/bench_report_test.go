package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	reportBegins = "<!-- report -->"
	reportEnds   = "<!-- end of the report -->"
)

// reporting runs the script that puts a report into a page, with a program that writes one, or fails, in place of the bench.
func reporting(t *testing.T, page, program string) (after, said string, err error) {
	t.Helper()
	dir := t.TempDir()
	path, binary := filepath.Join(dir, "page.md"), filepath.Join(dir, "program")
	for name, text := range map[string]string{path: page, binary: "#!/bin/sh\n" + program} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := script(t, []string{"PAGE=" + path, "BINARY=" + binary}, "--quick")
	c.Args[1] = ".ci/bench-report"
	out, err := c.CombinedOutput()
	text, failed := os.ReadFile(path)
	if failed != nil {
		t.Fatal(failed)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*", "report.md"))
	if more, _ := filepath.Glob(path + ".*"); len(left)+len(more) > 0 {
		t.Errorf("left behind: %q %q", left, more)
	}
	return string(text), string(out), err
}

// writes a report where it is told to.
const writes = `case "$*" in
"bench --quick --markdown page/report.md --json page/report.json --plots page") echo '| a new & better report |' >"$4"; echo '{}' >"$6" ;;
*) echo "called with $*"; exit 3 ;;
esac
`

func TestBenchReportTakesThePlaceOfTheLast(t *testing.T) {
	page := "# Title\n\n" + reportBegins + "\n\nthe last report\n\n" + reportEnds + "\n\nBy hand.\n"
	after, said, err := reporting(t, page, writes)
	want := "# Title\n\n" + reportBegins + "\n\n| a new & better report |\n\n" + reportEnds + "\n\nBy hand.\n"
	if err != nil || after != want {
		t.Fatalf("%v\n%s\n%s", err, said, after)
	}
	if again, said, err := reporting(t, after, writes); err != nil || again != want {
		t.Errorf("again: %v\n%s\n%s", err, said, again)
	}
}

func TestBenchReportLeavesThePageWhenItFails(t *testing.T) {
	page := reportBegins + "\nthe last report\n" + reportEnds + "\n"
	if after, said, err := reporting(t, page, "exit 3"); err == nil || after != page {
		t.Errorf("%v\n%s\n%s", err, said, after)
	}
	for _, page := range []string{"without marks\n", reportEnds + "\n" + reportBegins + "\n", page + page} {
		if after, said, err := reporting(t, page, writes); err == nil || after != page || !strings.Contains(said, "marks") {
			t.Errorf("%q: %v\n%s\n%s", page, err, said, after)
		}
	}
}

// The page has room for a report, and one in it; the rows that it names are there.
func TestThePageOfBenchmarksHoldsAReport(t *testing.T) {
	page := strings.Join(pageLines(t, "deploy/benchmarks.md"), "\n")
	_, rest, begins := strings.Cut(page, "\n"+reportBegins+"\n")
	report, _, ends := strings.Cut(rest, "\n"+reportEnds+"\n")
	if !begins || !ends {
		t.Fatal("the page has no marks of the report")
	}
	for _, need := range []string{"- machine: ", "- command: stockfold bench", "- stockfold bench, 20", "\n| row | "} {
		if !strings.Contains("\n"+report, need) {
			t.Errorf("the report has no %q", need)
		}
	}
}
