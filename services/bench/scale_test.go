package bench

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var scaleNames = []string{"growth-skus", "start", "complete", "memory", "disk"}

// All of it is put in place once, and shared.
func TestTheLargeRetailerIsMeasured(t *testing.T) {
	var said []string
	o := small(t, scaleNames...)
	r, err := Run(t.Context(), fakePrograms(t, honest), o, writer(func(line string) { said = append(said, line) }))
	if err != nil {
		t.Fatal(err)
	}
	counted := slices.DeleteFunc(said, func(line string) bool { return !strings.Contains(line, "  counting") })
	if want := []string{"  counting 1,000 SKUs at 5 locations\n", "  counting 1,000 SKUs at 5 locations\n"}; !slices.Equal(counted, want) {
		t.Errorf("counted %q", counted)
	}
	for i, f := range r.Figures {
		if f.Row != scaleNames[i] || f.Value <= 0 || len(f.Rounds) != 1 || f.Met == nil {
			t.Errorf("%+v", f)
		}
		if i > 0 && !strings.Contains(f.Title, "2,000 SKUs at 5 locations on 3 channels, 20,000 movements: 0.002 of what the target is for") {
			t.Errorf("%s: %q does not tell how much there was", f.Row, f.Title)
		}
	}
	if f := r.Figures[0]; len(f.Series) != 2 || len(f.Series[0].Points) != 2 || f.Series[0].Points[1].X != 2_000 {
		t.Errorf("%+v", f.Series)
	}
	if start, complete := r.Figures[1], r.Figures[2]; start.Value > complete.Value {
		t.Errorf("serving after %g s, complete after %g s", start.Value, complete.Value)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What was answered must be there after the process was killed.
func TestWhatAKilledServiceForgetsFailsTheRun(t *testing.T) {
	for _, l := range []lie{forgetsKilled, wrongATS} {
		if _, err := Run(t.Context(), fakePrograms(t, l), small(t, "disk"), io.Discard); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", l, err)
		}
	}
}

// The rows show what they were told of.
func TestWhatALargeRetailerTakes(t *testing.T) {
	seen := &scaleSeen{rest: 512 << 20, asked: 1_024 << 20, log: 900_000, views: 500_000, broker: 3 << 20, movements: 8_000, reservations: 2_000, recording: 50_000,
		clean:  []startTimes{{time.Second, 2 * time.Second}, {3 * time.Second, 4 * time.Second}, {time.Second, 2 * time.Second}},
		killed: []startTimes{{2 * time.Second, 20 * time.Second}, {2 * time.Second, 20 * time.Second}, {6 * time.Second, 7 * time.Second}}}
	for _, c := range []struct {
		row   string
		value float64
		met   bool
		notes []string
	}{
		{"start", 3, true, []string{"1.00 s after a clean stop, 2.00 s after kill -9 right behind 20,000 movements", "recorded 50,000 movements/s"}},
		{"complete", 20, false, []string{"2.00 s after a clean stop, 20.0 s after kill -9"}},
		{"memory", 1_024, true, []string{"1,073,741 bytes for each SKU", "512 MiB at rest after a start, 536,870 bytes for each SKU"}},
		{"disk", 140, true, []string{"the log 90.0, the read models 50.0 bytes for each of 8,000 movements and 2,000 reservations", "3.00 MiB of published changes"}},
	} {
		chosen, err := choose([]string{c.row}, false)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{effort: effort{scaleSKUs: 1_000}, scale: &scale{seen: seen}}
		f := Figure{Row: c.row, Target: chosen[0].Target}
		if err := chosen[0].measure(t.Context(), b, &f); err != nil {
			t.Fatal(err)
		}
		if f.conclude(); f.Value != c.value || *f.Met != c.met || !strings.HasPrefix(f.Target.String(), "≤ ") {
			t.Errorf("%s: %g, met %t, target %s", c.row, f.Value, *f.Met, f.Target)
		}
		for _, want := range c.notes {
			if !slices.ContainsFunc(f.Notes, func(n string) bool { return strings.Contains(n, want) }) {
				t.Errorf("%s: %q is not in %q", c.row, want, f.Notes)
			}
		}
	}
}

func TestSizesEndWithAllSKUs(t *testing.T) {
	for all, want := range map[int][]int{1_000: {1_000}, 2_000: {1_000, 2_000}, 200_000: {1_000, 10_000, 100_000, 200_000}, 1_000_000: {1_000, 10_000, 100_000, 1_000_000}} {
		if got := (effort{scaleSKUs: all}).skuSizes(); !slices.Equal(got, want) {
			t.Errorf("%d: %v", all, got)
		}
	}
}

func TestTheLargeRetailerHasAsManyEventsAsItIsToHave(t *testing.T) {
	for o, want := range map[*Options][2]int{{}: {40_000, 400_000}, {ScaleSKUs: 1_000_000}: {1_000_000, 10_000_000}, {ScaleSKUs: 2_000, ScaleEvents: 10_000}: {2_000, 10_000}} {
		if e, err := o.effort(); err != nil || e.scaleSKUs != want[0] || e.scaleEvents != want[1] {
			t.Errorf("%+v: %d SKUs, %d events (%v)", o, e.scaleSKUs, e.scaleEvents, err)
		}
	}
}

func TestBytesOfAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700), os.WriteFile(filepath.Join(dir, "x"), make([]byte, 100), 0o600),
		os.WriteFile(filepath.Join(dir, "a", "b", "y"), make([]byte, 23), 0o600)); err != nil {
		t.Fatal(err)
	}
	if n, err := bytesIn(dir); n != 123 || err != nil {
		t.Errorf("%d (%v)", n, err)
	}
	if _, err := bytesIn(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there has bytes")
	}
}
