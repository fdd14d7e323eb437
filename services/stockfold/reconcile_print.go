package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const classPrefix, policyPrefix = "DISCREPANCY_CLASS_", "RECONCILIATION_POLICY_"

func fileBase(name string) string { return filepath.Base(name) }

// scope reads what a snapshot is about.
func scope(h *pb.SnapshotHeader, text string) error {
	kind, id, _ := strings.Cut(text, ":")
	switch {
	case text == "locations":
	case kind == "location" && id != "":
		h.Location = id
	case kind == "channel" && id != "":
		h.Channel = id
	default:
		return fmt.Errorf("--scope %q must be locations, location:ID or channel:ID", text)
	}
	return nil
}

func classOf(name string) (pb.DiscrepancyClass, error) {
	if name == "" {
		return 0, nil
	}
	v, ok := pb.DiscrepancyClass_value[classPrefix+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]
	if !ok {
		return 0, fmt.Errorf("--class %q is none; one of late_event, queued_event, dead_letter, sequence_gap, duplicate, unit_mistake, not_owner, "+
			"not_delivered, conflicting_counts, unexplained", name)
	}
	return pb.DiscrepancyClass(v), nil
}

func className(c pb.DiscrepancyClass) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), classPrefix))
}

// print prints a run and what it found.
func (c *reconcileService) print(ctx context.Context, client pb.ReconciliationServiceClient, std streams, id string, class pb.DiscrepancyClass) error {
	run, err := client.GetRun(ctx, &pb.GetRunRequest{RunId: id})
	if err != nil {
		return explain(err, c.GRPC)
	}
	out := bufio.NewWriter(std.out)
	defer out.Flush()
	var print func(*pb.Discrepancy) error
	end := func() error { return nil }
	switch c.Format {
	case "json":
		if err := printLine(out, run); err != nil {
			return err
		}
		print = func(d *pb.Discrepancy) error { return printLine(out, d) }
	case "csv":
		table := csv.NewWriter(out)
		if err := table.Write(discrepancyColumns); err != nil {
			return err
		}
		print = func(d *pb.Discrepancy) error { return table.Write(discrepancyFields(d)) }
		end = func() error { table.Flush(); return table.Error() }
	default:
		printRun(out, run)
		print = func(d *pb.Discrepancy) error { printDiscrepancy(out, run.Run.Header, d); return nil }
	}
	for request := (&pb.ListDiscrepanciesRequest{RunId: id, Class: class, PageSize: 1000}); ; {
		page, err := client.ListDiscrepancies(ctx, request)
		if err != nil {
			return explain(err, c.GRPC)
		}
		for _, d := range page.Discrepancies {
			if err := print(d); err != nil {
				return err
			}
		}
		if request.PageToken = page.NextPageToken; request.PageToken == "" {
			return end()
		}
	}
}

// printRun prints what a run came to.
func printRun(out io.Writer, r *pb.GetRunResponse) {
	h, t := r.Run.Header, r.Run.Totals
	what := "what lies at its locations"
	switch {
	case h.Channel != "":
		what = "what channel " + h.Channel + " shows"
	case h.Location != "":
		what = "what lies at " + h.Location
	}
	fmt.Fprintf(out, "Run %s: %s says in %s of %s, as of %s.\n", r.Run.RunId, h.Source, h.Document, what, clock(h.AsOf))
	if t == nil {
		fmt.Fprintf(out, "It is not compared yet; %d rows have come.\n", r.Run.Rows)
	} else {
		fmt.Fprintf(out, "%d rows: %d agree, %d discrepancies, %d could not be read or compared. Compared with what was recorded by %s.\n", t.Rows, t.Matched,
			t.Discrepancies, t.Refused, clock(r.Run.ComparedAt))
		for _, c := range t.Classes {
			fmt.Fprintf(out, "  %-20s %d, by %d base units\n", className(c.Class), c.Discrepancies, c.Units)
		}
		for _, v := range t.ValueAtRisk {
			fmt.Fprintf(out, "  value at risk: %d minor units of %s\n", v.MinorUnits, v.Currency)
		}
		if t.Corrected > 0 {
			fmt.Fprintf(out, "  %d places corrected, by %d base units\n", t.Corrected, t.CorrectedUnits)
		}
	}
	for _, x := range r.Refused {
		if x.Line == 0 { // of all rows
			fmt.Fprintf(out, "  %s\n", x.Reason)
			continue
		}
		fmt.Fprintf(out, "  line %d: %s\n", x.Line, x.Reason)
	}
}

