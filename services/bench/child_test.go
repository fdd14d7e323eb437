package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// shell starts a script as a child.
func shell(t *testing.T, script string) *child {
	c, err := startChild("script", "/bin/sh", []string{"-c", script}, nil, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.kill() })
	return c
}

func TestAChildThatEndsWellIsNoError(t *testing.T) {
	if err := shell(t, "exit 0").stop(); err != nil && !strings.Contains(err.Error(), "terminated") {
		t.Errorf("error: %v", err)
	}
	c := shell(t, "trap 'exit 0' TERM; echo ready >&2; while :; do sleep 0.01; done")
	ready(t, c)
	if err := c.stop(); err != nil {
		t.Errorf("error: %v", err)
	}
}

// ready waits until a child wrote to its log.
func ready(t *testing.T, c *child) {
	for c.tail() == "" {
		select {
		case <-c.done:
			t.Fatal("ended early")
		default:
		}
	}
}

func TestAChildThatFailsTellsWhy(t *testing.T) {
	c := shell(t, "echo first >&2; echo disk is full >&2; exit 7")
	<-c.done
	err := c.stop()
	if err == nil || !strings.Contains(err.Error(), "script ended with exit status 7") || !strings.HasSuffix(err.Error(), "disk is full") {
		t.Errorf("error: %v", err)
	}
}

func TestOnlyTheEndOfALogIsShown(t *testing.T) {
	c := shell(t, "i=0; while [ $i -lt 500 ]; do echo line $i >&2; i=$((i+1)); done")
	<-c.done
	if tail := c.tail(); len(tail) > logTailSize+200 || !strings.HasSuffix(tail, "line 499") {
		t.Errorf("%d bytes: %s", len(tail), tail)
	}
}

func TestAChildThatEndsByItselfEndsWhatWatchesIt(t *testing.T) {
	c := shell(t, "echo out of memory >&2; exit 9")
	ctx, unwatch := c.watch(context.Background())
	defer unwatch()
	<-ctx.Done()
	if cause := context.Cause(ctx).Error(); !strings.Contains(cause, "ended by itself: exit status 9") || !strings.Contains(cause, "out of memory") {
		t.Errorf("cause: %s", cause)
	}
}

func TestWatchingEndsWithoutTheChild(t *testing.T) {
	c := shell(t, "sleep 60")
	ctx, unwatch := c.watch(context.Background())
	unwatch()
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("cause: %v", context.Cause(ctx))
	}
	if err := c.kill(); err != nil {
		t.Error(err)
	}
}

// What is measured is the default, whatever is set for the service in the environment of who measures.
func TestAChildDoesNotInheritSettings(t *testing.T) {
	t.Setenv(settingsPrefix+"STATE_MEMORY", "1")
	t.Setenv("STOCKING", "kept")
	c := shell(t, "env >&2")
	<-c.done
	seen, err := os.ReadFile(c.log)
	if err != nil || strings.Contains(string(seen), settingsPrefix) || !strings.Contains(string(seen), "STOCKING=kept") {
		t.Errorf("environment (%v):\n%s", err, seen)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	if _, err := startChild("nothing", "/does/not/exist", nil, nil, filepath.Join(t.TempDir(), "log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error: %v", err)
	}
	if _, err := startChild("nothing", "/bin/sh", nil, nil, "/does/not/exist/log"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error: %v", err)
	}
}

// polled is a service that answers from a list, the last answer for ever.
type polled struct {
	pb.OperationsServiceClient
	answers []*pb.GetStatusResponse
}

func (p *polled) GetStatus(context.Context, *pb.GetStatusRequest, ...grpc.CallOption) (*pb.GetStatusResponse, error) {
	now := p.answers[0]
	if len(p.answers) > 1 {
		p.answers = p.answers[1:]
	}
	return now, nil
}

// starting is a service that is not ready the first times it is asked.
type starting struct {
	grpc_health_v1.HealthClient
	refusals int
}

func (s *starting) Check(context.Context, *grpc_health_v1.HealthCheckRequest, ...grpc.CallOption) (*grpc_health_v1.HealthCheckResponse, error) {
	if s.refusals--; s.refusals >= 0 {
		return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING}, nil
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// at is a status with one projection.
func at(store, projection uint64) *pb.GetStatusResponse {
	return &pb.GetStatusResponse{StorePosition: store, Projections: []*pb.ProjectionStatus{{Name: availabilityProjection, Position: projection}}}
}

func TestAwaitPollsUntilItIsSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{peer: peer{child: &child{done: make(chan struct{})}}, status: &polled{answers: []*pb.GetStatusResponse{at(5, 0), at(5, 3), at(5, 5)}},
			health: &starting{refusals: 3}}
		from := time.Now()
		if err := s.settle(context.Background()); err != nil || time.Since(from) != 5*pollEvery {
			t.Errorf("%v after %s", err, time.Since(from))
		}
	})
}

func TestAwaitGivesUpAndSaysWhatItSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{peer: peer{child: &child{done: make(chan struct{})}}, status: &polled{answers: []*pb.GetStatusResponse{at(5, 3)}}}
		err := s.settle(context.Background())
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "every projection has caught up") ||
			!strings.Contains(err.Error(), "store_position:5") {
			t.Errorf("error: %v", err)
		}
	})
}

func TestWhetherSalesWereTakenIn(t *testing.T) {
	spans := []span{{partition: 0, from: 2, until: 5}, {partition: 1, from: 0, until: 0}}
	now := &pb.GetStatusResponse{Partitions: []*pb.PartitionStatus{{Topic: "another", NextOffset: 9}, {Topic: salesTopic, NextOffset: 4}}}
	if takenIn(now, spans) {
		t.Error("4 of 5 are not all")
	}
	now.Partitions[1].NextOffset = 5
	if !takenIn(now, spans) {
		t.Error("all were taken in")
	}
}

func TestTheReadModelMustBeWhereItIsRemoved(t *testing.T) {
	data := t.TempDir()
	if err := removeViews(data, fakeViews); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(data, fakeViews, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := removeViews(data, fakeViews); err != nil {
		t.Error(err)
	}
}

func TestPortsDiffer(t *testing.T) {
	ports, err := freePorts(4)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range ports {
		seen[p] = true
	}
	if len(seen) != 4 {
		t.Errorf("%v", ports)
	}
}
