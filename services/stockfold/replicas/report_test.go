package replicas

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// legend says what the columns and the last line mean.
const legend = `
acknowledged: the caller was told yes, or the broker took the message; refused: the caller was told no
applied: is in the history of its SKU in the end; lost: acknowledged, and not applied; doubled: applied again
unwarranted: applied, and not acknowledged, however often it was repeated; oversold: units promised that nobody had
`

// report writes what was counted, and fails the test for every count that must be 0 and is not.
func (x *run) report(a *audit, tallies []*tally) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\task\tacknowledged\trefused\tapplied\tlost\tdoubled\tunwarranted\t")
	total := a.total()
	for _, r := range append(a.rows, total) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.what, r.asked, r.acknowledged, r.refused, r.applied, r.lost, r.doubled, r.unwarranted)
	}
	w.Flush()
	text.WriteString(legend)
	fmt.Fprintf(&text, "\n%s, %d replicas: acknowledged %d, applied %d, lost %d, doubled %d, oversold %d\n", x.t.Name(), len(x.cluster.replicas), total.acknowledged, total.applied, total.lost, total.doubled, a.oversold)
	fmt.Fprintf(&text, "facts that left less than was promised: %d; messages sent twice: %d; reservations read right after a change: %d, old: %d\n\n",
		a.broke, x.repeated.Load(), x.found.Load(), x.stale.Load())
	w = tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tcompared\tdiffer\t")
	for _, y := range tallies {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", y.what, y.made, y.differs)
	}
	w.Flush()
	text.WriteByte('\n')
	w = tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "until all went on\tpromises\tingest\tprojections\tpublication\texpiry\t")
	for _, o := range x.takeovers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", o.fault, short(o.promises), short(o.ingest), short(o.projections), short(o.publication), short(o.expiry))
	}
	w.Flush()
	fmt.Fprint(x.t.Output(), "\n"+text.String())

	for what, count := range map[string]int{"lost": total.lost, "doubled": total.doubled, "unwarranted": total.unwarranted, "oversold": a.oversold,
		"facts that left less than was promised": a.broke, "old reservations": int(x.stale.Load()), "applied without answer": total.applied - total.acknowledged} {
		if count != 0 {
			x.t.Errorf("%s: %d, want 0", what, count)
		}
	}
	if total.acknowledged == 0 {
		x.t.Error("nothing was asked for")
	}
	for _, y := range tallies {
		if y.made == 0 || y.differs > 0 {
			x.t.Errorf("%s: %d of %d differ", y.what, y.differs, y.made)
		}
	}
}
