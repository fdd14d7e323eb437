package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// historyCmd shows or exports events.
type historyCmd struct {
	GRPC string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`

	SKU    string    `arg:"" optional:"" name:"sku" help:"SKU whose events are shown; without one, all events, with --export."`
	From   time.Time `help:"Recorded at or after, such as 2017-03-01T00:00:00-05:00." format:"2006-01-02T15:04:05Z07:00"`
	Until  time.Time `help:"Recorded before." format:"2006-01-02T15:04:05Z07:00"`
	Export bool      `help:"Print JSON Lines with proofs: the newest tree head first, then a line for each event."`
}

// Help is shown below the flags.
func (*historyCmd) Help() string {
	return `Shows the events of a SKU, the oldest first, with what each says in short, in base units, and where it came from. An export can be read with standard tools, and checked by itself with
'stockfold verify --proof': in each line, stored.event is the event, stored.leaf the bytes that seals and tree are made of, index its number
among all events, and path the hashes that lead from it to the tree head of the first line (RFC 6962).

Examples:
  stockfold history 1082185
  stockfold history 1082185 --export > bananas.jsonl
  stockfold history --from 2017-03-01T00:00:00Z --until 2017-04-01T00:00:00Z --export > march.jsonl`
}

// Run lists.
func (c *historyCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	if c.SKU == "" && !c.Export {
		return errors.New("name a SKU, or export the events of all with --export")
	}
	conn, err := dial(c.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	x := &exporting{history: pb.NewHistoryServiceClient(conn), out: std.out}
	each := x.show
	if c.Export {
		each = x.export
		err = x.begin(ctx)
	}
	if err == nil {
		err = x.run(ctx, c.request(), each)
	}
	if err == nil && x.events == 0 {
		fmt.Fprintln(std.err, c.nothing())
	}
	return explain(err, c.GRPC)
}

// nothing says that nothing was found: an empty answer could be a typing mistake.
func (c *historyCmd) nothing() string {
	text := "There are no events"
	if c.SKU != "" {
		text += fmt.Sprintf(" of SKU %q", c.SKU)
	}
	if !c.From.IsZero() || !c.Until.IsZero() {
		text += " recorded in that time"
	}
	return text + "."
}

func (c *historyCmd) request() *pb.ListStoredEventsRequest {
	r := &pb.ListStoredEventsRequest{Sku: c.SKU, PageSize: storedPage}
	if !c.From.IsZero() {
		r.From = timestamppb.New(c.From)
	}
	if !c.Until.IsZero() {
		r.Until = timestamppb.New(c.Until)
	}
	return r
}

// exporting is an export under way.
type exporting struct {
	history pb.HistoryServiceClient
	out     io.Writer
	head    *pb.TreeHead
	events  int // told so far
}

func (x *exporting) run(ctx context.Context, ask *pb.ListStoredEventsRequest, each func(context.Context, *pb.StoredEvent) error) error {
	for {
		page, err := x.history.ListStoredEvents(ctx, ask)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if err := each(ctx, e); err != nil {
				return err
			}
			x.events++
		}
		if ask.PageToken = page.NextPageToken; ask.PageToken == "" {
			return nil
		}
	}
}

// begin prints the newest head. Without one, events are exported without proofs.
func (x *exporting) begin(ctx context.Context) error {
	newest, err := x.history.GetTreeHead(ctx, &pb.GetTreeHeadRequest{})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	head := newest.Head
	x.head = head
	return printLine(x.out, &pb.ProveEventResponse{Head: head})
}

// export prints an event with its proof, when the head covers it.
func (x *exporting) export(ctx context.Context, e *pb.StoredEvent) error {
	line := &pb.ProveEventResponse{Stored: e}
	if x.head != nil && e.Event.Position <= x.head.Position {
		proof, err := x.history.ProveEvent(ctx, &pb.ProveEventRequest{EventId: e.Event.EventId, TreeSize: x.head.TreeSize})
		if err != nil {
			return err
		}
		line.Index, line.Path = proof.Index, proof.Path
	}
	return printLine(x.out, line)
}

// show prints an event for people.
func (x *exporting) show(_ context.Context, e *pb.StoredEvent) error {
	v := e.Event
	_, err := fmt.Fprintf(x.out, "%6d  %s  %-24s %s%s%s%s\n", v.Revision, v.RecordedAt.AsTime().Format("2006-01-02 15:04:05.000"), v.Type, said(v),
		origin(v), delayed(v), acted(v))
	return err
}

func said(v *pb.Event) string {
	if text := eventText(v); text != "" {
		return text + "; "
	}
	return ""
}

func origin(v *pb.Event) string {
	s := v.Source
	switch {
	case v.Condensed:
		return strings.TrimLeft(s.GetSystem()+" (condensed)", " ")
	case s == nil:
		return "call"
	case s.Topic != "":
		return fmt.Sprintf("%s %s, kafka %s/%d/%d", s.System, s.Document, s.Topic, s.Partition, s.Offset)
	}
	return s.System + " " + s.Document
}

func delayed(v *pb.Event) string {
	if v.OccurredAt == nil {
		return ""
	}
	if d := v.RecordedAt.AsTime().Sub(v.OccurredAt.AsTime()); d >= time.Millisecond {
		return ", occurred " + delay(d) + " before"
	}
	return ""
}

func acted(v *pb.Event) string {
	if v.Actor == "" {
		return ""
	}
	return ", by " + v.Actor
}
