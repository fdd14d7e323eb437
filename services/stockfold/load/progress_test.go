package load

import (
	"strings"
	"testing"
	"time"
)

func TestLinesComeNowAndThen(t *testing.T) {
	var out strings.Builder
	clock := noon
	p := &lines{out: &out, now: func() time.Time { return clock }}
	add, done := p.Stage("baskets sent", 100)
	add(10) // at once: no line yet
	clock = clock.Add(linesEvery)
	add(30)
	clock = clock.Add(linesEvery)
	add(60)
	done()
	want := "baskets sent       40 / 100  20/s  3s left\nbaskets sent       100 / 100  25/s\nbaskets sent       100 / 100  25/s\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestBarsEndWithTheirStage(t *testing.T) {
	var out strings.Builder
	add, done := NewBars(&out).Stage("baskets sent", 3)
	add(1)
	done() // also when it ends early
	if !strings.Contains(out.String(), "baskets sent") {
		t.Errorf("got %q", out.String())
	}
}

// A stage whose end is not known says how far it came, and of nothing.
func TestAStageWithoutAnEnd(t *testing.T) {
	var out strings.Builder
	clock := noon
	p := &lines{out: &out, now: func() time.Time { return clock }}
	add, done := p.Stage("SKUs read", 0)
	clock = clock.Add(linesEvery)
	add(30)
	done()
	if want := "SKUs read          30  15/s\nSKUs read          30  15/s\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	_, done = NewBars(&out).Stage("SKUs read", 0)
	done()
}
