package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// A node with its availability in Redis, which goes away, comes back empty, and is full of right numbers again. All the
// while stock is counted and reserved, and every answer is right and says where it is from.
func TestANodeOutlivesItsRedis(t *testing.T) {
	server := redistest.Start(t)
	c := testConfig(t)
	c.Redis = redis.URL("redis://" + server.Addr())
	n := startNode(t, c)
	s := &shelf{t: t, node: n}
	s.open()

	s.reserve(2)
	s.reads(8, pb.AnsweredFrom_ANSWERED_FROM_UNSPECIFIED)
	if got := server.Do("HGET", "stockfold:sku:{milk}", "ats:web"); got != "8" {
		t.Errorf("another program reads %q", got)
	}

	server.Kill()
	s.reserve(3) // not affected
	s.until(func(a *pb.Availability) bool {
		return a.AnsweredFrom == pb.AnsweredFrom_ANSWERED_FROM_STREAM && a.Ats == 5
	})
	s.reads(5, pb.AnsweredFrom_ANSWERED_FROM_STREAM)

	server.Restore(nil)
	server.Run()
	s.until(func(a *pb.Availability) bool {
		return a.AnsweredFrom == pb.AnsweredFrom_ANSWERED_FROM_UNSPECIFIED && a.Ats == 5
	})
	s.reserve(1)
	s.reads(4, pb.AnsweredFrom_ANSWERED_FROM_UNSPECIFIED)
	if got := server.Do("HGET", "stockfold:sku:{milk}", "ats:web"); got != "4" {
		t.Errorf("another program reads %q", got)
	}
}

// What is wrong in Redis is found from scratch, and other documents take its place there; what other programs read follows.
func TestAReplayFromScratchExchangesWhatIsInRedis(t *testing.T) {
	server := redistest.Start(t)
	c := testConfig(t)
	c.Redis, c.SelfCheck = redis.URL("redis://"+server.Addr()), 0
	n := startNode(t, c)
	s := &shelf{t: t, node: n}
	s.open()
	s.reserve(2)
	s.reads(8, pb.AnsweredFrom_ANSWERED_FROM_UNSPECIFIED)
	server.Do("DEL", "stockfold:document:{milk}")
	server.Do("HSET", "stockfold:sku:{ghost}", "ats:web", "5")
	cli := client{t, n}
	replay := func(want int, says string, args ...string) {
		t.Helper()
		if out, trouble, code := cli.run("replay", args...); code != want || !strings.Contains(out, says) {
			t.Errorf("replay %s: exit code %d\n%s%s", args, code, out, trouble)
		}
	}
	replay(1, "milk: there is no document", "--from-scratch", "--check")
	if keys := server.Do("--scan", "--pattern", "stockfold:document:*"); keys != "" {
		t.Errorf("what was built and thrown away left %s", keys)
	}
	replay(0, ", and serves now", "--from-scratch")
	replay(0, "0 differ.", "--check")
	s.reserve(1)
	s.reads(7, pb.AnsweredFrom_ANSWERED_FROM_UNSPECIFIED)
	if got := server.Do("HGET", "stockfold:sku:{milk}", "ats:web"); got != "7" {
		t.Errorf("another program reads %q", got)
	}
	for began := time.Now(); server.Do("EXISTS", "stockfold:sku:{ghost}") != "0"; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the ghost is still there")
		}
	}
}

// Without its Redis a node starts, takes reservations and answers from the streams.
func TestANodeStartsWithoutItsRedis(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	c := testConfig(t)
	c.Redis = redis.URL("redis://" + server.Addr())
	s := &shelf{t: t, node: startNode(t, c)}
	s.open()
	s.reserve(4)
	s.reads(6, pb.AnsweredFrom_ANSWERED_FROM_STREAM)
	s.until(func(a *pb.Availability) bool {
		return a.AnsweredFrom == pb.AnsweredFrom_ANSWERED_FROM_STREAM && a.Ats == 6
	})
}

// The log of a start shows the setting without its password.
func TestTheLogHidesThePasswordOfRedis(t *testing.T) {
	text := fmt.Sprint(node.Config{Redis: "redis://stockfold:s3cret@127.0.0.1:6379"})
	if strings.Contains(text, "s3cret") || !strings.Contains(text, "redis://stockfold:") {
		t.Error(text)
	}
	var out strings.Builder
	_, parser := newParser(streams{&out, &out})
	parsed, err := parser.Parse([]string{"serve", "--redis", "redis://stockfold:s3cret@127.0.0.1:6379"})
	if err != nil {
		t.Fatal(err)
	}
	logSettings(slog.New(slog.NewTextHandler(&out, nil)), parsed)
	if strings.Contains(out.String(), "s3cret") || !strings.Contains(out.String(), "redis://stockfold:") {
		t.Error(out.String())
	}
}

// shelf is one SKU of a node, with ten units.
type shelf struct {
	t            *testing.T
	node         *node.Node
	availability pb.AvailabilityServiceClient
	reservations pb.ReservationServiceClient
	carts        int
	token        string
}

func (s *shelf) open() {
	s.t.Helper()
	conn := connect(s.t, s.node)
	policy := pb.NewPolicyServiceClient(conn)
	_, err := policy.PutLocation(s.t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: "berlin"}})
	if err == nil {
		_, err = policy.PutChannel(s.t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Sourcing: []string{"berlin"}}})
	}
	if err == nil {
		_, err = pb.NewStockServiceClient(conn).RecordMovements(s.t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{{
			MovementId: "1", Source: "test", Sku: "milk", Location: "berlin", OccurredAt: timestamppb.Now(), Quantity: 10,
			Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}}}})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.availability, s.reservations = pb.NewAvailabilityServiceClient(conn), pb.NewReservationServiceClient(conn)
}

// reserve reserves and confirms, by id alone.
func (s *shelf) reserve(quantity int64) {
	s.t.Helper()
	s.carts++
	id := fmt.Sprint("cart ", s.carts)
	placed, err := s.reservations.Reserve(s.t.Context(), &pb.ReserveRequest{ReservationId: id, Sku: "milk", Channel: "web", Quantity: quantity, HoldSeconds: 600})
	if err == nil {
		s.token = placed.Token
		_, err = s.reservations.ConfirmReservation(s.t.Context(), &pb.ConfirmReservationRequest{ReservationId: id})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) get(r *pb.GetAvailabilityRequest) *pb.Availability {
	s.t.Helper()
	r.Sku, r.Channel = "milk", "web"
	answer, err := s.availability.GetAvailability(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.Availability
}

// reads reads what the last reservation left.
func (s *shelf) reads(ats int64, from pb.AnsweredFrom) {
	s.t.Helper()
	if a := s.get(&pb.GetAvailabilityRequest{Token: s.token}); a.Ats != ats || a.AnsweredFrom != from || a.CurrentAt == nil {
		s.t.Errorf("got %v, want %d from %v", a, ats, from)
	}
}

// until reads until an answer is as wanted. Whatever comes before is no older than the bound.
func (s *shelf) until(wanted func(*pb.Availability) bool) {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		a := s.get(&pb.GetAvailabilityRequest{})
		if wanted(a) {
			return
		}
		if a.AnsweredFrom == pb.AnsweredFrom_ANSWERED_FROM_MEMORY && a.CurrentAt == nil {
			s.t.Fatalf("does not say how old it is: %v", a)
		}
		if time.Since(began) > time.Minute {
			s.t.Fatalf("still %v", a)
		}
	}
}
