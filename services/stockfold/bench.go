package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/stockfold/stockfold/services/bench"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// stdoutFile as a file name means standard output.
const stdoutFile = "-"

// benchCmd measures the service beside a bare gRPC echo.
type benchCmd struct {
	Quick   bool     `help:"Only the headline rows, or those of --only, with less stock, fewer rounds and no PostgreSQL: about a minute altogether."`
	Only    []string `placeholder:"ROW,…" help:"Measure only these rows."`
	Rounds  *int     `placeholder:"N" help:"Rounds of each row; the figure is their median (default: 5, quick: 3; ingest and replay: 5, quick: 1; growth, overload, starts and remote-ingest: 3, quick: 1)."`
	Seconds *float64 `placeholder:"S" help:"Length of a round's window in seconds (default: 0.6; growth: 0.2)."`
	SKUs    *int     `name:"skus" placeholder:"N" help:"SKUs of the catalogue (default: 50000, quick: 10000)."`
	Lines   *int     `placeholder:"N" help:"Lines counted in each round of ingest (default: 60000)."`
	Events  *int     `placeholder:"N" help:"Events to fold in each round of replay, at least (default: 1000000, quick: 100000)."`

	ScaleSKUs   *int `name:"scale-skus" placeholder:"N" help:"SKUs of the large retailer, for growth-skus, start, complete, memory and disk (default: 40000, quick: 2000)."`
	ScaleEvents *int `placeholder:"N" help:"Its movements, of which each SKU has 5 at least (default: 10 for each SKU)."`

	RemoteEventStore string `name:"remote-eventstore" placeholder:"URL" help:"An EventStoreDB that is empty, for the rows remote-…, which leave their events there (default: the embedded store as a process of its own)."`
	KafkaLibs        string `placeholder:"DIR" type:"path" help:"Apache Kafka's jars, for the rows remote-… (default: those that make test-integration fetched; without, the embedded broker as a process of its own)."`

	Dir      string `placeholder:"DIR" type:"path" help:"Keep data in this directory while it runs; the disk is part of what is measured (default: the system's temporary directory)."`
	Keep     bool   `help:"Leave data and logs in place."`
	JSON     string `name:"json" placeholder:"FILE" help:"Write the report as JSON to this file; - is standard output."`
	Plots    string `placeholder:"DIR" help:"Draw each series of growth as SVG into this directory; the Markdown report links the pictures by this name."`
	Markdown string `placeholder:"FILE" help:"Write the report as Markdown to this file; - is standard output."`
}

// Help is shown below the flags.
func (*benchCmd) Help() string {
	return `It starts a service of its own on free loopback ports, with a data directory of its own that is removed at the end, and
a bare gRPC echo; both are measured in turns, on the same machine, with messages of equal size. Where PostgreSQL is installed, it reserves in the same
rounds. Every answer is checked: a wrong one fails the run. A target that is missed is shown and does not fail it.

The rows remote-… have the stores as processes of their own: the embedded event store behind EventStoreDB's protocol, or the EventStoreDB of
--remote-eventstore; redis-server, if it is installed; and Apache Kafka, if it is to be had, else the embedded broker. The report says which, what is missing, and
what an exchange with each takes.

Rows: ` + strings.Join(bench.RowNames(), ", ") + `.

Examples:
  stockfold bench
  stockfold bench --quick
  stockfold bench --only get,hot --rounds 9 --seconds 5
  stockfold bench --only growth-stream,growth-callers --plots plots --markdown growth.md
  stockfold bench --only growth-skus,start,complete,memory,disk --scale-skus 1000000
  stockfold bench --dir /mnt/data --json bench.json --markdown bench.md`
}

// Run measures and prints the report. What was measured before something failed is printed too.
func (c *benchCmd) Run(ctx context.Context, std streams) error {
	programs, err := benchPrograms()
	if err != nil {
		return err
	}
	if err := c.checkFiles(); err != nil {
		return err
	}
	report, err := bench.Run(ctx, programs, bench.Options{Only: c.Only, Quick: c.Quick, Rounds: given(c.Rounds), Seconds: given(c.Seconds),
		SKUs: given(c.SKUs), Lines: given(c.Lines), Events: given(c.Events), ScaleSKUs: given(c.ScaleSKUs), ScaleEvents: given(c.ScaleEvents), EventStore: c.RemoteEventStore, KafkaLibs: c.KafkaLibs, Dir: c.Dir, Keep: c.Keep, Command: commandLine(os.Args[1:]), Version: programVersion()}, std.err)
	if report != nil {
		err = errors.Join(err, c.draw(report), c.write(report, std))
	}
	return err
}

