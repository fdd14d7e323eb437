package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// traceCmd shows everything that happened because of one thing.
type traceCmd struct {
	GRPC    string        `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Timeout time.Duration `default:"30s" help:"How long to wait for the answer (default: ${default})."`

	ID   string `arg:"" name:"id" help:"A correlation id, document, reservation, order, message of a source, or event id."`
	JSON bool   `name:"json" help:"Print the whole answer as JSON, for programs."`
}

// Help is shown below the flags.
func (*traceCmd) Help() string {
	return `Shows, as a tree, what came in and when, the events that followed from it in whatever stream, what could not be applied, and
what was published; who did it, through what, and how long after the step before.

Examples:
  stockfold trace cart-4711
  stockfold trace order-17
  stockfold trace asn-88-1 --json`
}

// Run asks and prints.
func (c *traceCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	conn, err := dial(c.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	whole := &pb.TraceResponse{}
	for ask := (&pb.TraceRequest{Id: c.ID, PageSize: storedPage}); ; {
		page, err := pb.NewHistoryServiceClient(conn).Trace(ctx, ask)
		if err != nil {
			return explain(err, c.GRPC)
		}
		whole.Steps, whole.Truncated = append(whole.Steps, page.Steps...), page.Truncated
		if ask.PageToken = page.NextPageToken; ask.PageToken == "" {
			break
		}
	}
	if c.JSON {
		return printJSON(std.out, whole)
	}
	_, err = io.WriteString(std.out, traceText(c.ID, whole))
	return err
}

// traceText draws a trace.
func traceText(id string, t *pb.TraceResponse) string {
	d := &drawing{below: map[string][]*pb.TraceStep{}, position: map[string]uint64{}}
	for _, s := range t.Steps {
		d.below[s.ParentId] = append(d.below[s.ParentId], s)
		d.position[s.Id] = s.Event.GetPosition()
	}
	fmt.Fprintf(&d.b, "%s: %d steps\n", id, len(t.Steps))
	d.draw("", "")
	if t.Truncated {
		d.b.WriteString("There is more than a trace can hold.\n")
	}
	return d.b.String()
}

// drawing is a tree in the making.
type drawing struct {
	below    map[string][]*pb.TraceStep
	position map[string]uint64 // of events, by step
	b        strings.Builder
}

func (d *drawing) draw(parent, indent string) {
	list := d.below[parent]
	delete(d.below, parent) // a step is drawn once
	for i, s := range list {
		branch, more := "├─ ", "│  "
		if i == len(list)-1 {
			branch, more = "└─ ", "   "
		}
		fmt.Fprintf(&d.b, "%s%s%s  %s%s%s%s\n", indent, branch, s.At.AsTime().Format("2006-01-02 15:04:05.000"), stepText(s), with(s, d.position[parent]), after(s), by(s))
		d.draw(s.Id, indent+more)
	}
}

func stepText(s *pb.TraceStep) string {
	switch {
	case s.Event != nil:
		return strings.TrimSpace(fmt.Sprintf("%s  %s #%d  %s", s.Event.Type, s.Event.Stream, s.Event.Revision, eventText(s.Event)))
	case s.DeadLetter != nil:
		return fmt.Sprintf("DEAD LETTER %s  %s: %s; tried %d times, %s", s.DeadLetter.DeadLetterId, s.DeadLetter.Reason, s.DeadLetter.Message,
			s.DeadLetter.Attempts, strings.ToLower(strings.TrimPrefix(s.DeadLetter.State.String(), "DEAD_LETTER_STATE_")))
	case s.Published != nil:
		return fmt.Sprintf("published to %s  %s ATS %d", s.Through, s.Published.Channel, s.Published.Ats)
	}
	return "from " + s.Through + ", " + s.Reason
}

// with says of a published value that it also has what came after the event that it is drawn below: then that need not be why it changed.
func with(s *pb.TraceStep, position uint64) string {
	if s.Published.GetPosition() <= position {
		return ""
	}
	return fmt.Sprintf(", with what followed up to position %d", s.Published.Position)
}

func after(s *pb.TraceStep) string {
	if s.DelayMs == 0 {
		return ""
	}
	return "  +" + delay(time.Duration(s.DelayMs)*time.Millisecond)
}

func by(s *pb.TraceStep) string {
	if s.Actor == "" || s.Published != nil {
		return ""
	}
	return "  by " + s.Actor
}
