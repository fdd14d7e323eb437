package bench

import (
	"fmt"
	"io"
	"strings"
)

// pointHeading are the columns of a series.
var pointHeading = []string{"calls/s", "echo", "ratio", "p50 ms", "p99 ms", "cpu µs", "errors"}

// heading are the columns of a series, what grows first.
func (s *Series) heading() []string { return append([]string{s.Of}, pointHeading...) }

// cells are the columns of a point.
func (p *Point) cells() []string {
	c := []string{grouped(int64(p.X)), amount(p.Value), amount(p.Baseline), fmt.Sprintf("%.2f", p.Ratio), "", "", "", grouped(p.Errors)}
	if p.Latency != nil {
		c[4], c[5] = amount(p.Latency.P50), amount(p.Latency.P99)
	}
	if p.CPU > 0 {
		c[6] = amount(p.CPU)
	}
	return c
}

// verdict says whether a series is flat.
func (s *Series) verdict() string {
	return fmt.Sprintf("keeps %.2f of the best before, is to keep %.2f: %s", s.Kept, s.Least, yesNo(s.Flat))
}

// remarks are the notes of its points, and what failed.
func (s *Series) remarks() []string {
	var said []string
	for i := range s.Points {
		p := &s.Points[i]
		if p.Note != "" {
			said = append(said, grouped(int64(p.X))+": "+p.Note)
		}
		if p.Errors > 0 {
			said = append(said, grouped(int64(p.X))+" failed: "+describe(p.Failures))
		}
	}
	return said
}

// series are all of the report, each with the row that it belongs to.
func (r *Report) eachSeries(do func(f *Figure, s *Series)) {
	for i := range r.Figures {
		for j := range r.Figures[i].Series {
			do(&r.Figures[i], &r.Figures[i].Series[j])
		}
	}
}

// growthText writes a table of each series.
func (r *Report) growthText(out io.Writer) {
	r.eachSeries(func(_ *Figure, s *Series) {
		table := [][]string{s.heading()}
		for i := range s.Points {
			table = append(table, s.Points[i].cells())
		}
		fmt.Fprintf(out, "\n%s by %s: %s\n", s.Calls, s.Of, s.verdict())
		widths := columnWidths(table)
		for _, row := range table {
			fmt.Fprintln(out, "    "+strings.TrimRight(aligned(row, widths), " "))
		}
		for _, remark := range s.remarks() {
			fmt.Fprintln(out, "    "+remark)
		}
	})
}

// growthMarkdown writes a table of each series, with its picture where there is one.
func (r *Report) growthMarkdown(out io.Writer) {
	r.eachSeries(func(_ *Figure, s *Series) {
		fmt.Fprintf(out, "\n### %s by %s\n\n%s.\n\n| %s |\n|%s\n", s.Calls, s.Of, capital(s.verdict()), strings.Join(s.heading(), " | "), strings.Repeat("---:|", len(pointHeading)+1))
		for i := range s.Points {
			fmt.Fprintf(out, "| %s |\n", strings.Join(s.Points[i].cells(), " | "))
		}
		if remarks := s.remarks(); len(remarks) > 0 {
			fmt.Fprintf(out, "\n- %s.\n", strings.Join(remarks, ".\n- "))
		}
		if s.Picture != "" {
			fmt.Fprintf(out, "\n![%s by %s](%s)\n", s.Calls, s.Of, s.Picture)
		}
	})
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
