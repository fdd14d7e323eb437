package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// explainCmd tells a support person where a number comes from.
type explainCmd struct {
	GRPC    string        `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Timeout time.Duration `default:"30s" help:"How long to wait for the answer (default: ${default})."`

	SKU      string    `arg:"" name:"sku" help:"SKU to explain."`
	Channel  string    `required:"" help:"Channel that sells it."`
	Method   string    `placeholder:"METHOD" help:"Count only what may be handed over like this now, e.g. pickup."`
	Location string    `placeholder:"LOCATION" help:"Count only what lies there."`
	At       time.Time `help:"A past instant, such as 2017-03-31T23:59:59-05:00; now by default." format:"2006-01-02T15:04:05Z07:00"`
	Parts    bool      `name:"components" help:"Of a kit, explain each component as well."`
	JSON     bool      `name:"json" help:"Print the whole answer as JSON, for programs."`
}

// Help is shown below the flags.
func (*explainCmd) Help() string {
	return `Says, step by step, what lies where, what is taken off and why, which events set each number, which reservations are
live, and what may be missing: dead letters that name the SKU, and gaps in the numbers of sources that told of it. Of a kit it says what each
component allows.

Examples:
  stockfold explain 1082185 --channel web
  stockfold explain 1082185 --channel web --method pickup --location 367
  stockfold explain "tea set" --channel web --components
  stockfold explain 1082185 --channel web --at 2017-03-31T23:59:59-05:00 --json`
}

// Run asks and prints.
func (c *explainCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	conn, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	client := pb.NewHistoryServiceClient(conn)
	request := &pb.ExplainAvailabilityRequest{Sku: c.SKU, Channel: c.Channel, Method: c.Method, Location: c.Location}
	if !c.At.IsZero() {
		request.At = timestamppb.New(c.At)
	}
	answer, err := client.ExplainAvailability(ctx, request)
	if err != nil {
		return explain(err, c.GRPC)
	}
	if err := c.print(std.out, answer); err != nil || !c.Parts {
		return err
	}
	for _, part := range answer.Components {
		of, err := client.ExplainAvailability(ctx, &pb.ExplainAvailabilityRequest{Sku: part.Sku, Channel: c.Channel, At: request.At,
			Method: c.Method, Location: c.Location})
		if err != nil {
			return explain(err, c.GRPC)
		}
		if err := c.print(std.out, of); err != nil {
			return err
		}
	}
	return nil
}

func (c *explainCmd) print(out io.Writer, answer *pb.ExplainAvailabilityResponse) error {
	if c.JSON {
		return printJSON(out, answer)
	}
	_, err := io.WriteString(out, (&explained{ExplainAvailabilityResponse: answer}).text())
	return err
}

// explained is an explanation in the making of its text: lines that can be read aloud.
type explained struct {
	*pb.ExplainAvailabilityResponse
	b strings.Builder
}

func (x *explained) text() string {
	if !x.Known {
		x.line("Nothing was ever recorded for SKU %s by %s, so nothing of it is available on %s.", x.Sku, clock(x.At), x.Channel)
	} else {
		x.line("SKU %s%s on channel %s, %s: %s available to sell.", x.Sku, named(x.Name), x.Channel, clock(x.At), x.units(x.Ats))
	}
	x.parts()
	x.sum()
	x.under()
	x.notSold()
	x.held()
	x.missing()
	if x.Known {
		x.line("\nRead from %d events of the SKU; the last is %s.", x.Events, x.cause(x.Last))
	}
	return x.b.String()
}

func (x *explained) line(format string, args ...any) { fmt.Fprintf(&x.b, format+"\n", args...) }

// parts says of a kit what each component allows.
func (x *explained) parts() {
	for i, c := range x.Components {
		if i == 0 {
			x.line("\nIt is a kit, of")
		}
		limits := ""
		if c.Limits {
			limits = "; no other allows fewer"
		}
		x.line("  %12d  %s for each, of which %d are available to sell: enough for %d%s", c.Quantity, c.Sku, c.Ats, c.Kits, limits)
	}
}

// sum prints the steps, and below what lies at a location where that comes from.
func (x *explained) sum() {
	location := ""
	for _, s := range x.Steps {
		if s.Location != location {
			location = s.Location
			x.line("\n%s", heading(location, x.Channel))
		}
		x.line("  %12s  %s%s", x.number(s.Amount), s.Text, x.rules(s))
		if s.Step == "ON_HAND" {
			x.origin(location)
		}
	}
	x.line("  %12s  available to sell", "= "+x.number(x.Ats))
}

// under says which rules were in force, and what does not count by them.
func (x *explained) under() {
	if p := x.Policy; p != nil {
		x.line("\nThis was %s.", p.Text)
	}
	if x.Overdue > 0 {
		x.line("\nOverdue: %s should have come by now; it counts for no date until it comes or is rescheduled.", x.units(x.Overdue))
	}
}

func heading(location, channel string) string {
	if location == "" {
		return "Of all this, channel " + channel + " may sell"
	}
	return "At " + location
}

// rules says by which rules a step is what it is, and which rules they beat, with what those would have made of it.
func (x *explained) rules(s *pb.ExplainedStep) (text string) {
	verb := ", by the rule of"
	for _, r := range s.Rules {
		if r.Applied {
			text += fmt.Sprintf("%s %s, %s", verb, r.Level, x.cause(r.Cause))
			verb = "; and that of"
		} else {
			text += fmt.Sprintf("; it beats that of %s, which says %s, %s", r.Level, x.number(r.Quantity), x.cause(r.Cause))
		}
	}
	return text
}

// origin says which events set what lies at a location.
func (x *explained) origin(location string) {
	for _, l := range x.Locations {
		if l.Location == location {
			x.originOf(l)
		}
	}
}

func (x *explained) originOf(l *pb.ExplainedLocation) {
	switch {
	case l.Count == nil:
		x.line("%16scounted never", "")
	case l.CountedLeft == l.Counted:
		x.line("%16scounted %s, %s", "", x.number(l.Counted), x.cause(l.Count))
	default:
		x.line("%16scounted %s, %s; %s once what had happened meanwhile was taken into account", "", x.number(l.Counted), x.cause(l.Count), x.number(l.CountedLeft))
	}
	if l.Changes > 0 {
		x.line("%16s%s since, %s together; the latest:", "", plural(l.Changes, "change"), x.signed(l.Changed))
		for _, c := range l.Latest {
			x.line("%18s%s: %s", "", x.signed(c.Effect), x.cause(c))
		}
	}
	if l.Absorbed > 0 {
		x.line("%16s%s came late and changed nothing: a count covers what occurred before it", "", plural(l.Absorbed, "fact"))
	}
	if l.Observed > 0 {
		x.line("%16s%s of others than the system of record, not applied; the latest:", "", plural(l.Observed, "observation"))
		for _, c := range l.Observations {
			x.line("%18s%s: %s", "", x.number(c.Effect), x.cause(c))
		}
	}
}

// notSold lists what lies where the channel does not sell from.
func (x *explained) notSold() {
	for _, l := range x.Locations {
		if !l.Sells {
			x.line("\nNot counted, at %s: %s on hand; %s.", l.Location, x.number(l.OnHand), l.WhyNot)
			x.originOf(l)
		}
	}
}

func (x *explained) held() {
	if len(x.Holds) == 0 {
		x.line("\nNo reservation is live.")
		return
	}
	x.line("\n%s:", plural(int64(len(x.Holds))+x.MoreHolds, "live reservation"))
	for _, h := range x.Holds {
		until := "confirmed"
		if h.ExpiresAt != nil {
			until = "held until " + clock(h.ExpiresAt)
		}
		var where []string
		for _, s := range h.Splits {
			where = append(where, fmt.Sprintf("%s at %s", x.number(s.Quantity), s.Location))
		}
		under := ""
		if h.Policy != nil {
			under = ", " + h.Policy.Text
		}
		x.line("  %12s  %s of channel %s, %s, %s, placed %s%s", x.number(h.Remaining), h.ReservationId, h.Channel, strings.Join(where, " and "), until,
			clock(h.Placed.GetRecordedAt()), under)
	}
	if x.MoreHolds > 0 {
		x.line("  %12s  in %d more", x.number(x.MoreHeld), x.MoreHolds)
	}
}

func (x *explained) missing() {
	if len(x.DeadLetters)+len(x.Gaps) == 0 && !x.MoreDeadLetters {
		x.line("\nNothing is known to be missing: no dead letter names the SKU, and its sources' numbers have no gap.")
	}
	for _, l := range x.DeadLetters {
		x.line("\nNot applied, dead letter %s since %s: %s, %s", l.DeadLetterId, clock(l.ReceivedAt), l.Reason, l.Message)
	}
	if x.MoreDeadLetters {
		x.line("\nThere are more open dead letters than were looked at; some may name the SKU.")
	}
	for _, g := range x.Gaps {
		x.line("\nMaybe missing: %s of source %s%s, numbers %d to %d, since %s.", plural(g.Missing, "message"), g.Source, keyed(g.PartitionKey), g.First, g.Last, clock(g.Since))
	}
}

// cause names an event so that somebody can look it up.
func (x *explained) cause(c *pb.Cause) string {
	if c == nil {
		return "by nobody"
	}
	text := c.Type
	if s := c.Source; s.GetSystem() != "" {
		text += " by " + s.System
		if s.Document != "" {
			text += ", document " + s.Document
		}
		if s.Line != "" {
			text += " line " + s.Line
		}
		if s.Sequence != "" {
			text += ", number " + s.Sequence
		}
	}
	if c.Actor != "" {
		text += ", actor " + c.Actor
	}
	text += ", " + clock(c.OccurredAt)
	if c.DelayMs >= 1000 {
		text += ", recorded " + late(time.Duration(c.DelayMs)*time.Millisecond) + " later"
	}
	return text + fmt.Sprintf(" (event %d)", c.Revision)
}

// number writes base units in the item's unit.
func (x *explained) number(n int64) string {
	if x.Decimals <= 0 {
		return strconv.FormatInt(n, 10)
	}
	sign := ""
	if n < 0 {
		sign = "-"
	}
	digits := strings.TrimPrefix(strconv.FormatInt(n, 10), "-")
	if short := int(x.Decimals) + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	point := len(digits) - int(x.Decimals)
	return sign + digits[:point] + "." + digits[point:]
}

func (x *explained) signed(n int64) string {
	if n > 0 {
		return "+" + x.number(n)
	}
	return x.number(n)
}

func (x *explained) units(n int64) string {
	if x.Unit == "" || x.Unit == "each" {
		return x.number(n)
	}
	return x.number(n) + " " + x.Unit
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

func keyed(key string) string {
	if key == "" {
		return ""
	}
	return " under key " + key
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// late says how long something took, so that it can be read aloud.
func late(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return plural(int64(d/day), "day")
	case d >= 2*time.Hour:
		return plural(int64(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return plural(int64(d/time.Minute), "minute")
	default:
		return plural(int64(d/time.Second), "second")
	}
}

// delay says a short time to the millisecond, and a long one as late does.
func delay(d time.Duration) string {
	if d < 2*time.Minute {
		return d.Round(time.Millisecond).String()
	}
	return late(d)
}

func clock(t *timestamppb.Timestamp) string { return t.AsTime().Format("2006-01-02 15:04:05 UTC") }
