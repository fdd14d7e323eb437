package load

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Progress shows how far a load has come, one stage after the other.
type Progress interface {
	// Stage begins a stage of total steps, 0 when that is not known. The returned functions count steps, and end the stage; both may be
	// called from any goroutine.
	Stage(name string, total int) (add func(steps int), done func())
}

// Silent shows nothing.
type Silent struct{}

// Stage begins a stage that nobody sees.
func (Silent) Stage(string, int) (func(int), func()) { return func(int) {}, func() {} }

// NewBars shows a bar for each stage, for a terminal.
func NewBars(out io.Writer) Progress { return bars{out} }

type bars struct{ out io.Writer }

const (
	barWidth  = 72
	nameWidth = 18
)

func (b bars) Stage(name string, total int) (func(int), func()) {
	p := mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(barWidth), mpb.WithAutoRefresh())
	counters := decor.CountersNoUnit("%d / %d")
	if total == 0 {
		counters = decor.CurrentNoUnit("%d")
	}
	bar := p.AddBar(int64(total),
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: nameWidth, C: decor.DindentRight})),
		mpb.AppendDecorators(append([]decor.Decorator{counters, decor.AverageSpeed(0, "  %.0f/s")}, left(total)...)...))
	return func(n int) { bar.IncrBy(n) }, func() {
		bar.SetTotal(-1, true)
		p.Wait()
	}
}

// left shows the time left of a stage whose total is known.
func left(total int) []decor.Decorator {
	if total == 0 {
		return nil
	}
	return []decor.Decorator{decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace), decor.Name(" left")}
}

// linesEvery is the least time between two lines of one stage.
const linesEvery = 2 * time.Second

// NewLines prints a line now and then, for a log.
func NewLines(out io.Writer) Progress { return &lines{out: out, now: time.Now} }

type lines struct {
	out io.Writer
	now func() time.Time
}

func (l *lines) Stage(name string, total int) (func(int), func()) {
	var mu sync.Mutex
	began, steps := l.now(), 0
	last := began
	print := func() {
		rate := float64(steps) / max(l.now().Sub(began).Seconds(), 0.001)
		of, left := "", ""
		if total > 0 {
			of = fmt.Sprintf(" / %d", total)
		}
		if total > steps && rate > 0 {
			left = fmt.Sprintf("  %s left", time.Duration(float64(total-steps)/rate*float64(time.Second)).Round(time.Second))
		}
		fmt.Fprintf(l.out, "%-*s %d%s  %.0f/s%s\n", nameWidth, name, steps, of, rate, left)
	}
	add := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		steps += n
		if l.now().Sub(last) >= linesEvery {
			last = l.now()
			print()
		}
	}
	return add, func() {
		mu.Lock()
		defer mu.Unlock()
		print()
	}
}
