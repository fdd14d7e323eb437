package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// heading are the columns of the report.
var heading = []string{"row", "figure", "baseline", "ratio", "target", "met", "p50 ms", "p99 ms", "errors"}

// cells are a figure's columns.
func (f *Figure) cells() []string {
	c := []string{f.Title, amount(f.Value) + " " + f.Unit, "", "", f.Target.String(), "", "", "", grouped(f.Errors)}
	if f.BaselineName != "" {
		c[2] = f.BaselineName + " " + amount(f.Baseline)
		c[3] = fmt.Sprintf("%.2f", f.Ratio)
	}
	if f.Met != nil {
		c[5] = yesNo(*f.Met)
	}
	if f.Latency != nil {
		c[6], c[7] = amount(f.Latency.P50), amount(f.Latency.P99)
	}
	return c
}

// remarks are what does not fit into columns.
func (f *Figure) remarks() []string {
	var r []string
	for i := range f.Against {
		r = append(r, f.Against[i].String())
	}
	for i := range f.Bounds {
		r = append(r, f.Bounds[i].String())
	}
	for i := range f.Hops {
		r = append(r, f.Hops[i].String())
	}
	r = append(r, f.Notes...)
	if f.Sizes != nil {
		r = append(r, fmt.Sprintf("messages of %.0f and %.0f bytes", f.Sizes.Request, f.Sizes.Reply))
	}
	if f.CPU != nil && f.CPU.Service > 0 {
		text := fmt.Sprintf("processor time %s µs per %s", amount(f.CPU.Service), strings.TrimSuffix(f.Unit, "s/s"))
		if f.CPU.Baseline > 0 {
			text += fmt.Sprintf(", %s %s µs", f.BaselineName, amount(f.CPU.Baseline))
		}
		for _, name := range slices.Sorted(maps.Keys(f.CPU.Others)) {
			text += fmt.Sprintf(", %s %s µs", name, amount(f.CPU.Others[name]))
		}
		r = append(r, text)
	}
	if f.BaselineLatency != nil {
		r = append(r, fmt.Sprintf("%s p50 %s ms, p99 %s ms", f.BaselineName,
			amount(f.BaselineLatency.P50), amount(f.BaselineLatency.P99)))
	}
	if f.Errors > 0 {
		r = append(r, "failed: "+describe(f.Failures))
	}
	return r
}

// header tells where, when and how.
func (r *Report) header() []string {
	kind := ""
	if r.Quick {
		kind = ", quick: with less stock and fewer rounds than a whole run"
	}
	lines := []string{
		"stockfold bench, " + r.Date.Format("2006-01-02 15:04 MST") + kind,
		"machine: " + r.Machine.String(),
		fmt.Sprintf("disk: fsync of 4 KiB p50 %s ms, p99 %s ms", amount(r.Disk.SyncP50), amount(r.Disk.SyncP99)),
		fmt.Sprintf("method: median of %d rounds of %gs, growth %d of %gs, in turns with the baseline; %d connections, %s SKUs, fsync on; took %s",
			r.Rounds, r.Seconds, r.GrowthRounds, r.GrowthSeconds, r.Connections, grouped(int64(r.SKUs)), time.Duration(r.TookSeconds*float64(time.Second)).Round(time.Second)),
		"command: " + r.Command,
	}
	if r.Version != "" && r.Version != "(devel)" { // known to the build
		lines = append(lines, "version: "+r.Version)
	}
	if r.PeakMemory > 0 {
		lines = append(lines, fmt.Sprintf("memory: the service had at most %s MiB resident", grouped(r.PeakMemory>>20)))
	}
	return lines
}

// WriteText writes the report for people at a terminal.
func (r *Report) WriteText(w io.Writer) error {
	table := [][]string{heading}
	for i := range r.Figures {
		table = append(table, r.Figures[i].cells())
	}
	var out strings.Builder
	for _, line := range r.header() {
		fmt.Fprintln(&out, line)
	}
	fmt.Fprintln(&out)
	widths := columnWidths(table)
	for i, row := range table {
		fmt.Fprintln(&out, strings.TrimRight(aligned(row, widths), " "))
		if i == 0 {
			fmt.Fprintln(&out, strings.Repeat("─", total(widths)))
			continue
		}
		for _, remark := range r.Figures[i-1].remarks() {
			fmt.Fprintln(&out, "    "+remark)
		}
	}
	r.growthText(&out)
	_, err := io.WriteString(w, out.String())
	return err
}

// columnGap separates columns.
const columnGap = 2

func columnWidths(table [][]string) []int {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func total(widths []int) int {
	sum := columnGap * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// aligned puts the first column to the left and the others to the right.
func aligned(row []string, widths []int) string {
	var line strings.Builder
	for i, cell := range row {
		fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		switch i {
		case 0:
			line.WriteString(cell + fill)
		default:
			line.WriteString(strings.Repeat(" ", columnGap) + fill + cell)
		}
	}
	return line.String()
}

// WriteMarkdown writes the report for documentation.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var out strings.Builder
	for _, line := range r.header() {
		fmt.Fprintln(&out, "- "+line)
	}
	fmt.Fprintf(&out, "\n| %s |\n|---|%s\n", strings.Join(heading, " | "), strings.Repeat("---:|", len(heading)-1))
	for i := range r.Figures {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(r.Figures[i].cells(), " | "))
	}
	fmt.Fprintln(&out)
	for i := range r.Figures {
		if remarks := r.Figures[i].remarks(); len(remarks) > 0 {
			fmt.Fprintf(&out, "- %s: %s.\n", r.Figures[i].Title, strings.Join(remarks, "; "))
		}
	}
	r.growthMarkdown(&out)
	_, err := io.WriteString(w, out.String())
	return err
}
