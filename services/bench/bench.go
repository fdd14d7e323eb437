package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// bench is one run: what it started, and what it knows of the stock.
type bench struct {
	effort
	programs  Programs
	dir       string // everything it writes is in here
	progress  io.Writer
	catalogue *catalogue
	echo      *peer
	server    *server // nil while none runs

	stocker       *stocker
	filled        bool
	reserved      *ledger // of catalogue.reserve
	hot           *ledger // of catalogue.hot
	hotTaken      int
	carts         carts
	postgres      *postgres // nil until a row compares with it
	startPostgres func(ctx context.Context, parent string) (*postgres, error)

	far          *bench   // of the service whose stores are processes of their own; nil until a row asks for it
	cluster      *cluster // those stores; nil for a service that has them within its process
	startCluster func(ctx context.Context, dir string) (*cluster, error)

	openAlone func(dir string) (append call, closing func() error, err error) // Pebble alone, the baseline of reservations in bulk

	peak     float64 // highest rate of reservations so far, calls/s
	replayed uint64  // events of the last replay

	scale *scale // nil until a row needs it

	peakMemory int64 // of all servers so far, in bytes
}

// Run measures the chosen rows and returns the report, with an error the rows measured before it. Progress goes to a
// writer, a line at a time. Its errors are ErrWrong for an answer that cannot be, that of a child that failed, or that
// of a row without any good answer.
func Run(ctx context.Context, p Programs, o Options, progress io.Writer) (r *Report, err error) {
	e, err := o.effort()
	if err != nil {
		return nil, err
	}
	chosen, err := choose(o.Only, o.Quick)
	if err != nil {
		return nil, err
	}
	takes := estimate(chosen, e)
	ctx, cancel := context.WithTimeoutCause(ctx, limit(takes), fmt.Errorf("the run took longer than %s", limit(takes)))
	defer cancel()
	b := &bench{effort: e, programs: p, progress: progress, catalogue: newCatalogue(e.skus), openAlone: openAlone, startPostgres: startPostgres}
	b.startCluster = func(ctx context.Context, dir string) (*cluster, error) { return startCluster(ctx, p, o, dir) }
	b.reserved, b.hot = newLedger(b.catalogue.reserve), newLedger(b.catalogue.hot)
	if b.dir, err = os.MkdirTemp(o.Dir, "stockfold-bench-"); err != nil {
		return nil, fmt.Errorf("make a directory for data: %w", err)
	}
	b.say("rows: %d, in about %s, at most %s; data in %s", len(chosen), takes.Round(time.Second), limit(takes).Round(time.Second), b.dir)
	defer func() {
		err = errors.Join(err, b.close(o.Keep))
	}()
	if r, err = newReport(o, e, b.dir); err != nil {
		return nil, err
	}
	if err = b.measure(ctx, chosen, r); err != nil {
		err = because(ctx, err)
	}
	err = errors.Join(err, b.stopServer())
	r.TookSeconds, r.PeakMemory = time.Since(r.Date).Seconds(), b.peakMemory
	return r, err
}

// measure goes through the rows.
func (b *bench) measure(ctx context.Context, chosen []Row, r *Report) (err error) {
	if b.echo, err = startEcho(ctx, b.programs, filepath.Join(b.dir, "echo.log")); err != nil {
		return err
	}
	for i, row := range chosen {
		b.say("%d of %d: %s", i+1, len(chosen), row.Title)
		f := Figure{Row: row.Name, Title: row.Title, Unit: row.Unit, BaselineName: row.Baseline, Target: row.Target}
		from := time.Now()
		if err := row.measure(ctx, b, &f); err != nil {
			return fmt.Errorf("%s: %w", row.Name, err)
		}
		f.conclude()
		f.Took = time.Since(from).Seconds()
		b.say("  took %s, was to take %s", time.Since(from).Round(100*time.Millisecond), row.takes(b.effort).Round(100*time.Millisecond))
		r.Figures = append(r.Figures, f)
	}
	return nil
}