// given is what a flag says; 0 when it was not given, which stands for the default, and -1 for a 0 that was, which is out of every bound.
func given[T int | float64](v *T) T {
	switch {
	case v == nil:
		return 0
	case *v == 0:
		return -1
	}
	return *v
}

// checkFiles finds out before the run whether the report can be written after it.
func (c *benchCmd) checkFiles() error {
	for _, name := range []string{c.JSON, c.Markdown} {
		if name == "" || name == stdoutFile {
			continue
		}
		_, missing := os.Stat(name)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
		if err == nil {
			err = f.Close()
		}
		if err == nil && missing != nil { // it is written after the run
			err = os.Remove(name)
		}
		if err != nil {
			return fmt.Errorf("the report cannot be written: %w", err)
		}
	}
	if c.Plots == "" {
		return nil
	}
	if err := os.MkdirAll(c.Plots, 0o755); err != nil {
		return fmt.Errorf("the plots cannot be written: %w", err)
	}
	return nil
}

// draw draws the series where that was asked for.
func (c *benchCmd) draw(r *bench.Report) error {
	if c.Plots == "" {
		return nil
	}
	return r.WritePlots(c.Plots)
}

// write prints the table, and the other forms where they were asked for. When one of those takes standard output,
// the table goes where progress went.
func (c *benchCmd) write(r *bench.Report, std streams) error {
	table := std.out
	if c.JSON == stdoutFile || c.Markdown == stdoutFile {
		table = std.err
	}
	return errors.Join(r.WriteText(table), writeReport(c.JSON, std.out, r.WriteJSON), writeReport(c.Markdown, std.out, r.WriteMarkdown))
}

// writeReport writes to a file, or to standard output; without a name it does nothing.
func writeReport(name string, out io.Writer, write func(io.Writer) error) error {
	switch name {
	case "":
		return nil
	case stdoutFile:
		return write(out)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

// benchPrograms says how this program starts itself.
func benchPrograms() (bench.Programs, error) {
	executable, err := os.Executable()
	if err != nil {
		return bench.Programs{}, fmt.Errorf("find this program: %w", err)
	}
	return bench.Programs{Executable: executable, Serve: benchServe, Echo: []string{"bench-echo"}, Views: node.ViewsFolder, Events: node.EventsFolder,
		EventStore: func(data, address string) []string {
			return []string{"eventstore", "--data", data, "--listen", address}
		},
		Broker: func(data, address string) []string { return []string{"broker", "--data", data, "--broker", address} }}, nil
}

// benchServe are the arguments of the service under test: the defaults but for where it listens and keeps its data.
func benchServe(s bench.ServeSettings) []string {
	roles := slices.DeleteFunc(slices.Clone(node.Roles), func(role string) bool { return role == node.RoleIngest && !s.Ingest })
	args := []string{"serve", "--data", s.Data, "--grpc", s.GRPC, "--rest", s.REST, "--broker", s.Broker, "--metrics", s.Metrics,
		"--roles", strings.Join(roles, ",")}
	for _, store := range []struct{ flag, where string }{{"--eventstore", s.EventStore}, {"--redis", s.Redis}, {"--kafka-brokers", s.Kafka}} {
		if store.where != "" {
			args = append(args, store.flag, store.where)
		}
	}
	return args
}

// benchEchoCmd is the echo's process; bench starts it.
type benchEchoCmd struct{}

// Run serves until ctx ends.
func (*benchEchoCmd) Run(ctx context.Context, std streams) error {
	return bench.ServeEcho(ctx, std.out)
}

// userInfo is what stands before the host in a URL.
var userInfo = regexp.MustCompile(`://[^/ ]*@`)

// commandLine is how the program was called, without what is secret in it.
func commandLine(args []string) string {
	return userInfo.ReplaceAllString("stockfold "+strings.Join(args, " "), "://…@")
}
