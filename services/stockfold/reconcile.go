package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/reconciliation/files"
)

// reconcileCmd compares what another system says of the stock with what was held to be true at the same instant.
type reconcileCmd struct {
	Run  reconcileRunCmd  `cmd:"" default:"withargs" help:"Compare a snapshot; the default."`
	Show reconcileShowCmd `cmd:"" help:"Print a run and what it found."`
	List reconcileListCmd `cmd:"" help:"List the runs, the newest first."`
}

// rowsAtOnce is how many rows are sent in one message.
const rowsAtOnce = 1_000

// reconcileService says where the service is, and how to print.
type reconcileService struct {
	GRPC   string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Format string `enum:"text,json,csv" default:"text" help:"text to be read, json or csv for programs (default: ${default})."`
}

// with calls a function with the service.
func (c *reconcileService) with(do func(pb.ReconciliationServiceClient) error) error {
	conn, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(pb.NewReconciliationServiceClient(conn))
}

// reconcileRunCmd compares a file.
type reconcileRunCmd struct {
	reconcileService `embed:""`

	Source   string    `required:"" help:"System that the snapshot comes from, as its facts name it."`
	AsOf     time.Time `required:"" format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME" help:"The instant that it shows, such as 2017-03-31T23:59:59-05:00."`
	Document string    `help:"The source's own name of the snapshot; that of the file when empty."`
	Scope    string    `default:"locations" help:"locations; location:ID for rows without one; or channel:ID for what a channel shows (default: ${default})."`
	Complete bool      `help:"The snapshot has all there is in its scope: what it leaves out, it says is 0."`
	Policy   string    `enum:"report,propose,correct" default:"report" help:"What follows: report; propose; or correct, within the limits, when the source is the system of record (default: ${default})."`
	MaxUnits int64     `help:"With correct: the most base units that one place is corrected by."`
	MaxTotal int64     `help:"With correct: the most base units of all corrections together."`
	Input    string    `enum:"auto,csv,jsonl,parquet" default:"auto" help:"Format of the file; by its name by default."`

	File string `arg:"" help:"CSV with a line that names the columns, JSON Lines or Parquet: sku, location, condition, quantity (base units) or decimal, unit_cost (minor units), currency."`
}

// Help is shown below the flags.
func (*reconcileRunCmd) Help() string {
	return `Prints each place of which the source and the service say different things, why, and the evidence. What was held is told twice where that differs: by all that
was recorded when the snapshot came, and by what was recorded by the instant that it shows. Evidence that is not exact says so: likely when the number fits and was
read out of a message that breaks rules, or is a pattern; possible when a message is about the place and nobody can say how many units. Rows that cannot be read are
listed with their lines.

A snapshot is known by source, document, instant and scope: the same one again prints the run that there is. The exit code is 0 when all agrees, 1 when something
differs or could not be read.

With --policy correct, a source corrects where it is the system of record: a location's owners say so (owners in a file of rules, or as below).

A service with --reconcile-dir DIR compares the files that others put there: NAME.csv, and beside it, written last, NAME.csv.run.json such as
  {"source": "erp", "document": "stock-2017-01-15", "asOf": "2017-01-16T05:00:00Z"}

Examples:
  stockfold reconcile erp.csv --source erp --as-of 2017-01-16T00:00:00-05:00
  stockfold reconcile run shop.jsonl --source shop --as-of 2017-01-16T12:00:00-05:00 --scope channel:web --format csv
  stockfold reconcile wms.parquet --source wms --as-of 2017-01-16T00:00:00-05:00 --scope location:367 --complete \
    --policy correct --max-units 20 --max-total 500
  stockfold call PolicyService/PutOwners '{"owners": {"location_id": "367", "ownerships": [{"fact": "OWNED_FACT_ON_HAND", "sources": ["wms"]}]}}'
  stockfold reconcile list --source erp
  stockfold reconcile show RUN --class unexplained`
}

