package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// small is a run that takes little. Nothing is expected of how fast it is.
func small(t *testing.T, rows ...string) Options {
	return Options{Only: rows, Quick: true, Rounds: 1, Seconds: 0.15, SKUs: 300, Lines: 3_000, Events: 20_000, ScaleSKUs: 2_000,
		Dir: t.TempDir(), Command: "stockfold bench"}
}

// embeddedRows are the rows of a service that has its stores within its process; the fake has no others.
func embeddedRows() []string {
	return slices.DeleteFunc(RowNames(), func(n string) bool { return strings.HasPrefix(n, "remote-") })
}

func TestAnHonestServicePasses(t *testing.T) {
	o := small(t, embeddedRows()...)
	r, err := Run(context.Background(), fakePrograms(t, honest), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Figures) != len(embeddedRows()) {
		t.Fatalf("%d figures for %d rows", len(r.Figures), len(embeddedRows()))
	}
	for i, f := range r.Figures {
		if f.Row != rows[i].Name || f.Value <= 0 && f.Calls == 0 || f.Errors != 0 || len(f.Rounds) != 1 {
			t.Errorf("%s: %+v", rows[i].Name, f)
		}
		if (f.Met == nil) != (rows[i].Target == nil) {
			t.Errorf("%s: target %v, met %v", f.Row, f.Target, f.Met)
		}
		if f.BaselineName == echoBaseline && (f.BaselineLatency == nil || f.Sizes == nil || f.Sizes.Reply <= 0 || f.Latency == nil) {
			t.Errorf("%s: nothing to compare with: %+v", f.Row, f)
		}
	}
	left, err := os.ReadDir(o.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestALyingServiceFailsTheRun(t *testing.T) {
	for _, c := range []struct {
		lie lie
		row string
	}{
		{losesLines, "ingest"}, {deadLetters, "ingest"}, {wrongATS, "replay"}, {wrongATS, "snapshot"},
	} {
		t.Run(string(c.lie)+" in "+c.row, func(t *testing.T) {
			o := small(t, c.row)
			_, err := Run(context.Background(), fakePrograms(t, c.lie), o, io.Discard)
			if !errors.Is(err, ErrWrong) {
				t.Errorf("error: %v", err)
			}
			if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestAServiceThatDiesFailsTheRun(t *testing.T) {
	_, err := Run(context.Background(), fakePrograms(t, dies), small(t, "reserve"), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "ended by itself: exit status 3") {
		t.Errorf("error: %v", err)
	}
}

func TestAServiceThatDoesNotStartFailsTheRun(t *testing.T) {
	p := fakePrograms(t, honest)
	p.Serve = func(ServeSettings) []string {
		return []string{wordServe, t.TempDir(), "nowhere", "127.0.0.1:x", "true", "honest"}
	}
	_, err := Run(context.Background(), p, small(t, "get"), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "ended by itself") || !strings.Contains(err.Error(), "invalid syntax") {
		t.Errorf("the reason in its log is missing: %v", err)
	}
}

func TestWhatIsAskedForIsBounded(t *testing.T) {
	for _, o := range []Options{{Rounds: -1}, {Rounds: MaxRounds + 1}, {Seconds: MinSeconds / 2}, {Seconds: MaxSeconds + 1},
		{SKUs: MinSKUs - 1}, {SKUs: MaxSKUs + 1}, {Lines: -1}, {Events: MaxEvents + 1},
		{ScaleSKUs: MinScaleSKUs - 1}, {ScaleSKUs: MaxScaleSKUs + 1}, {ScaleEvents: -1}, {ScaleEvents: MaxScaleEvents + 1}, {ScaleSKUs: 10_000, ScaleEvents: 49_999},
		{Only: []string{"get", "speed"}}} {
		if _, err := Run(context.Background(), Programs{}, o, io.Discard); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestAStoppedRunLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := small(t, "get")
	o.Seconds = 60
	// The run is stopped as soon as it says that it measures.
	stop := writer(func(line string) {
		if strings.Contains(line, "Get, 64") {
			cancel()
		}
	})
	if _, err := Run(ctx, fakePrograms(t, honest), o, stop); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// writer hands lines to a function.
type writer func(string)

func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

func TestAServiceThatLosesChangesFails(t *testing.T) {
	was := watchPatience
	watchPatience = time.Second
	defer func() { watchPatience = was }()
	if _, err := Run(context.Background(), fakePrograms(t, losesChanges), small(t, "watch"), t.Output()); !errors.Is(err, ErrWrong) {
		t.Errorf("the run ended with %v", err)
	}
}
