package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// condenseCmd takes out of old events what is not needed for numbers.
type condenseCmd struct {
	GRPC string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`

	Before time.Time `placeholder:"TIME" format:"2006-01-02T15:04:05Z07:00" xor:"age" help:"Events of SKUs that were recorded before this instant, such as 2024-12-31T23:59:59-05:00."`
	Days   int       `placeholder:"DAYS" xor:"age" help:"Events that were recorded so many days ago or earlier, such as 730."`
	Check  bool      `help:"Only tell what would be condensed; change nothing."`
	JSON   bool      `name:"json" help:"Print the summary as a line of JSON, for programs."`
}

// Help is shown below the flags.
func (*condenseCmd) Help() string {
	return `What old events say besides numbers is taken out of the store, for good: names of receipts, reservations, orders and messages, who acted, and
why. What moved, was promised or expected, when, where and at what cost stays, so every balance at any past instant, every value and
every answer stays what it was, and every tree head still proves that nothing was changed.

Left as they are: events about a reservation, an order or a document that is still open or remembered, rules, and the last event of each SKU. Orders,
rules and reconciliations have streams of their own, which are kept whole. A backup made before still holds everything.

Only embedded events can be condensed. With serve --condense-after 17520h it is done once a day.

Examples:
  stockfold condense --days 730 --check
  stockfold condense --days 730
  stockfold condense --before 2024-12-31T23:59:59-05:00 --json`
}

// Run asks and prints.
func (c *condenseCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	before := c.Before
	switch {
	case c.Days < 0:
		return fmt.Errorf("--days must be at least 1, is %d", c.Days)
	case c.Days > 0:
		before = time.Now().AddDate(0, 0, -c.Days)
	case before.IsZero():
		return errors.New("name what is old, with --days or --before")
	}
	conn, err := dial(c.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := pb.NewOperationsServiceClient(conn).Condense(ctx, &pb.CondenseRequest{Before: timestamppb.New(before), Check: c.Check})
	if err != nil {
		return explain(err, c.GRPC)
	}
	shown := &stages{out: std.err}
	defer shown.end()
	for {
		m, err := stream.Recv()
		switch {
		case err == io.EOF:
			return fmt.Errorf("%s ended without a summary; what was condensed stays so, and the next run goes on", c.GRPC)
		case err != nil:
			shown.end()
			return explain(err, c.GRPC)
		case m.GetProgress() != nil:
			shown.show(m.GetProgress())
		case c.JSON:
			shown.end()
			return printLine(std.out, m.GetSummary())
		default:
			shown.end()
			_, err := io.WriteString(std.out, condensedText(m.GetSummary(), c.Check))
			return err
		}
	}
}

func condensedText(s *pb.CondenseSummary, check bool) string {
	done := "condensed"
	if check {
		done = "to be condensed"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d events of %d SKUs %s in %s: %d bytes become %d. %d had been before; %d are old enough and still needed.\n",
		s.Condensed, s.Skus, done, time.Duration(s.TookMs)*time.Millisecond, s.BytesBefore, s.BytesAfter, s.Before, s.Kept)
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "%d SKUs are left as they are, because they would come to something else: %s\n", s.Skipped, strings.Join(s.SkippedSkus, ", "))
	}
	return b.String()
}
