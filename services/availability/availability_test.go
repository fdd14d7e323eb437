package availability_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/availability"
	"github.com/stockfold/stockfold/services/servicetest"
	"github.com/stockfold/stockfold/services/tokens"
)

func shop(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	return w
}

func TestAReadWithATokenSeesTheWrite(t *testing.T) {
	w := shop(t)
	for i := range int64(200) {
		if ats := w.ATS("milk", w.Count("milk", i)); ats != i {
			t.Fatalf("after counting %d the ATS is %d", i, ats)
		}
	}
}

func TestWhatAnAnswerSays(t *testing.T) {
	w := shop(t)
	if _, err := w.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: "beef", Unit: "kg", Decimals: 3}}); err != nil {
		t.Fatal(err)
	}
	token := w.Move(&pb.Movement{Sku: "beef", Decimal: "5.5", Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	answer, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "beef", Channel: "web", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	a := answer.Availability
	if a.Sku != "beef" || a.Channel != "web" || a.Ats != 5500 || a.Decimals != 3 || !a.Known || a.Position == 0 || a.AsOf.AsTime().IsZero() {
		t.Errorf("got %v", a)
	}
	for _, consistency := range []pb.Consistency{pb.Consistency_CONSISTENCY_STRONG, pb.Consistency_CONSISTENCY_UNSPECIFIED} {
		unknown, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "nothing", Channel: "web", Consistency: consistency})
		if err != nil || unknown.Availability.Known || unknown.Availability.Ats != 0 || unknown.Availability.Position != 0 {
			t.Errorf("unknown SKU, %s: %v, %v", consistency, unknown, err)
		}
		_, err = w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "beef", Channel: "nowhere", Consistency: consistency})
		if facts := servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL"); facts["channel"] != "nowhere" {
			t.Errorf("facts %v", facts)
		}
		_, err = w.AvailabilityClient().BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{Skus: []string{"beef"}, Channel: "nowhere", Consistency: consistency})
		servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
	}
}

func TestTheStrongAnswerIsNeverBehind(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Hold: true}) // the read model shows nothing at all
	w.Shop()
	w.Count("milk", 10)
	strong := func() *pb.Availability {
		answer, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{
			Sku: "milk", Channel: "web", Consistency: pb.Consistency_CONSISTENCY_STRONG})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Availability
	}
	before := strong()
	w.Move(&pb.Movement{Sku: "milk", Quantity: 4, Kind: &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}})
	after := strong()
	if before.Ats != 10 || after.Ats != 6 || !after.Known || after.Position <= before.Position {
		t.Errorf("before %v, after %v", before, after)
	}
	many, err := w.AvailabilityClient().BatchGetAvailability(t.Context(), &pb.BatchGetAvailabilityRequest{
		Skus: []string{"milk", "nothing", "milk"}, Channel: "web", Consistency: pb.Consistency_CONSISTENCY_STRONG})
	if err != nil {
		t.Fatal(err)
	}
	if got := many.Availabilities; len(got) != 3 || got[0].Ats != 6 || got[1].Known || got[1].Sku != "nothing" || got[2].Ats != 6 {
		t.Errorf("got %v", got)
	}
	w.Follow()
}

