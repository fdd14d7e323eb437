package policyfile

import (
	"fmt"
	"slices"
	"strings"
)

// maxProblems is how many problems of a file are told; it says how many more there are.
const maxProblems = 1_000

// Problem is something wrong with a file.
type Problem struct {
	Line int
	Text string
}

// Error says everything that is wrong with a file.
type Error struct {
	File     string
	Problems []Problem // in order of line
	More     int       // beside them
}

func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", e.File, p.Line, p.Text))
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", e.File, e.More))
	}
	return strings.Join(lines, "\n")
}

// reading is a file being read: its rules, and what is wrong with it.
type reading struct {
	rules    []Rule
	problems []Problem
	more     int
}

func (r *reading) fail(line int, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		r.more++
		return
	}
	r.problems = append(r.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// add takes a rule in whose fields were read.
func (r *reading) add(k *kind, x Rule) {
	_, m := kindOf(x.PolicyRule)
	said := k.all
	for _, about := range x.about {
		said = said || about != ""
	}
	switch {
	case !said:
		r.fail(x.Line, "%s: the rule says nothing of what it is about; give %s", k.name, strings.Join(k.about, ", "))
	case k.says != nil && !k.says(m.Interface()):
		r.fail(x.Line, "%s: the rule about %s says nothing; leave it out, and apply with --prune to take it away", k.name, x.About())
	default:
		r.rules = append(r.rules, x)
	}
}

// done returns the rules in order, or everything that is wrong.
func (r *reading) done(file string) ([]Rule, error) {
	slices.SortStableFunc(r.rules, func(a, b Rule) int { return compare(&a, &b) })
	for i := 1; i < len(r.rules); i++ {
		if a, b := &r.rules[i-1], &r.rules[i]; compare(a, b) == 0 {
			r.fail(b.Line, "%s: the rule about %s is also in line %d", b.Kind(), b.About(), a.Line)
		}
	}
	if len(r.problems) == 0 {
		return r.rules, nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
	return nil, &Error{File: file, Problems: r.problems, More: r.more}
}

// names lists the names of fields, for an error.
func (k *kind) names() string {
	var list []string
	for _, f := range k.fields() {
		list = append(list, string(f.Name()))
	}
	return strings.Join(list, ", ")
}
