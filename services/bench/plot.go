package bench

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// WritePlots draws each series of the report into a folder, as SVG, and has Markdown link the pictures by the folder's name. The
// folder is made when it is not there.
func (r *Report) WritePlots(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("draw the series: %w", err)
	}
	var errs []error
	r.eachSeries(func(_ *Figure, s *Series) {
		path := filepath.Join(dir, strings.ToLower(s.Name)+".svg")
		if err := os.WriteFile(path, s.draw(), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("draw %s: %w", s.Name, err))
			return
		}
		s.Picture = filepath.ToSlash(path)
	})
	return errors.Join(errs...)
}

// Layout of a picture, in its own units.
const (
	plotWidth, plotHeight = 960, 400
	plotTop, plotBottom   = 118, 334 // of the areas in which values are drawn
	panelWidth            = 372
	firstPanel            = 76
	secondPanel           = 556
	plotInset             = 26   // of the first and the last point
	plotRoom              = 1.05 // of the highest value
)

// Colours that stay apart in grey, and for the colour-blind.
const (
	ownColor   = "#0b62a4"
	otherColor = "#8a8f98"
	slowColor  = "#d1661a"
	inkColor   = "#2b3036"
	paleColor  = "#6a7078"
	gridColor  = "#e3e6ea"
	goodColor  = "#1a7f37"
	badColor   = "#b42318"
)

// curve is one line of a panel.
type curve struct {
	name, color string
	dashed      bool
	values      []float64
	labels      []string // at its points; none when empty
}

// canvas writes SVG.
type canvas struct{ bytes.Buffer }

// draw draws what is called per second, beside the echo, and how long answers take, each by the logarithm of what grows.
func (s *Series) draw() []byte {
	own, bare := curve{name: s.Calls, color: ownColor}, curve{name: echoBaseline, color: otherColor, dashed: true}
	half, slow := curve{name: "p50", color: ownColor}, curve{name: "p99", color: slowColor}
	for i := range s.Points {
		p := &s.Points[i]
		l := cmp.Or(p.Latency, &Latency{})
		own.values, bare.values = append(own.values, p.Value), append(bare.values, p.Baseline)
		own.labels = append(own.labels, fmt.Sprintf("%.2f", p.Ratio))
		half.values, slow.values = append(half.values, l.P50), append(slow.values, l.P99)
	}
	c := &canvas{}
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Helvetica, Arial, sans-serif">`+"\n", plotWidth, plotHeight, plotWidth, plotHeight)
	c.add(`<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, plotHeight)
	c.text(firstPanel, 36, "start", 19, inkColor, "bold", fmt.Sprintf("%s by %s", s.Calls, s.Of))
	c.text(firstPanel, 60, "start", 13, map[bool]string{true: goodColor, false: badColor}[s.Flat], "normal", capital(s.verdict()))
	c.panel(firstPanel, "calls/s", s, own, bare)
	c.panel(secondPanel, "latency in ms", s, half, slow)
	c.text(secondPanel+panelWidth, 36, "end", 12, paleColor, "normal", "numbers at the points: ratio to the echo of the same moment")
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// panel draws curves over the sizes of a series.
func (c *canvas) panel(left float64, unit string, s *Series, curves ...curve) {
	highest := 0.0
	for _, k := range curves {
		for _, v := range k.values {
			highest = max(highest, v)
		}
	}
	ticks := niceTicks(highest * plotRoom)
	y := func(v float64) float64 { return plotBottom - (plotBottom-plotTop)*v/ticks[len(ticks)-1] }
	for _, t := range ticks {
		c.line(left, y(t), left+panelWidth, y(t), gridColor, 1)
		c.text(left-8, y(t)+4, "end", 12, paleColor, "normal", tickLabel(t, ticks[1]))
	}
	c.line(left, plotBottom, left+panelWidth, plotBottom, paleColor, 1)
	x := s.places(left)
	for i, at := range x {
		c.line(at, plotBottom, at, plotBottom+5, paleColor, 1)
		c.text(at, plotBottom+20, "middle", 12, paleColor, "normal", grouped(int64(s.Points[i].X)))
	}
	c.text(left+panelWidth/2, plotBottom+44, "middle", 12, inkColor, "normal", s.Of+" (log scale)")
	c.text(left, plotTop-26, "start", 12, inkColor, "bold", unit)
	c.legend(left+panelWidth, plotTop-26, curves)
	for i := len(curves) - 1; i >= 0; i-- { // the first lies on top
		c.curve(curves[i], x, y)
	}
}

// places are where the points of a series are, from left to right.
func (s *Series) places(left float64) []float64 {
	first, last := math.Log10(max(s.Points[0].X, 1)), math.Log10(max(s.Points[len(s.Points)-1].X, 1))
	x := make([]float64, len(s.Points))
	for i := range s.Points {
		x[i] = left + panelWidth/2
		if last > first {
			x[i] = left + plotInset + (panelWidth-2*plotInset)*(math.Log10(max(s.Points[i].X, 1))-first)/(last-first)
		}
	}
	return x
}

func (c *canvas) curve(k curve, x []float64, y func(float64) float64) {
	var path strings.Builder
	for i, v := range k.values {
		fmt.Fprintf(&path, "%s%.1f %.1f ", map[bool]string{true: "M", false: "L"}[i == 0], x[i], y(v))
	}
	dash := ""
	if k.dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	c.add(`<path d="%s" fill="none" stroke="%s" stroke-width="2.5" stroke-linejoin="round"%s/>`+"\n", strings.TrimSpace(path.String()), k.color, dash)
	for i, v := range k.values {
		c.add(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="#ffffff" stroke-width="1.5"/>`+"\n", x[i], y(v), k.color)
		if len(k.labels) > 0 {
			c.label(x[i], beside(y(v)), k.color, k.labels[i])
		}
	}
}