func TestABatchIsAnsweredInTheOrderAsked(t *testing.T) {
	w := shop(t)
	request := &pb.BatchGetAvailabilityRequest{Channel: "web"}
	for i := range int64(30) {
		request.Token = w.Count(fmt.Sprintf("sku-%d", i), i)
	}
	for i := range 1000 {
		request.Skus = append(request.Skus, fmt.Sprintf("sku-%d", (i*7)%31))
	}
	for range 2 {
		answer, err := w.AvailabilityClient().BatchGetAvailability(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range answer.Availabilities {
			n := int64((i * 7) % 31)
			if a.Sku != request.Skus[i] || n < 30 && a.Ats != n || a.Known != (n < 30) {
				t.Fatalf("place %d, %s: %v", i, request.Skus[i], a)
			}
		}
		if len(answer.Availabilities) != 1000 {
			t.Fatalf("%d answers", len(answer.Availabilities))
		}
	}
}

func TestWhatIsWrongWithARequest(t *testing.T) {
	w := shop(t)
	c := w.AvailabilityClient()
	ctx := t.Context()
	get := func(r *pb.GetAvailabilityRequest) error { _, err := c.GetAvailability(ctx, r); return err }
	batch := func(r *pb.BatchGetAvailabilityRequest) error { _, err := c.BatchGetAvailability(ctx, r); return err }
	watch := func(r *pb.WatchAvailabilityRequest) error {
		stream, err := c.WatchAvailability(ctx, r)
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	for name, x := range map[string]struct {
		err         error
		field, says string
	}{
		"no SKU":           {get(&pb.GetAvailabilityRequest{Channel: "web"}), "sku", "is empty"},
		"no channel":       {get(&pb.GetAvailabilityRequest{Sku: "milk"}), "channel", "is empty"},
		"long SKU":         {get(&pb.GetAvailabilityRequest{Sku: strings.Repeat("x", 101), Channel: "web"}), "sku", "has 101"},
		"consistency":      {get(&pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Consistency: 9}), "consistency", "is 9"},
		"token":            {get(&pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: "§"}), "token", "not a token"},
		"no SKUs":          {batch(&pb.BatchGetAvailabilityRequest{Channel: "web"}), "skus", "has 0"},
		"too many SKUs":    {batch(&pb.BatchGetAvailabilityRequest{Channel: "web", Skus: make([]string, 1001)}), "skus", "has 1001"},
		"one wrong SKU":    {batch(&pb.BatchGetAvailabilityRequest{Channel: "web", Skus: []string{"a", "b", ""}}), "skus[2]", "is empty"},
		"watched nowhere":  {watch(&pb.WatchAvailabilityRequest{}), "channel", "is empty"},
		"too many watched": {watch(&pb.WatchAvailabilityRequest{Channel: "web", Skus: make([]string, 1001)}), "skus", "has 1001"},
		"resume token":     {watch(&pb.WatchAvailabilityRequest{Channel: "web", ResumeToken: "then"}), "resume_token", "not a token"},
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Refused(t, x.err, codes.InvalidArgument, "INVALID_FIELDS")
			if fields := servicetest.Fields(x.err); !strings.Contains(fields[x.field], x.says) {
				t.Errorf("fields %v, want %s: … %s …", fields, x.field, x.says)
			}
		})
	}
	foreign := tokens.New("another store").Encode(1)
	servicetest.Refused(t, get(&pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: foreign}), codes.InvalidArgument, "TOKEN_FOREIGN")
}

func TestATokenThatIsNotVisibleByTheDeadlineSaysSo(t *testing.T) {
	w := shop(t)
	s := availability.New(availability.Config{View: w.View, Channels: w.Policies, SKUs: w.SKUs, Tokens: w.Tokens})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	token := w.Tokens.Encode(1 << 50)
	var late *tokens.NotYetVisibleError
	if _, err := s.GetAvailability(ctx, &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: token}); !errors.As(err, &late) {
		t.Errorf("got %v", err)
	}
	if _, err := s.BatchGetAvailability(ctx, &pb.BatchGetAvailabilityRequest{Skus: []string{"milk"}, Channel: "web", Token: token}); !errors.As(err, &late) {
		t.Errorf("got %v", err)
	}
}

// follow reads a watch until a SKU has an ATS; it returns what it saw last of every SKU, and the last token.
func follow(t *testing.T, w *servicetest.World, r *pb.WatchAvailabilityRequest, sku string, ats int64) (map[string]int64, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := w.AvailabilityClient().WatchAvailability(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int64{}
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Availabilities) > 1000 {
			t.Errorf("%d values in a message", len(m.Availabilities))
		}
		for _, a := range m.Availabilities {
			seen[a.Sku] = a.Ats
		}
		if last, ok := seen[sku]; ok && last == ats && m.CaughtUp {
			return seen, m.ResumeToken
		}
	}
}

