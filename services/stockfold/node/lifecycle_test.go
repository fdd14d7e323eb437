package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestPartsStopInReverse(t *testing.T) {
	p := parts{log: quiet()}
	var stopped []string
	for _, name := range []string{"store", "projection", "api"} {
		p.add(name, func(context.Context) error {
			stopped = append(stopped, name)
			if name != "store" {
				return errors.New("no")
			}
			return nil
		})
	}
	err := p.stop(context.Background())
	if !slices.Equal(stopped, []string{"api", "projection", "store"}) {
		t.Errorf("stopped %q", stopped)
	}
	if err == nil || !strings.Contains(err.Error(), "stop api: no") || !strings.Contains(err.Error(), "stop projection: no") {
		t.Errorf("got %v", err)
	}
	if again := p.stop(context.Background()); again != err || len(stopped) != 3 {
		t.Errorf("stopping again: %v, stopped %q", again, stopped)
	}
}

func TestALoopEndsWhenItIsStopped(t *testing.T) {
	p := parts{log: quiet()}
	p.loop("ingest", func(err error) { t.Errorf("failed: %v", err) }, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err := p.stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestALoopThatEndsByItselfFailsTheNode(t *testing.T) {
	p := parts{log: quiet()}
	broken := errors.New("broken")
	failed := make(chan error, 1)
	p.loop("ingest", func(err error) { failed <- err }, func(context.Context) error { return broken })
	if err := <-failed; !errors.Is(err, broken) || !strings.Contains(err.Error(), "ingest ended") {
		t.Errorf("failed with %v", err)
	}
	if err := p.stop(context.Background()); !errors.Is(err, broken) {
		t.Errorf("stopped with %v", err)
	}
}

func TestALoopThatDoesNotEndIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parts{log: quiet()}
		release := make(chan struct{})
		p.loop("ingest", func(error) {}, func(context.Context) error {
			<-release
			return nil
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.stop(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop ingest: did not end in time") {
			t.Errorf("got %v", err)
		}
		close(release)
	})
}

func TestAServerThatDoesNotEndIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parts{log: quiet()}
		release := make(chan struct{})
		p.serve("api", func(error) {}, func() error { <-release; return nil }, func(ctx context.Context) error { return nil })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.stop(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop api: did not end in time") {
			t.Errorf("got %v", err)
		}
		close(release)
	})
}

// Brokers that are away are news once, and again after they were there.
func TestTroubleIsLoggedWhenItIsNews(t *testing.T) {
	var log bytes.Buffer
	n := &Node{log: slog.New(slog.NewTextHandler(&log, nil))}
	tell := n.newsOf("no broker")
	for _, err := range []error{errors.New("a"), errors.New("a"), errors.New("b"), nil, errors.New("b")} {
		tell(err)
	}
	if lines := strings.Count(log.String(), "no broker"); lines != 3 {
		t.Errorf("%d lines, want 3:\n%s", lines, &log)
	}
}