// beside is where the label of a point stands: below it, or above where the axis is in the way.
func beside(y float64) float64 {
	const below, above = 18, 10
	if y+below > plotBottom-2 {
		return y - above
	}
	return y + below
}

// label stands on white, so that lines do not cross it.
func (c *canvas) label(x, y float64, color, text string) {
	c.add(`<text x="%.1f" y="%.1f" text-anchor="middle" font-size="12" font-weight="bold" fill="%s" stroke="#ffffff" stroke-width="3" paint-order="stroke">%s</text>`+"\n", x, y, color, escaped(text))
}

// legend names curves, from right to left.
func (c *canvas) legend(right, y float64, curves []curve) {
	const letter, gap = 7.6, 34 // about the width of a letter; of the sample and what is around it
	for i := len(curves) - 1; i >= 0; i-- {
		k := curves[i]
		c.text(right, y, "end", 12, k.color, "bold", k.name)
		right -= letter*float64(len(k.name)) + 8
		c.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2.5"%s/>`+"\n", right-18, y-4, right, y-4, k.color,
			map[bool]string{true: ` stroke-dasharray="6 4"`, false: ""}[k.dashed])
		right -= gap
	}
}

func (c *canvas) line(x1, y1, x2, y2 float64, color string, width float64) {
	c.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>`+"\n", x1, y1, x2, y2, color, width)
}

func (c *canvas) text(x, y float64, anchor string, size int, color, weight, text string) {
	c.add(`<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" font-weight="%s" fill="%s">%s</text>`+"\n", x, y, anchor, size, weight, color, escaped(text))
}

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(c, format, args...) }

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes everything
	return b.String()
}

// niceTicks are round values from 0 up to the first that is not below most.
func niceTicks(most float64) []float64 {
	const wanted = 5 // steps, at most
	if !(most > 0) || math.IsInf(most, 0) {
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most/wanted)))
	for _, by := range []float64{1, 2, 5, 10} {
		if most <= step*by*wanted {
			step *= by
			break
		}
	}
	ticks := []float64{0}
	for i := 1; ticks[i-1] < most; i++ {
		ticks = append(ticks, step*float64(i))
	}
	return ticks
}

// tickLabel has as many digits as the step needs.
func tickLabel(v, step float64) string {
	if step >= 1 {
		return grouped(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.*f", int(math.Ceil(-math.Log10(step)-1e-9)), v)
}
