package availability_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	view "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/availability"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/servicetest"
)

// blind is a view that remembers some answers, and whose read model cannot be read.
type blind struct {
	availability.View
	remembers map[string]view.Availability
}

// remembering is a view of a world that remembers what it can sell of a SKU on the channel "web" once it has reached a position:
// what the read model itself does meanwhile makes no difference then.
func remembering(t *testing.T, w *servicetest.World, token, sku string) blind {
	t.Helper()
	position, err := w.Tokens.Decode("token", token)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.View.WaitFor(t.Context(), position); err != nil {
		t.Fatal(err)
	}
	a, err := w.View.Get(t.Context(), sku, "web")
	for errors.Is(err, view.ErrUnreadable) && t.Context().Err() == nil { // it has not got on for a while, on a busy machine
		a, err = w.View.Get(t.Context(), sku, "web")
	}
	if err != nil {
		t.Fatal(err)
	}
	return blind{w.View, map[string]view.Availability{sku: a}}
}

func (b blind) Stuck() bool { return true }

func (b blind) Get(_ context.Context, sku, _ string) (view.Availability, error) {
	a, ok := b.remembers[sku]
	if !ok {
		return view.Availability{}, fmt.Errorf("SKU %q: %w", sku, view.ErrUnreadable)
	}
	a.From = view.FromMemory
	return a, nil
}

func (b blind) BatchGet(ctx context.Context, channel string, skus []string, dst []view.Availability) ([]view.Availability, error) {
	for _, sku := range skus {
		a, err := b.Get(ctx, sku, channel)
		if err != nil {
			return dst, err
		}
		dst = append(dst, a)
	}
	return dst, nil
}

func (b blind) BatchMade(ctx context.Context, channel string, skus []string, makeOf func(*view.Availability) []byte, dst [][]byte) (
	list [][]byte, current aggregates.Instant, from view.From, err error) {
	found, err := b.BatchGet(ctx, channel, skus, nil)
	for i := range found {
		dst = append(dst, makeOf(&found[i]))
	}
	return dst, 0, view.FromMemory, err
}

// batches are the ways of asking for many, for messages and for bytes.
func batches(s *availability.Service) map[string]func(context.Context, *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error) {
	return map[string]func(context.Context, *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error){
		"messages": s.BatchGetAvailability,
		"bytes": func(ctx context.Context, r *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error) {
			answer, err := s.BatchGetEncoded(ctx, r)
			if err != nil {
				return nil, err
			}
			b, err := proto.Marshal(answer)
			if err != nil {
				return nil, err
			}
			decoded := &pb.BatchGetAvailabilityResponse{}
			return decoded, proto.Unmarshal(b, decoded)
		},
	}
}

// ahead is a view that has not come to anything yet.
type ahead struct{ blind }

func (ahead) Position() uint64 { return 0 }

func serviceOver(w *servicetest.World, v availability.View) *availability.Service {
	return availability.New(availability.Config{View: v, Channels: w.Policies, SKUs: w.SKUs, Tokens: w.Tokens})
}

func TestWhatCannotBeReadIsDecidedOnTheStream(t *testing.T) {
	w := shop(t)
	w.Count("milk", 10)
	s := serviceOver(w, remembering(t, w, w.Count("bread", 4), "milk"))
	one, err := s.GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "bread", Channel: "web"})
	if err != nil || one.Availability.Ats != 4 || one.Availability.AnsweredFrom != pb.AnsweredFrom_ANSWERED_FROM_STREAM || one.Availability.CurrentAt == nil {
		t.Errorf("got %v %v", one, err)
	}
	for name, ask := range batches(s) {
		many, err := ask(t.Context(), &pb.BatchGetAvailabilityRequest{Channel: "web", Skus: []string{"bread", "milk", "bread", "unknown"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct {
			ats  int64
			from pb.AnsweredFrom
		}{{4, pb.AnsweredFrom_ANSWERED_FROM_STREAM}, {10, pb.AnsweredFrom_ANSWERED_FROM_MEMORY}, {4, pb.AnsweredFrom_ANSWERED_FROM_STREAM},
			{0, pb.AnsweredFrom_ANSWERED_FROM_STREAM}} {
			if a := many.Availabilities[i]; a.Ats != want.ats || a.AnsweredFrom != want.from {
				t.Errorf("%s, answer %d: %v, want %v", name, i, a, want)
			}
		}
	}
	_, err = s.GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "bread", Channel: "nowhere"})
	if err == nil {
		t.Error("an unknown channel is answered")
	}
}

// A token that the view has not reached, and will not soon, is honoured from the stream at once.
func TestATokenIsHonouredFromTheStreamWhenTheViewStands(t *testing.T) {
	w := shop(t)
	token := w.Count("milk", 10)
	s := serviceOver(w, ahead{remembering(t, w, token, "milk")})
	one, err := s.GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: token})
	if err != nil || one.Availability.Ats != 10 || one.Availability.AnsweredFrom != pb.AnsweredFrom_ANSWERED_FROM_STREAM {
		t.Errorf("got %v %v", one, err)
	}
	for name, ask := range batches(s) {
		many, err := ask(t.Context(), &pb.BatchGetAvailabilityRequest{Channel: "web", Skus: []string{"milk"}, Token: token})
		if err != nil || many.Availabilities[0].Ats != 10 || many.Availabilities[0].AnsweredFrom != pb.AnsweredFrom_ANSWERED_FROM_STREAM {
			t.Errorf("%s: got %v %v", name, many, err)
		}
	}
}

