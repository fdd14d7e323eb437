package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgres is a PostgreSQL of this machine, run beside the service: fsync on, over a socket of its own. What it does for a reservation is
// the least that keeps a promise: one prepared statement that takes a unit of a row if there is one, and writes down who has it.
type postgres struct {
	bin, dir string
	version  string
	as       *syscall.Credential // whom it runs as; nil for whoever runs the bench
	server   *exec.Cmd
	ended    chan error
}

const (
	pgClients = 64 // more only cost it, on two cores
	pgTimeout = 30 * time.Second
	pgLeast   = 2 * time.Second // of a window, in which all clients have to connect first

	pgSchema = `CREATE TABLE stock (sku int PRIMARY KEY, on_hand bigint NOT NULL, reserved bigint NOT NULL DEFAULT 0);
CREATE TABLE reservations (cart uuid PRIMARY KEY, sku int NOT NULL, quantity bigint NOT NULL, placed_at timestamptz NOT NULL DEFAULT now());
INSERT INTO stock SELECT n, 1000000000 FROM generate_series(1, %d) n;`

	pgReserve = `WITH taken AS (UPDATE stock SET reserved = reserved + 1 WHERE sku = :sku AND on_hand - reserved >= 1 RETURNING sku)
INSERT INTO reservations SELECT gen_random_uuid(), sku, 1 FROM taken;
`
	pgSums = `SELECT (SELECT sum(reserved) FROM stock) - (SELECT count(*) FROM reservations)`
)

// errNoPostgres says that there is none here.
var errNoPostgres = errors.New("PostgreSQL is not installed here")

// findPostgres finds the programs of the newest PostgreSQL.
func findPostgres(places ...string) (bin string, err error) {
	var found []string
	for _, p := range places {
		list, _ := filepath.Glob(filepath.Join(p, "pgbench"))
		found = append(found, list...)
	}
	slices.SortFunc(found, func(a, b string) int { return pgMajor(b) - pgMajor(a) })
	for _, f := range found {
		bin = filepath.Dir(f)
		if _, err := os.Stat(filepath.Join(bin, "initdb")); err == nil {
			return bin, nil
		}
	}
	if f, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(f), nil
	}
	return "", errNoPostgres
}

// pgMajor is the version in a path such as /usr/lib/postgresql/15/bin/pgbench.
func pgMajor(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// startPostgres makes a database and starts its server. Root, whom it does not run for, has it run as the user postgres.
func startPostgres(ctx context.Context, parent string) (started *postgres, err error) {
	p := &postgres{}
	if p.bin, err = findPostgres("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp(parent, "stockfold-bench-postgres-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			started, err = nil, errors.Join(err, p.close())
		}
	}()
	if err := p.leaveRoot(); err != nil {
		return nil, err
	}
	if _, err := p.run(ctx, "", "initdb", "-D", p.data(), "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale"); err != nil {
		return nil, err
	}
	version, err := p.run(ctx, "", "postgres", "--version")
	if err != nil {
		return nil, err
	}
	p.version = strings.Fields(strings.TrimPrefix(version, "postgres (PostgreSQL) "))[0]
	p.server = p.command(context.WithoutCancel(ctx), "postgres", "-D", p.data(), "-k", p.dir, "-h", "", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB",
		"-c", "fsync=on", "-c", "synchronous_commit=on")
	p.ended = make(chan error, 1)
	if err := p.server.Start(); err != nil {
		p.server = nil
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	go func(c *exec.Cmd) { p.ended <- c.Wait() }(p.server)
	return p, p.prepare(ctx)
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

// leaveRoot finds whom to run as.
func (p *postgres) leaveRoot() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("PostgreSQL does not run for root, and there is no user for it: %w", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(p.dir, int(uid), int(gid))
}

func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	shield(c)
	if p.as != nil {
		if c.SysProcAttr == nil {
			c.SysProcAttr = &syscall.SysProcAttr{}
		}
		c.SysProcAttr.Credential = p.as
	}
	c.Dir = p.dir
	return c
}

// run runs one of its programs to the end, and returns what that said.
func (p *postgres) run(ctx context.Context, input, name string, args ...string) (string, error) {
	c := p.command(ctx, name, args...)
	c.Stdin = strings.NewReader(input)
	out, err := c.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("%s: %w: %s", name, err, failed.Stderr)
	}
	return string(out), err
}

func (p *postgres) sql(ctx context.Context, text string) (string, error) {
	return p.run(ctx, text, "psql", "-h", p.dir, "-U", "bench", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAt", "-f", "-")
}

// prepare waits until the server answers, and makes the tables.
func (p *postgres) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pgTimeout)
	defer cancel()
	for {
		_, err := p.sql(ctx, fmt.Sprintf(pgSchema, reserveSKUs))
		if err == nil {
			return nil
		}
		select {
		case ended := <-p.ended:
			p.ended <- ended
			return fmt.Errorf("PostgreSQL ended: %w", ended)
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// reserve has all clients reserve for a while, all of one row or each of any row, and returns how many did in a second. The sums must agree.
func (p *postgres) reserve(ctx context.Context, window time.Duration, hot bool) (rate float64, err error) {
	pick := fmt.Sprintf("\\set sku random(1, %d)\n", reserveSKUs)
	if hot {
		pick = "\\set sku 1\n"
	}
	script := filepath.Join(p.dir, "reserve.sql")
	if err := os.WriteFile(script, []byte(pick+pgReserve), 0o644); err != nil {
		return 0, err
	}
	seconds := strconv.Itoa(int(math.Ceil(max(pgLeast, window).Seconds())))
	out, err := p.run(ctx, "", "pgbench", "-h", p.dir, "-U", "bench", "-n", "-M", "prepared", "-c", strconv.Itoa(pgClients), "-j", "2", "-T", seconds, "-f", script, "postgres")
	if err != nil {
		return 0, err
	}
	differ, err := p.sql(ctx, pgSums)
	if err != nil {
		return 0, err
	}
	if strings.TrimSpace(differ) != "0" {
		return 0, wrong("PostgreSQL's sums differ by %s", strings.TrimSpace(differ))
	}
	return parseTPS(out)
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// parseTPS reads pgbench's figure.
func parseTPS(text string) (float64, error) {
	m := tps.FindStringSubmatch(text)
	if m == nil {
		return 0, errors.New("pgbench says no rate, as when its clients need the whole window to connect: the machine is too busy")
	}
	return strconv.ParseFloat(m[1], 64)
}

// close ends the server and removes its data.
func (p *postgres) close() (err error) {
	if p.server != nil {
		_ = p.server.Process.Signal(syscall.SIGINT) // a fast shutdown
		select {
		case <-p.ended:
		case <-time.After(pgTimeout):
			err = p.server.Process.Kill()
		}
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
