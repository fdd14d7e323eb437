package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/snapshots"
)

// rollForwardCmd tells what changed between two instants.
type rollForwardCmd struct {
	pastFlags `embed:""`

	From  time.Time `required:"" help:"What changed after this instant, such as 2017-01-01T00:00:00-05:00," format:"2006-01-02T15:04:05Z07:00"`
	To    time.Time `required:"" help:"up to this one." format:"2006-01-02T15:04:05Z07:00"`
	SKU   string    `name:"sku" placeholder:"SKU" help:"Only this SKU."`
	Trace bool      `help:"List the events behind the lines of --sku."`
	Total bool      `help:"Totals only, by unit and currency."`
}

// Help is shown below the flags.
func (*rollForwardCmd) Help() string {
	return `Writes CSV, a line for each SKU and location: opening + received - sold + returned + adjusted + transferred = closing, in base units and in value. Totals
go to standard error, or with --total to standard output instead of the lines.

Examples:
  stockfold rollforward --from 2017-01-01T00:00:00-05:00 --to 2017-03-31T23:59:59-05:00
  stockfold rollforward --from 2017-01-01T00:00:00-05:00 --to 2017-03-31T23:59:59-05:00 --sku 1082185 --trace`
}

// Run asks and writes.
func (c *rollForwardCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	switch {
	case c.Trace && c.SKU == "":
		return errors.New("--trace lists the events of one SKU: name it with --sku")
	case c.Trace && c.Total:
		return errors.New("--trace lists events, and --total adds up: give one of them")
	case c.To.Before(c.From):
		return errors.New("--to must not be before --from")
	}
	return c.ask(ctx, std, func(ctx context.Context, client pb.SnapshotServiceClient, out io.Writer) error {
		w := bufio.NewWriter(out)
		run := c.report
		if c.Trace {
			run = c.trace
		}
		if err := run(ctx, client, w, std.err); err != nil {
			return err
		}
		return w.Flush()
	})
}

func (c *rollForwardCmd) report(ctx context.Context, client pb.SnapshotServiceClient, out *bufio.Writer, aside io.Writer) error {
	stream, err := client.RollForward(ctx, &pb.RollForwardRequest{From: timestamppb.New(c.From), To: timestamppb.New(c.To), Axis: c.axis(),
		Position: c.Position, Valuation: c.valuation(), Sku: c.SKU})
	if err != nil {
		return err
	}
	fmt.Fprint(out, snapshots.LineHeader)
	for {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if !c.Total {
			writeLines(out, answer.Lines)
		}
		if t := answer.Trailer; t != nil {
			if c.Total {
				writeLines(out, answer.Totals)
			}
			for _, l := range answer.Totals {
				fmt.Fprintf(aside, "total of %s, %d decimals%s: %s\n", l.Unit, l.Decimals, valued(l), equation(l))
			}
			tell(aside, t)
			return nil
		}
	}
}

func writeLines(out io.Writer, lines []*pb.RollForwardLine) {
	var b []byte
	for _, l := range lines {
		b = snapshots.AppendLine(b[:0], l)
		_, _ = out.Write(b) // told by Flush
	}
}

func valued(l *pb.RollForwardLine) string {
	if l.Currency == "" {
		return ""
	}
	return ", in " + l.Currency
}

// equation writes a line so that it can be added up.
func equation(l *pb.RollForwardLine) string {
	text := ""
	for i, sign := range []string{"opening ", " + received ", " - sold ", " + returned ", " + adjusted ", " + transferred ", " = closing "} {
		a := snapshots.Amounts(l)[i]
		text += fmt.Sprintf("%s%d", sign, a.GetUnits())
		if l.Currency != "" {
			text += fmt.Sprintf(" (%d)", a.GetValue())
		}
	}
	return text
}

// trace lists events, page after page.
func (c *rollForwardCmd) trace(ctx context.Context, client pb.SnapshotServiceClient, out *bufio.Writer, aside io.Writer) error {
	request := &pb.TraceRollForwardRequest{Sku: c.SKU, From: timestamppb.New(c.From), To: timestamppb.New(c.To), Axis: c.axis(),
		Position: c.Position, Valuation: c.valuation(), PageSize: 1000}
	table := csv.NewWriter(out)
	if err := table.Write(stepColumns); err != nil {
		return err
	}
	for {
		answer, err := client.TraceRollForward(ctx, request)
		if err != nil {
			return err
		}
		for _, s := range answer.Steps {
			if err := table.Write(stepFields(s)); err != nil {
				return err
			}
		}
		if request.PageToken = answer.NextPageToken; request.PageToken == "" {
			fmt.Fprintf(aside, "position %d\n", answer.Trailer.GetPosition())
			table.Flush()
			return table.Error()
		}
	}
}

var stepColumns = []string{"at", "location", "flow", "units", "value", "event", "revision", "position", "event_id", "document"}

func stepFields(s *pb.RollForwardStep) []string {
	return []string{s.At.AsTime().Format(time.RFC3339Nano), s.Location, s.Flow, fmt.Sprint(s.Change.GetUnits()), fmt.Sprint(s.Change.GetValue()), s.Type,
		fmt.Sprint(s.Revision), fmt.Sprint(s.Position), s.EventId, s.Document}
}