func TestAWatchSeesTheLastValueOfEverySKU(t *testing.T) {
	w := shop(t)
	const skus = 50
	for i := range int64(skus) {
		w.Count(fmt.Sprintf("sku-%d", i), 1)
	}
	end := make(chan map[string]int64)
	go func() {
		seen, _ := follow(t, w, &pb.WatchAvailabilityRequest{Channel: "web"}, "end", 1)
		end <- seen
	}()
	for round := range int64(20) {
		for i := range int64(skus) {
			w.Count(fmt.Sprintf("sku-%d", i), round*i)
		}
	}
	w.Count("end", 1)
	seen := <-end
	for i := range int64(skus) {
		if got := seen[fmt.Sprintf("sku-%d", i)]; got != 19*i {
			t.Errorf("last value of sku-%d is %d, want %d", i, got, 19*i)
		}
	}
}

func TestAWatchResumesWhereItWas(t *testing.T) {
	w := shop(t)
	w.Count("a", 1)
	w.ATS("b", w.Count("b", 2)) // both are visible
	if err := w.Policies.WaitForEnd(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen, token := follow(t, w, &pb.WatchAvailabilityRequest{Channel: "web"}, "b", 2)
	if seen["a"] != 1 {
		t.Errorf("at the start it saw %v", seen)
	}
	w.Count("b", 3)
	w.Count("c", 4)
	seen, _ = follow(t, w, &pb.WatchAvailabilityRequest{Channel: "web", ResumeToken: token}, "c", 4)
	if _, again := seen["a"]; again || seen["b"] != 3 {
		t.Errorf("resumed, it saw %v", seen)
	}
	seen, _ = follow(t, w, &pb.WatchAvailabilityRequest{Channel: "web", Skus: []string{"c"}}, "c", 4)
	if len(seen) != 1 {
		t.Errorf("watching c alone it saw %v", seen)
	}
}

func TestAWatchFromNowOnHearsItsPositionAndThenChanges(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{Heartbeat: 10 * time.Millisecond})
	w.Shop()
	w.ATS("a", w.Count("a", 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := w.AvailabilityClient().WatchAvailability(ctx, &pb.WatchAvailabilityRequest{Channel: "web", ResumeToken: "now"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil || len(first.Availabilities) != 0 || first.ResumeToken == "" || !first.CaughtUp {
		t.Fatalf("first message %v, %v", first, err)
	}
	w.Count("a", 5)
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Availabilities) > 0 {
			if a := m.Availabilities[0]; len(m.Availabilities) != 1 || a.Sku != "a" || a.Ats != 5 {
				t.Errorf("got %v", m)
			}
			return
		}
	}
}

func TestReadModelAndStreamGiveTheSameAnswer(t *testing.T) {
	w := shop(t)
	w.Count("milk", 10)
	placed, err := w.Reserve("cart", "milk", 3)
	if err != nil {
		t.Fatal(err)
	}
	view, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{Sku: "milk", Channel: "web", Token: placed.Token})
	if err != nil {
		t.Fatal(err)
	}
	strong, err := w.AvailabilityClient().GetAvailability(t.Context(), &pb.GetAvailabilityRequest{
		Sku: "milk", Channel: "web", Consistency: pb.Consistency_CONSISTENCY_STRONG})
	if err != nil {
		t.Fatal(err)
	}
	if from := strong.Availability.AnsweredFrom; from != pb.AnsweredFrom_ANSWERED_FROM_STREAM {
		t.Errorf("the strong answer is from %v", from)
	}
	for _, a := range []*pb.Availability{view.Availability, strong.Availability} {
		if age := time.Since(a.CurrentAt.AsTime()); a.CurrentAt == nil || age < 0 {
			t.Errorf("current at %v", a.CurrentAt)
		}
		a.AsOf, a.CurrentAt, a.AnsweredFrom = nil, nil, 0 // of the decision, and of the event
	}
	if !proto.Equal(view, strong) {
		t.Errorf("read model %v, stream %v", view, strong)
	}
}
