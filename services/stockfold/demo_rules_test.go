//go:build unix

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page on the rules of the demonstration data is a program, too: its commands are run in their order after make run, answers hold what the page
// shows of them, and what is printed for people has the lines that the page shows, in their order.
func TestRulesOfTheDemonstration(t *testing.T) {
	t.Parallel()
	page := readBlocks(t, filepath.Join(root, "deploy", "demo", "rules.md"))
	if len(page) < 20 {
		t.Fatalf("the page has %d blocks", len(page))
	}
	ctx, cancel := context.WithTimeout(context.Background(), readmeTimeout)
	t.Cleanup(cancel) // after make run was stopped
	r := startReader(t, ctx)
	for i, b := range page {
		if b.lang != "sh" {
			continue
		}
		ok := t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
			out := r.do(t, ctx, b)
			switch next := i + 1; {
			case next < len(page) && page[next].lang == "json":
				wantPart(t, out, page[next].text)
			case next < len(page) && page[next].lang == "text":
				wantLines(t, out, page[next].text)
			}
		})
		if !ok {
			break // what comes next stands on it
		}
	}
}

// varies is what differs from run to run in what is printed for people: when something was recorded, and as which event.
var varies = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|\d+ days|\(event \d+\)`)

// wantLines checks that what was printed has the lines that a page shows, each at the end of a line of its own, in their order.
func wantLines(t *testing.T, got, want string) {
	t.Helper()
	rest := strings.Split(varies.ReplaceAllString(got, "…"), "\n")
	for line := range strings.Lines(varies.ReplaceAllString(want, "…")) {
		line = strings.TrimSuffix(line, "\n")
		for len(rest) > 0 && !strings.HasSuffix(rest[0], line) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			t.Fatalf("the page shows\n%s\nwhich does not come in\n%s", line, got)
		}
		rest = rest[1:]
	}
}
