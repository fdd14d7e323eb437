// Stockfold is the one binary of the service: it serves, and it holds the tools of the people who use it. Each
// subcommand has a file of its own; package node puts the parts of a serving process together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

const description = `Inventory availability for retailers who sell one stock through many channels.

Every setting can be given as a flag, in the environment as STOCKFOLD_ and its name in capitals (STOCKFOLD_DATA), or
in a YAML file given with --config; a flag outranks the environment, and that the file.`

// helpWidth bounds the lines of help.
const helpWidth = 120

// cli is the command line.
type cli struct {
	Config configFile `placeholder:"FILE" help:"Read settings from a YAML file, with the names of the flags as keys."`
	Log    logConfig  `embed:"" prefix:"log-" group:"log"`

	Serve       serveCmd       `cmd:"" help:"Run the service."`
	Load        loadCmd        `cmd:"" help:"Publish a file of till receipts through Kafka."`
	Call        callCmd        `cmd:"" help:"Call the service over gRPC with JSON."`
	Explain     explainCmd     `cmd:"" help:"Explain how the availability of a SKU on a channel comes about, now or at a past instant."`
	Snapshot    snapshotCmd    `cmd:"" help:"Tell what lay where at an instant, and what it was worth."`
	RollForward rollForwardCmd `cmd:"" name:"rollforward" help:"Tell what changed between two instants, in units and value."`
	History     historyCmd     `cmd:"" help:"Show the events of a SKU, or export events with proofs."`
	Trace       traceCmd       `cmd:"" help:"Show everything that happened because of one thing."`
	Verify      verifyCmd      `cmd:"" help:"Prove that the history is the one that was recorded, or name the first event that is not."`
	Audit       auditCmd       `cmd:"" help:"Tree heads and keys, for auditors to keep elsewhere."`
	Replay      replayCmd      `cmd:"" help:"Fold availability anew from its events, compare it with what serves, and mend what differs."`
	Condense    condenseCmd    `cmd:"" help:"Take out of old events what is not needed for numbers, and keep every balance, value and proof."`
	Reconcile   reconcileCmd   `cmd:"" help:"Compare what another system says of the stock with what was held, and say why they differ."`
	Publish     publishCmd     `cmd:"" help:"Publish one movement, sale, order message or rule through Kafka."`
	Policy      policyCmd      `cmd:"" help:"Export all rules as one file, preview a file, or apply it."`
	Bench       benchCmd       `cmd:"" help:"Measure the service beside a bare gRPC echo on this machine."`
	Store       eventStoreCmd  `cmd:"" name:"eventstore" help:"Run the embedded event store as a server of its own, with EventStoreDB's protocol."`
	Broker      brokerCmd      `cmd:"" help:"Run the embedded Kafka broker as a server of its own."`
	Version     versionCmd     `cmd:"" help:"Print the version of the program and of what it writes."`

	BenchEcho benchEchoCmd `cmd:"" hidden:"" help:"Serve the echo that bench compares with."`
}

// streams are where a subcommand reads and writes.
type streams struct {
	out, err io.Writer
}

// silentError ends the program with a code after everything was said.
type silentError struct{ code int }

func (e *silentError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the program at once
	}()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// run is the program without the process around it. It returns the exit code: 0 for success, 1 for a failure, 2 for
// a command line or setting that is wrong.
func run(ctx context.Context, args []string, std streams) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	exit := -1
	c, parser := newParser(std, kong.Exit(func(code int) { exit = code }))
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit // help was asked for
	}
	if err != nil {
		fmt.Fprintf(std.err, "stockfold: %v\n%s --help says more.\n", err, asked(err))
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return exitCode(parsed.Run(std, c.Log.logger(std.err)), std.err)
}

// asked is the command that a wrong command line is about, as far as it can be told.
func asked(err error) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil && wrong.Context.Selected() != nil {
		return wrong.Context.Selected().FullPath()
	}
	return "stockfold"
}

// readInstant reads a point in time of the command line.
func readInstant(c *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := c.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("%q is no instant with its offset from UTC, such as 2017-03-31T23:59:59-05:00 or 2017-04-01T04:59:59Z", text)
	}
	target.Set(reflect.ValueOf(t))
	return nil
}

// newParser describes the command line.
func newParser(std streams, more ...kong.Option) (*cli, *kong.Kong) {
	c := &cli{}
	options := append([]kong.Option{kong.Name("stockfold"), kong.Description(description), kong.DefaultEnvars("STOCKFOLD"),
		kong.Writers(std.out, std.err), kong.ExplicitGroups(groups), kong.TypeMapper(reflect.TypeFor[time.Time](), kong.MapperFunc(readInstant)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpWidth})}, more...)
	return c, kong.Must(c, options...)
}

func exitCode(err error, out io.Writer) int {
	var silent *silentError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &silent):
		return silent.code
	default:
		fmt.Fprintf(out, "stockfold: %v\n", err)
		return 1
	}
}