// close stops the children and removes the data.
func (b *bench) close(keep bool) error {
	var errs []error
	if b.far != nil {
		errs = append(errs, b.far.stopServer(), b.far.cluster.close())
	}
	errs = append(errs, b.stopServer())
	if b.echo != nil {
		errs = append(errs, b.echo.close())
	}
	if b.postgres != nil {
		errs = append(errs, b.postgres.close())
	}
	if b.scale != nil {
		errs = append(errs, b.scale.stop())
	}
	if keep {
		b.say("data and logs are left in %s", b.dir)
	} else {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// rival returns the PostgreSQL of this run, or errNoPostgres.
func (b *bench) rival(ctx context.Context) (*postgres, error) {
	switch {
	case !b.rivals:
		return nil, errors.New("a quick run leaves it out")
	case b.postgres != nil:
		return b.postgres, nil
	}
	p, err := b.startPostgres(ctx, filepath.Dir(b.dir))
	if err != nil {
		return nil, err
	}
	b.postgres = p
	return p, nil
}

func (b *bench) data() string { return filepath.Join(b.dir, "data") }

// broker is where the running service takes its messages from.
func (b *bench) broker() string {
	if b.cluster != nil {
		return b.cluster.Kafka
	}
	return b.server.settings.Broker
}

// beside are the processes that the service calls, none when it has its stores within its own.
func (b *bench) beside() (u usage) {
	if b.cluster == nil {
		return nil
	}
	for _, m := range b.cluster.members {
		u = append(u, named{m.name, &meter{pid: m.pid()}})
	}
	return u
}

// serve makes sure that the service runs, taking messages from Kafka or not, and returns it.
func (b *bench) serve(ctx context.Context, ingest bool) (*server, error) {
	if b.server != nil && b.server.settings.Ingest == ingest {
		return b.server, nil
	}
	if err := b.stopServer(); err != nil {
		return nil, err
	}
	s, err := startServer(ctx, b.programs, b.data(), filepath.Join(b.dir, "serve.log"), ingest)
	b.server = s
	return s, err
}

// stopServer stops the service, if it runs.
func (b *bench) stopServer() error {
	s := b.server
	if b.server = nil; s == nil {
		return nil
	}
	b.peakMemory = max(b.peakMemory, peakMemory(s.pid()))
	return s.close()
}

// stocked returns the running service with its stock in place, everything readable.
func (b *bench) stocked(ctx context.Context) (*server, error) {
	s, err := b.serve(ctx, true)
	if err != nil {
		return nil, err
	}
	if b.stocker == nil {
		b.stocker = &stocker{now: countedAt(time.Now())}
	}
	b.stocker.cc = s.typed()
	if !b.filled {
		b.say("  counting the stock")
		from := time.Now()
		n, err := b.stocker.fill(ctx, b.catalogue)
		if err != nil {
			return nil, err
		}
		b.filled = true
		b.say("  %s movements recorded in %s", grouped(int64(n)), time.Since(from).Round(time.Millisecond))
	}
	return s, s.settle(ctx)
}

// takeHot returns the number of the first of n hot SKUs that nobody used.
func (b *bench) takeHot(n int) int {
	first := b.hotTaken
	b.hotTaken += n
	return first
}

// checkReserved compares every reservation so far with the streams.
func (b *bench) checkReserved(ctx context.Context) error {
	token, err := b.stocker.sentinel(ctx, b.catalogue.locations[0])
	if err != nil {
		return err
	}
	for _, l := range []*ledger{b.reserved, b.hot} {
		if err := l.check(ctx, b.server.typed(), token); err != nil {
			return err
		}
	}
	return nil
}

// checkReadable compares what is readable of every SKU of the catalogue, on each channel, with the bench's own sums.
func (b *bench) checkReadable(ctx context.Context, cc grpc.ClientConnInterface) error {
	const most = 1_000 // SKUs a call
	client, c := pb.NewAvailabilityServiceClient(cc), b.catalogue
	pages := (len(c.skus) + most - 1) / most
	return parallel(ctx, pages*len(channels), func(ctx context.Context, i int) error {
		channel, from := i/pages, i%pages*most
		x := batch{request: &pb.BatchGetAvailabilityRequest{Channel: channels[channel].id}}
		for sku := from; sku < min(from+most, len(c.skus)); sku++ {
			x.ask(c, sku, channel)
		}
		reply, err := client.BatchGetAvailability(ctx, x.request)
		if err != nil {
			return fmt.Errorf("check what is readable: %w", err)
		}
		return x.check(reply.GetAvailabilities())
	})
}

// say tells how far the run has come.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, format+"\n", args...)
}
