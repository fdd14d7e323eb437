package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// A path that a page names is there.
func TestPagesNameWhatIsThere(t *testing.T) {
	path := regexp.MustCompile("`((?:adapters|aggregates|deploy|projections|proto|services|\\.ci)/[^` ]*)`")
	for _, page := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "deploy/README.md", "deploy/demo/README.md", "deploy/demo/rules.md", "deploy/redis.md", "deploy/benchmarks.md"} {
		for n, line := range pageLines(t, page) {
			for _, found := range path.FindAllStringSubmatch(line, -1) {
				if _, err := os.Stat(filepath.Join(root, found[1])); err != nil {
					t.Errorf("%s, line %d names %s, which is not there", page, n+1, found[1])
				}
			}
		}
	}
}

// The bounds that ARCHITECTURE.md lists have the values that the code gives them.
func TestBoundsAreAsThePageSays(t *testing.T) {
	row := regexp.MustCompile("^\\| .* \\| ([0-9][^|]*) \\| `([^`]+)` `([^`]+)` \\|")
	found := 0
	for n, line := range pageLines(t, "ARCHITECTURE.md") {
		r := row.FindStringSubmatch(line)
		if r == nil {
			continue
		}
		found++
		says, err := bound(r[1])
		if err != nil {
			t.Errorf("ARCHITECTURE.md, line %d: %v", n+1, err)
		}
		is, err := constantOf(r[2], r[3])
		if err != nil {
			t.Errorf("ARCHITECTURE.md, line %d: %v", n+1, err)
		} else if is != says {
			t.Errorf("ARCHITECTURE.md, line %d: the page says %s, %s in %s is %d", n+1, r[1], r[3], r[2], is)
		}
	}
	if found < 30 {
		t.Errorf("only %d bounds found; has the table another form?", found)
	}
}

// Settings that the README lists are those that there are, with their defaults.
func TestREADMEListsEverySetting(t *testing.T) {
	_, parser := newParser(streams{new(strings.Builder), new(strings.Builder)})
	page := strings.Join(pageLines(t, "README.md"), "\n")
	for _, command := range parser.Model.Leaves(true) {
		if command.Name != "serve" {
			continue
		}
		for _, flags := range command.AllFlags(true) {
			for _, flag := range flags {
				if flag.Name == "help" || flag.Name == "config" || flag.Name == "demo" {
					continue
				}
				row := regexp.MustCompile("(?m)^\\| `" + flag.Name + "` \\| ([^|]*) \\|").FindStringSubmatch(page)
				if row == nil {
					t.Errorf("README.md does not list %s", flag.Name)
				} else if flag.Name != "roles" && flag.Default != "" && row[1] != "`"+flag.Default+"`" {
					t.Errorf("README.md says that %s is %s by default, it is %s", flag.Name, row[1], flag.Default)
				}
			}
		}
	}
}

// A page says what following costs the event store: a subscription for each read model.
func TestThePageCountsSubscriptions(t *testing.T) {
	n := startNode(t, testConfig(t))
	status, err := pb.NewOperationsServiceClient(connect(t, n)).GetStatus(t.Context(), &pb.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"no", "one", "two", "three", "four", "five", "six"}
	want := "each costs EventStoreDB " + words[len(status.Projections)] + " subscriptions"
	if page := strings.Join(pageLines(t, "deploy/README.md"), "\n"); !strings.Contains(page, want) {
		t.Errorf("deploy/README.md does not say: %s", want)
	}
}

func pageLines(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// units in which a page gives bounds. Times are in nanoseconds.
var units = map[string]int64{"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": int64(time.Second), "min": int64(time.Minute),
	"d": int64(24 * time.Hour)}

// bound reads a number with its unit, e.g. "4 MiB" or "65,536".
func bound(text string) (int64, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	v, err := strconv.ParseInt(strings.ReplaceAll(number, ",", ""), 10, 64)
	factor, ok := units[unit]
	if err != nil || !ok {
		return 0, fmt.Errorf("%q is not a number with a unit", text)
	}
	return v * factor, nil
}

// constantOf computes a constant of a package from its source.
func constantOf(folder, name string) (int64, error) {
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		return 0, err
	}
	declared := map[string]ast.Expr{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return 0, err
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, s := range g.Specs {
					for i, n := range s.(*ast.ValueSpec).Names {
						if values := s.(*ast.ValueSpec).Values; i < len(values) {
							declared[n.Name] = values[i]
						}
					}
				}
			}
		}
	}
	if declared[name] == nil {
		return 0, fmt.Errorf("there is no constant %s in %s", name, folder)
	}
	v, err := evaluate(declared[name], declared)
	if err != nil {
		return 0, fmt.Errorf("%s in %s: %w", name, folder, err)
	}
	n, _ := constant.Int64Val(constant.ToInt(v))
	return n, nil
}

// elsewhere are constants of other packages that bounds are made of.
var elsewhere = map[string]int64{"time.Millisecond": int64(time.Millisecond), "time.Second": int64(time.Second), "time.Minute": int64(time.Minute),
	"time.Hour": int64(time.Hour), "aggregates.Second": int64(time.Second)} // an Instant, compared as a time

func evaluate(e ast.Expr, declared map[string]ast.Expr) (constant.Value, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.ParenExpr:
		return evaluate(e.X, declared)
	case *ast.Ident:
		if declared[e.Name] != nil {
			return evaluate(declared[e.Name], declared)
		}
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			if v, ok := elsewhere[x.Name+"."+e.Sel.Name]; ok {
				return constant.MakeInt64(v), nil
			}
		}
	case *ast.BinaryExpr:
		x, err := evaluate(e.X, declared)
		if err != nil {
			return nil, err
		}
		y, err := evaluate(e.Y, declared)
		if err != nil {
			return nil, err
		}
		if e.Op == token.SHL {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, token.SHL, uint(n)), nil
		}
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, fmt.Errorf("cannot compute %T", e)
}