func printDiscrepancy(out io.Writer, h *pb.SnapshotHeader, d *pb.Discrepancy) {
	at := ""
	if d.Location != "" {
		at = " at " + d.Location
	}
	if d.Condition != "" && d.Condition != "sellable" {
		at += ", " + d.Condition
	}
	fmt.Fprintf(out, "\n%s%s: the source says %s, held %s", d.Sku, at, amount(d.Said, d.Decimals), amount(d.Held, d.Decimals))
	if d.HeldThen != d.Held {
		fmt.Fprintf(out, " (%s by what was known then)", amount(d.HeldThen, d.Decimals))
	}
	fmt.Fprintf(out, ": %s\n", className(d.Class))
	for _, e := range d.Evidence {
		fmt.Fprintf(out, "  %s: %s", strings.TrimSpace(e.Kind+" "+e.Id), e.Text)
		if e.Units != 0 {
			fmt.Fprintf(out, " (%+d)", e.Units)
		}
		fmt.Fprint(out, sureness(e, ", %s"))
		fmt.Fprintln(out)
	}
	if d.Proposed != 0 {
		fmt.Fprintf(out, "  adjust by %+d: %s\n", d.Proposed, proposal(h, d))
	}
}

// proposal says whether the run may correct a discrepancy, and if it was asked to and may not, why.
func proposal(h *pb.SnapshotHeader, d *pb.Discrepancy) string {
	switch {
	case d.WithinLimits:
		return "within the limits"
	case h.Policy != pb.ReconciliationPolicy_RECONCILIATION_POLICY_CORRECT:
		return "proposed"
	case d.Proposed > h.MaxUnits || d.Proposed < -h.MaxUnits:
		return fmt.Sprintf("proposed, as it is more than the %d units that one place may be corrected by", h.MaxUnits)
	default:
		return fmt.Sprintf("proposed, as %s was not the system of record of this location; PolicyService/PutOwners names it", h.Source)
	}
}

// sureness says how sure evidence is that explains less than exactly.
func sureness(e *pb.Evidence, format string) string {
	if e.Confidence <= pb.Confidence_CONFIDENCE_EXACT {
		return ""
	}
	return fmt.Sprintf(format, strings.ToLower(strings.TrimPrefix(e.Confidence.String(), "CONFIDENCE_")))
}

// amount writes base units as a number of the item's unit.
func amount(units int64, decimals int32) string {
	if decimals == 0 {
		return strconv.FormatInt(units, 10)
	}
	sign, text := "", strconv.FormatInt(units, 10)
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	for len(text) <= int(decimals) {
		text = "0" + text
	}
	return sign + text[:len(text)-int(decimals)] + "." + text[len(text)-int(decimals):]
}

var discrepancyColumns = []string{"sku", "location", "condition", "line", "said", "held", "held_then", "class", "proposed", "within_limits", "value_at_risk", "currency",
	"evidence"}

func discrepancyFields(d *pb.Discrepancy) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	var evidence []string
	for _, e := range d.Evidence {
		evidence = append(evidence, strings.TrimSpace(e.Kind+" "+e.Id)+": "+e.Text+sureness(e, " (%s)"))
	}
	return []string{d.Sku, d.Location, d.Condition, number(d.Line), number(d.Said), number(d.Held), number(d.HeldThen), className(d.Class), number(d.Proposed),
		strconv.FormatBool(d.WithinLimits), number(d.ValueAtRisk), d.Currency, strings.Join(evidence, " | ")}
}

// stateOf says how far a run of the list has come: what is not compared has no discrepancies yet.
func stateOf(r *pb.ReconciliationRun) string {
	switch {
	case r.Abandoned:
		return "abandoned"
	case r.CompletedAt == nil:
		return "open"
	}
	return "completed"
}

// printRuns prints a list of runs.
func (c *reconcileService) printRuns(to io.Writer, list *pb.ListRunsResponse) error {
	if c.Format == "json" {
		return printJSON(to, list)
	}
	rows := [][]string{{"run", "source", "document", "as_of", "policy", "rows", "discrepancies", "refused", "corrected", "value_at_risk", "state"}}
	for _, r := range list.Runs {
		t := r.Totals
		var risk []string
		for _, v := range t.GetValueAtRisk() {
			risk = append(risk, fmt.Sprintf("%d %s", v.MinorUnits, v.Currency))
		}
		rows = append(rows, []string{r.RunId, r.Header.Source, r.Header.Document, clock(r.Header.AsOf),
			strings.ToLower(strings.TrimPrefix(r.Header.Policy.String(), policyPrefix)), fmt.Sprint(r.Rows), fmt.Sprint(t.GetDiscrepancies()), fmt.Sprint(r.Refused),
			fmt.Sprint(t.GetCorrected()), strings.Join(risk, ", "), stateOf(r)})
	}
	if c.Format == "csv" {
		return csv.NewWriter(to).WriteAll(rows)
	}
	rows[0][9] = "value_at_risk (minor units)"
	return printTable(to, rows)
}

// printTable prints rows in columns for people.
func printTable(to io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t")) // told by Flush
	}
	return w.Flush()
}
