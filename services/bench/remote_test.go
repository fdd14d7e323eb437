package bench

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// withFar puts a second service beside the stage's, whose stores are processes of their own: Redis takes 1 ms, the event store 3 ms.
func (s *stage) withFar(l lie) *local {
	far := &local{fake: newFake(l), takes: map[string]time.Duration{}}
	c := &cluster{Stores: Stores{EventStore: "esdb://x"}, notes: []string{"Redis 7"}}
	for _, name := range []string{memberEvents, memberRedis} {
		p := here(far)
		c.members = append(c.members, member{name, p.child})
	}
	c.hops = func(context.Context, *bench) ([]hop, error) {
		var all []hop
		for i, takes := range []time.Duration{3 * time.Millisecond, time.Millisecond} {
			all = append(all, hop{member: c.members[i], what: "something", close: func() error { return nil },
				once: func(context.Context) error { time.Sleep(takes); return nil }})
		}
		return all, nil
	}
	s.far = newFar(s.bench, c, "")
	s.far.server = &server{peer: here(far), settings: ServeSettings{Ingest: true, Stores: c.Stores},
		status: pb.NewOperationsServiceClient(far), health: grpc_health_v1.NewHealthClient(far)}
	return far
}

func TestReserveWithStoresElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		far := s.withFar(honest)
		s.bare.takes[echoMethod], s.service.takes[reserveMethod], far.takes[reserveMethod] = time.Millisecond, 2*time.Millisecond, 10*time.Millisecond
		f, err := s.measure(t, "remote-reserve")
		if err != nil {
			t.Fatal(err)
		}
		if f.Value != 6_400 || f.Baseline != 64_000 || f.Ratio != 0.1 {
			t.Errorf("%g calls/s, echo %g, ratio %g", f.Value, f.Baseline, f.Ratio)
		}
		if a := f.Against[0]; a.Value != 32_000 || a.Ratio != 0.2 || a.String() != "the same, embedded, 32,000: 0.20 times as many" {
			t.Errorf("embedded: %+v", a)
		}
		if len(f.Hops) != 2 || f.Hops[0].Name != memberEvents || !near(f.Hops[0].Latency.P50, 3) || !near(f.Hops[1].Latency.P99, 1) {
			t.Errorf("hops: %+v", f.Hops)
		}
		if !slices.Contains(f.Notes, "Redis 7") || s.far.peak != 6_400 || s.peak != 0 {
			t.Errorf("notes %q, peaks %g and %g", f.Notes, s.far.peak, s.peak)
		}
	})
}

// What the processes beside the service use is told for each; here all of them are the test's own.
func TestProcessorTimeOfEveryProcess(t *testing.T) {
	if cpuTime(os.Getpid()) == 0 {
		t.Skip("the system does not tell")
	}
	u := usage{{memberEvents, &meter{pid: os.Getpid()}}, {memberRedis, &meter{pid: os.Getpid()}}, {memberKafka, &meter{}}}
	n, err := u.around(func() (int64, error) {
		for from := cpuTime(os.Getpid()); cpuTime(os.Getpid()) < from+30*time.Millisecond; {
		}
		return 10, nil
	})
	used := u.perCall()
	if err != nil || n != 10 || used[memberEvents] < 3_000 || used[memberRedis] < 3_000 || len(used) != 2 {
		t.Errorf("%d calls: %v (%v)", n, used, err)
	}
	sad := errors.New("sad")
	if n, err := u.around(func() (int64, error) { return 3, sad }); n != 3 || !errors.Is(err, sad) {
		t.Errorf("%d (%v)", n, err)
	}
	if n, err := usage(nil).around(func() (int64, error) { return 7, nil }); n != 7 || err != nil || usage(nil).perCall() != nil {
		t.Errorf("without any: %d (%v)", n, err)
	}
}

func TestReadableWithStoresElsewhere(t *testing.T) {
	for _, c := range []struct {
		slow    time.Duration
		noRedis bool
		met     string
	}{{9 * time.Millisecond, false, "met"}, {29 * time.Millisecond, false, "missed"}, {29 * time.Millisecond, true, "open"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, honest)
			far := s.withFar(honest)
			s.far.cluster.noRedis = c.noRedis
			far.takes[reserveMethod], far.takes[getMethod], far.slowToken = 5*time.Millisecond, time.Millisecond, c.slow
			f, err := s.measure(t, "remote-readable")
			if err != nil {
				t.Fatal(err)
			}
			got := "open"
			if f.Met != nil {
				got = map[bool]string{true: "met", false: "missed"}[*f.Met]
			}
			if got != c.met || len(f.Hops) != 2 {
				t.Errorf("p99 of %g ms, Redis missing %t: %s, expected %s; %d hops", f.Latency.P99, c.noRedis, got, c.met, len(f.Hops))
			}
		})
	}
}