// Answers from streams are bounded: who comes too many is told to come back.
func TestAnswersFromStreamsAreBounded(t *testing.T) {
	w := shop(t)
	s := serviceOver(w, blind{View: w.View})
	skus := make([]string, availability.MaxBatch)
	for i := range skus {
		skus[i] = fmt.Sprint("sku ", i)
	}
	s.Fill(availability.MaxInstead - availability.MaxBatch + 1)
	if _, err := s.BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Channel: "web", Skus: skus}); !errors.Is(err, availability.ErrTooManyInstead) {
		t.Errorf("more than the bound: got %v", err)
	}
	s.Fill(-1)
	if _, err := s.BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Channel: "web", Skus: skus}); err != nil {
		t.Errorf("room for just as many: %v", err)
	}
}

// frozen are SKUs of an event store that is away: nothing is answered before the caller gives up.
type frozen struct{ commands.Doer[stock.State] }

func (frozen) Do(ctx context.Context, _ string, _ aggregates.Metadata, _ commands.Intention[stock.State]) (commands.Outcome, error) {
	<-ctx.Done()
	return commands.Outcome{}, ctx.Err()
}

func (frozen) Submit(string, aggregates.Metadata, commands.Intention[stock.State], func(commands.Outcome, error)) error {
	return nil
}

// With the read model too old and the event store away there is nothing to answer from: callers hear of it soon, also those
// who would wait for ever, and their places are free again.
func TestWithNothingToAnswerFromCallersAreToldSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := fmt.Errorf("%w: no server", commands.ErrUnavailable)
		s := availability.New(availability.Config{View: blind{nowhere{}, nil}, SKUs: frozen{}, StoreHealth: func() error { return down }})
		began := time.Now()
		for range availability.MaxInstead/2 + 1 {
			_, err := s.GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web"})
			if !errors.Is(err, availability.ErrNothingToAnswerFrom) || !errors.Is(err, down) {
				t.Fatalf("one: got %v", err)
			}
			_, err = s.BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Skus: []string{"milk", "tea"}, Channel: "web"})
			if !errors.Is(err, availability.ErrNothingToAnswerFrom) || !errors.Is(err, down) {
				t.Fatalf("many: got %v", err)
			}
		}
		if each := time.Since(began) / (availability.MaxInstead + 2); each > 2*time.Second {
			t.Errorf("each call took %s", each)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.GetAvailability(gone, &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller who does not wait: got %v", err)
		}
	})
}

// nowhere is a view at the beginning.
type nowhere struct{ availability.View }

func (nowhere) Position() uint64 { return 0 }

// lagging is a view that could not be read for one call, and is behind the store, until somebody waits for it.
type lagging struct {
	availability.View
	old                view.Availability
	behind, unreadable bool
}

func (l *lagging) Position() uint64 {
	if l.behind {
		return l.old.Position
	}
	return l.View.Position()
}

func (l *lagging) WaitFor(ctx context.Context, position uint64) error {
	if position > l.old.Position {
		l.behind = false
	}
	return l.View.WaitFor(ctx, position)
}

func (l *lagging) Get(ctx context.Context, sku, channel string) (view.Availability, error) {
	switch unreadable := l.unreadable; {
	case unreadable:
		l.unreadable = false
		return view.Availability{}, view.ErrUnreadable
	case l.behind:
		return l.old, nil
	}
	return l.View.Get(ctx, sku, channel)
}

func (l *lagging) BatchGet(ctx context.Context, channel string, skus []string, dst []view.Availability) ([]view.Availability, error) {
	a, err := l.Get(ctx, skus[0], channel)
	return append(dst, a), err
}

// A reader who was answered from the stream does not see less when the view, which may still be behind, can be read again.
func TestAfterAnAnswerFromTheStreamNothingOlderIsAnswered(t *testing.T) {
	w := shop(t)
	w.ATS("milk", w.Count("milk", 10))
	old, err := w.View.Get(t.Context(), "milk", "web")
	if err != nil {
		t.Fatal(err)
	}
	w.ATS("milk", w.Count("milk", 7))
	for _, token := range []string{"", w.Tokens.Encode(old.Position)} {
		v := &lagging{View: w.View, old: old, behind: true, unreadable: true}
		s := serviceOver(w, v)
		get := func() *pb.Availability {
			answer, err := s.GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: token})
			if err != nil {
				t.Fatal(err)
			}
			return answer.Availability
		}
		first := get()
		if second := get(); first.Ats != 7 || second.Ats != 7 || second.Position < first.Position {
			t.Errorf("token %q: %v, and then %v", token, first, second)
		}
		v.behind = true
		many, err := s.BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Channel: "web", Skus: []string{"milk"}, Token: token})
		if err != nil || many.Availabilities[0].Position < first.Position {
			t.Errorf("token %q: %v, and then %v, %v", token, first, many, err)
		}
	}
}
