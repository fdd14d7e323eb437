package bench

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheNewestPostgresIsFound(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"9/bin/pgbench", "9/bin/initdb", "15/bin/pgbench", "15/bin/initdb", "16/bin/pgbench"} {
		path := filepath.Join(dir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if bin, err := findPostgres(filepath.Join(dir, "*/bin")); err != nil || bin != filepath.Join(dir, "15/bin") { // of 16 there is only the client
		t.Errorf("found %s, %v", bin, err)
	}
	t.Setenv("PATH", "")
	if bin, err := findPostgres(filepath.Join(dir, "17/bin")); !errors.Is(err, errNoPostgres) {
		t.Errorf("found %s, %v", bin, err)
	}
}

func TestPgbenchsFigureIsRead(t *testing.T) {
	const said = "number of failed transactions: 0 (0.000%)\nlatency average = 7.1 ms\ninitial connection time = 90.1 ms\ntps = 8953.204551 (without initial connection time)\n"
	if rate, err := parseTPS(said); err != nil || rate != 8953.204551 {
		t.Errorf("read %v, %v", rate, err)
	}
	if _, err := parseTPS("pgbench: error"); err == nil {
		t.Error("a rate was read where there is none")
	}
}

// A real one, where there is one: what it promised is what it wrote down.
func TestPostgresReserves(t *testing.T) {
	p, err := startPostgres(t.Context(), "")
	if errors.Is(err, errNoPostgres) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, hot := range []bool{false, true} {
		if rate, err := p.reserve(t.Context(), time.Second, hot); err != nil || rate <= 0 {
			t.Errorf("hot %t: %v, %v", hot, rate, err)
		}
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %s", p.dir)
	}
}
