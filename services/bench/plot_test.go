package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// element is what a test looks at.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Inner   []element  `xml:",any"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// picture reads a picture as XML.
func picture(t *testing.T, text []byte) *element {
	t.Helper()
	var root element
	d := xml.NewDecoder(strings.NewReader(strings.TrimSpace(string(text))))
	if err := d.Decode(&root); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || root.XMLName.Local != "svg" {
		t.Fatalf("not one picture: %v\n%s", err, text)
	}
	return &root
}

func texts(e *element) (all []string) {
	for i := range e.Inner {
		if e.Inner[i].XMLName.Local == "text" {
			all = append(all, e.Inner[i].Text)
		}
	}
	return all
}

func TestASeriesIsDrawn(t *testing.T) {
	s := seriesOf(0.5, 0.3, 0.4)
	s.Of, s.Points[0].X, s.Points[1].X, s.Points[2].X = "<events> & more", 10, 1_000, 1_000_000
	s.conclude()
	s.Points[1].Latency = &Latency{P50: 1, P99: 20}
	root := picture(t, s.draw())
	said := texts(root)
	for _, want := range []string{"Get by <events> & more", "Keeps 0.60 of the best before, is to keep 0.80: NO", "calls/s", "latency in ms", "10", "1,000", "1,000,000",
		"0.50", "0.30", "0.40", "p50", "p99", echoBaseline, "<events> & more (log scale)"} {
		if !slices.Contains(said, want) {
			t.Errorf("%q is not among %q", want, said)
		}
	}
	paths, points := 0, 0
	for i := range root.Inner {
		switch e := &root.Inner[i]; e.XMLName.Local {
		case "path":
			paths++
			if strings.Count(e.attr("d"), "L") != 2 || strings.Contains(e.attr("d"), "NaN") {
				t.Errorf("path %q", e.attr("d"))
			}
		case "circle":
			points++
		}
	}
	if paths != 4 || points != 12 {
		t.Errorf("%d lines with %d points", paths, points)
	}
}

// A run that was cut short has what it has.
func TestWhatIsOddIsDrawnAsWell(t *testing.T) {
	for _, s := range []*Series{seriesOf(0.5), seriesOf(0), seriesOf(0.5, 0.5)} {
		s.Points[len(s.Points)-1].X = 1 // all at one place
		s.conclude()
		if text := string(s.draw()); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%+v is drawn as\n%s", s, text)
		} else {
			picture(t, []byte(text))
		}
	}
}

func TestPicturesAreWrittenAndLinked(t *testing.T) {
	r := aReport()
	get, reserve := seriesOf(0.5, 0.5), seriesOf(0.5)
	reserve.Name = "growth-x-Reserve"
	r.Figures[0].Series, r.Figures[2].Series = []Series{*get}, []Series{*reserve}
	dir := filepath.Join(t.TempDir(), "made", "here")
	if err := r.WritePlots(dir); err != nil {
		t.Fatal(err)
	}
	for i, name := range map[int]string{0: "growth-x-get.svg", 2: "growth-x-reserve.svg"} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil || r.Figures[i].Series[0].Picture != filepath.ToSlash(path) {
			t.Fatalf("%v; linked as %q", err, r.Figures[i].Series[0].Picture)
		}
		picture(t, text)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r.WritePlots(filepath.Join(dir, "file")) == nil {
		t.Error("pictures were written into a file")
	}
}

func TestTicksAreRound(t *testing.T) {
	for most, want := range map[float64][]float64{50_400: {0, 20_000, 40_000, 60_000}, 5: {0, 1, 2, 3, 4, 5}, 0.09: {0, 0.02, 0.04, 0.06, 0.08, 0.1}, 0: {0, 0.2, 0.4, 0.6, 0.8, 1},
		math.NaN(): {0, 0.2, 0.4, 0.6, 0.8, 1}, math.Inf(1): {0, 0.2, 0.4, 0.6, 0.8, 1}} {
		got := niceTicks(most)
		if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%g: %v, expected %v", most, got, want)
		}
	}
	for step, want := range map[float64]string{1: "3", 0.5: "3.0", 0.2: "3.0", 0.02: "3.00", 20_000: "3"} {
		if got := tickLabel(3, step); got != want {
			t.Errorf("steps of %g: %q, expected %q", step, got, want)
		}
	}
}