// Run compares and prints.
func (c *reconcileRunCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	header, err := c.header()
	if err != nil {
		return err
	}
	return c.with(func(client pb.ReconciliationServiceClient) error {
		run, err := c.send(ctx, client, header)
		if err != nil {
			return explain(err, c.GRPC)
		}
		if err := c.print(ctx, client, std, run.RunId, pb.DiscrepancyClass_DISCREPANCY_CLASS_UNSPECIFIED); err != nil {
			return err
		}
		if t := run.Totals; t.GetDiscrepancies() > 0 || t.GetRefused() > 0 {
			return &silentError{exitDiffers}
		}
		return nil
	})
}

// send sends the file.
func (c *reconcileRunCmd) send(ctx context.Context, client pb.ReconciliationServiceClient, header *pb.SnapshotHeader) (*pb.ReconciliationRun, error) {
	file, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	format := c.Input
	if format == "auto" {
		format = files.FormatOf(c.File)
	}
	stream, err := client.StartRun(ctx)
	if err != nil {
		return nil, err
	}
	message := &pb.StartRunRequest{Header: header}
	sent := false // the service ended the call; why, it tells when it is closed
	flush := func() error {
		err := stream.Send(message)
		message, sent = &pb.StartRunRequest{}, err != nil
		return err
	}
	err = files.Read(file, info.Size(), format, func(r files.Row) error {
		if r.Refused != "" {
			message.Refused = append(message.Refused, &pb.RefusedRow{Line: r.Line, Reason: r.Refused})
		} else {
			r.SourceRow.Line = r.Line
			message.Rows = append(message.Rows, r.SourceRow)
		}
		if len(message.Rows)+len(message.Refused) < rowsAtOnce {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil && !sent {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	answer, err := stream.CloseAndRecv()
	return answer.GetRun(), err
}

// header says what the snapshot is.
func (c *reconcileRunCmd) header() (*pb.SnapshotHeader, error) {
	h := &pb.SnapshotHeader{Source: c.Source, Document: c.Document, AsOf: timestamppb.New(c.AsOf), Complete: c.Complete, MaxUnits: c.MaxUnits, MaxTotalUnits: c.MaxTotal}
	if h.Document == "" {
		h.Document = fileBase(c.File)
	}
	h.Policy = map[string]pb.ReconciliationPolicy{"report": pb.ReconciliationPolicy_RECONCILIATION_POLICY_REPORT,
		"propose": pb.ReconciliationPolicy_RECONCILIATION_POLICY_PROPOSE, "correct": pb.ReconciliationPolicy_RECONCILIATION_POLICY_CORRECT}[c.Policy]
	return h, scope(h, c.Scope)
}

// reconcileShowCmd prints a run.
type reconcileShowCmd struct {
	reconcileService `embed:""`
	Class            string `help:"Only discrepancies of this class, e.g. unexplained or dead_letter."`
	RunID            string `arg:"" name:"run" help:"Id of the run."`
}

// Help is shown below the flags.
func (*reconcileShowCmd) Help() string {
	return `Examples:
  stockfold reconcile show 3f2a… --class unexplained --format csv`
}

// Run prints.
func (c *reconcileShowCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	class, err := classOf(c.Class)
	if err != nil {
		return err
	}
	return c.with(func(client pb.ReconciliationServiceClient) error { return c.print(ctx, client, std, c.RunID, class) })
}

// reconcileListCmd lists runs.
type reconcileListCmd struct {
	reconcileService `embed:""`
	Source           string `help:"Only of this source: its trend."`
	Limit            int32  `default:"20" help:"At most so many, up to 1000 (default: ${default})."`
}

// Help is shown below the flags.
func (*reconcileListCmd) Help() string {
	return `Examples:
  stockfold reconcile list --source erp --limit 100 --format csv`
}

// Run lists.
func (c *reconcileListCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	return c.with(func(client pb.ReconciliationServiceClient) error {
		answer, err := client.ListRuns(ctx, &pb.ListRunsRequest{Source: c.Source, PageSize: c.Limit})
		if err != nil {
			return explain(err, c.GRPC)
		}
		return c.printRuns(std.out, answer)
	})
}