func TestAServiceThatLiesWithStoresElsewhereFailsTheRow(t *testing.T) {
	for _, c := range []struct {
		near, far lie
		row       string
	}{{honest, forgetsReserved, "remote-reserve"}, {doublesReserved, honest, "remote-reserve"}, {honest, staleReads, "remote-readable"}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, c.near)
			far := s.withFar(c.far)
			for _, l := range []*local{s.service, s.bare, far} {
				l.takes[reserveMethod], l.takes[getMethod], l.takes[echoMethod] = 5*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
			}
			if _, err := s.measure(t, c.row); !errors.Is(err, ErrWrong) {
				t.Errorf("%s and %s in %s: %v", c.near, c.far, c.row, err)
			}
		})
	}
}

func TestAHopThatFailsFailsTheRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		far := s.withFar(honest)
		far.takes[reserveMethod], s.service.takes[reserveMethod], s.bare.takes[echoMethod] = 5*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
		gone, closed := errors.New("gone"), 0
		s.far.cluster.hops = func(context.Context, *bench) ([]hop, error) {
			return []hop{{member: member{name: memberRedis}, once: func(context.Context) error { return gone }, close: func() error { closed++; return nil }}}, nil
		}
		if _, err := s.measure(t, "remote-reserve"); !errors.Is(err, gone) || !strings.Contains(err.Error(), "hop to Redis") || closed != 1 {
			t.Errorf("%v, closed %d times", err, closed)
		}
	})
}

// Where positions do not count events, messages tell how much is done: a quarter of the lines comes before those that count.
func TestMessagesTellHowMuchIsTakenIn(t *testing.T) {
	b := &bench{effort: effort{ingestLines: 4_000}, cluster: &cluster{}}
	spans := []span{{0, 100, 300}, {1, 0, 300}}
	counted := b.linesCounted(spans, 0)
	for _, c := range []struct {
		first, second int64
		done          uint64
	}{{0, 0, 0}, {100, 0, 0}, {200, 0, 0}, {201, 0, 1}, {300, 300, 400}} {
		now := &pb.GetStatusResponse{Partitions: []*pb.PartitionStatus{{Topic: salesTopic, Partition: 0, NextOffset: c.first},
			{Topic: salesTopic, Partition: 1, NextOffset: c.second}, {Topic: "another", Partition: 1, NextOffset: 9_999}}}
		if got := counted(now); got != c.done {
			t.Errorf("at %d and %d: %d, expected %d", c.first, c.second, got, c.done)
		}
	}
	b.cluster = nil
	counted = b.linesCounted(spans, 50)
	for at, done := range map[uint64]uint64{0: 0, 1_050: 0, 1_051: 1, 5_050: 4_000} {
		now := &pb.GetStatusResponse{Projections: []*pb.ProjectionStatus{{Name: availabilityProjection, Position: at}}}
		if got := counted(now); got != done {
			t.Errorf("at position %d: %d, expected %d", at, got, done)
		}
	}
}

func TestAHopIsTold(t *testing.T) {
	h := Hop{Name: memberRedis, What: "a write and a read", Latency: &Latency{P50: 0.1, P99: 2}, CPU: 17}
	if got := h.String(); got != "hop to Redis, a write and a read: p50 0.10 ms, p99 2.00 ms, processor time there 17.0 µs" {
		t.Error(got)
	}
	h.CPU = 0
	if got := h.String(); strings.Contains(got, "processor") {
		t.Error(got)
	}
}

func TestAnEventStoreOfAnEarlierRunIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, honest)
		far := s.withFar(honest)
		if err := s.far.mustBeNew(t.Context()); err != nil {
			t.Errorf("a new one: %v", err)
		}
		change(far.OnHand, s.far.catalogue.reserve[0], s.far.catalogue.locations[0], 1)
		if err := s.far.mustBeNew(t.Context()); err == nil || !strings.Contains(err.Error(), "an empty one") {
			t.Errorf("error: %v", err)
		}
	})
}
