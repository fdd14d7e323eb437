package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// replayCmd folds a read model anew and compares it with the one that serves.
type replayCmd struct {
	GRPC string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`

	Projection  string   `enum:"availability" default:"availability" help:"Which read model (default: ${default})."`
	SKU         []string `name:"sku" sep:"none" help:"Only this SKU; may be given more than once."`
	Check       bool     `help:"Only tell what differs; change nothing."`
	FromScratch bool     `help:"Build a whole second read model from the first event on, compare, and put it in the place of the one that serves."`
	At          string   `placeholder:"TIME|POSITION" help:"Print what the SKUs came to by what was recorded up to this instant, such as 2017-03-31T23:59:59-05:00, or up to this position of the store."`
	JSON        bool     `name:"json" help:"Print each difference and the summary as a line of JSON, for programs."`
}

// Help is shown below the flags.
func (*replayCmd) Help() string {
	return `Folds the events of every SKU anew, beside the read model while that serves, and compares. Each difference is printed with the fields, the event
after which they held, and the events since that changed them; then the SKU is written anew. With --check nothing is changed, and the exit code
is 1 when something differs.

Without --from-scratch the SKUs are those that the read model has, and then those that have events and no document. From scratch all events are
folded, so that SKUs are found as well that the read model should not have; the new read model then takes the place of the old one at once,
in Redis for all replicas.

With --at the SKUs that are named are shown as they were, with what each channel could sell under its policy of then; policies are folded up
to there as well. How a number came about, stockfold explain tells.

Examples:
  stockfold replay --check
  stockfold replay --sku 1082185 --sku 999981
  stockfold replay --projection availability --from-scratch
  stockfold replay --from-scratch --check --json
  stockfold replay --sku 1082185 --at 2017-01-15T12:00:00-05:00`
}

// Run asks and prints.
func (c *replayCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	ask := &pb.ReplayRequest{Projection: c.Projection, Skus: c.SKU, Check: c.Check, FromScratch: c.FromScratch}
	if err := c.past(ask); err != nil {
		return err
	}
	conn, err := dial(c.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := pb.NewOperationsServiceClient(conn).Replay(ctx, ask)
	if err != nil {
		return explain(err, c.GRPC)
	}
	shown := &stages{out: std.err}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return fmt.Errorf("%s ended the replay without a summary", c.GRPC)
		}
		if err != nil {
			shown.end()
			return explain(err, c.GRPC)
		}
		if p := m.GetProgress(); p != nil {
			shown.show(p)
			continue
		}
		if s := m.GetSummary(); s != nil {
			shown.end()
			return c.conclude(std.out, m, s)
		}
		if err := c.print(std.out, m); err != nil {
			return err
		}
	}
}

// past takes the instant or position.
func (c *replayCmd) past(ask *pb.ReplayRequest) (err error) {
	if c.At == "" {
		return nil
	}
	if ask.Position, err = strconv.ParseUint(c.At, 10, 64); err == nil {
		return errorIf(ask.Position == 0, "--at 0 is before the first event")
	}
	ask.Position = 0
	at, err := time.Parse(time.RFC3339, c.At)
	if err != nil {
		return fmt.Errorf("--at %q is neither a position nor an instant such as 2017-03-31T23:59:59-05:00", c.At)
	}
	ask.At = timestamppb.New(at)
	return nil
}

func (c *replayCmd) print(out io.Writer, m *pb.ReplayResponse) error {
	if c.JSON {
		return printLine(out, m)
	}
	if s := m.GetStock(); s != nil {
		return printStock(out, s)
	}
	_, err := io.WriteString(out, differenceText(m.GetDifference()))
	return err
}

// conclude prints the summary, and says by the exit code whether something still differs.
func (c *replayCmd) conclude(out io.Writer, m *pb.ReplayResponse, s *pb.ReplaySummary) error {
	if c.JSON {
		if err := printLine(out, m); err != nil {
			return err
		}
	} else if c.At == "" {
		fmt.Fprint(out, summaryText(s, c.Check))
	}
	if s.Differences > s.Mended && !s.Swapped {
		return &silentError{exitDiffers}
	}
	return nil
}

func summaryText(s *pb.ReplaySummary, check bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d SKUs compared in %s, %d differ", s.Skus, time.Duration(s.TookMs)*time.Millisecond, s.Differences)
	if !check && s.Differences > 0 && !s.Swapped {
		fmt.Fprintf(&b, ", %d of them mended", s.Mended)
	}
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "; %d could not be compared, being ahead of what can be read here", s.Skipped)
	}
	b.WriteString(".\n")
	if s.Position > 0 {
		fmt.Fprintf(&b, "The read model from scratch includes everything up to position %d", s.Position)
		if s.Swapped {
			b.WriteString(", and serves now")
		} else {
			b.WriteString("; it was thrown away")
		}
		b.WriteString(".\n")
	}
	return b.String()
}

func differenceText(d *pb.ReplayDifference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Sku, d.Explanation)
	for _, f := range d.Fields {
		fmt.Fprintf(&b, "  %s is %s, should be %s\n", f.Field, orNothing(f.Is), orNothing(f.Should))
	}
	if d.MoreFields > 0 {
		fmt.Fprintf(&b, "  and %d more fields\n", d.MoreFields)
	}
	for _, e := range d.Events {
		fmt.Fprintf(&b, "  event %d, %s, position %d, recorded %s, id %s\n", e.Revision, e.Type, e.Position, e.RecordedAt.AsTime().Format(time.RFC3339Nano), e.EventId)
	}
	switch {
	case d.Mended:
		b.WriteString("  mended\n")
	case d.Error != "":
		fmt.Fprintf(&b, "  not mended: %s\n", d.Error)
	}
	return b.String()
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func printStock(out io.Writer, s *pb.ReplayedStock) error {
	if s.Events == 0 {
		_, err := fmt.Fprintf(out, "%s: nothing was recorded by then\n", s.Sku)
		return err
	}
	fmt.Fprintf(out, "%s: after %d events, the last at position %d\n", s.Sku, s.Events, s.Position)
	for _, c := range s.Channels {
		fmt.Fprintf(out, "  %s could sell %d, under its policy of position %d\n", c.Channel, c.Ats, c.PolicyPosition)
	}
	return printJSON(out, s.Stock)
}

// stages shows progress, stage after stage: a bar on a terminal, and lines otherwise.
type stages struct {
	out  io.Writer
	name string
	seen int64
	add  func(int)
	done func()
}

func (s *stages) show(p *pb.ReplayProgress) {
	if !isTerminal(s.out) {
		fmt.Fprint(s.out, progressText(p))
		return
	}
	if p.Stage != s.name {
		s.end()
		s.name, s.seen = p.Stage, 0
		s.add, s.done = progress(s.out).Stage(p.Stage, int(p.Total))
	}
	s.add(int(p.Done - s.seen))
	s.seen = p.Done
}

// progressText is a line of progress, with the rate and the time left that the service measures.
func progressText(p *pb.ReplayProgress) string {
	text := fmt.Sprintf("%-8s %d", p.Stage, p.Done)
	if p.Total > 0 {
		text += fmt.Sprintf(" / %d", p.Total)
	}
	text += fmt.Sprintf("  %.0f/s", p.PerSecond)
	if p.LeftMs > 0 {
		text += fmt.Sprintf("  %s left", (time.Duration(p.LeftMs) * time.Millisecond).Round(time.Second/10))
	}
	return text + "\n"
}

func (s *stages) end() {
	if s.done != nil {
		s.done()
	}
	s.done, s.name = nil, ""
}
