package history_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

func explained(t *testing.T, w *servicetest.World, r *pb.ExplainAvailabilityRequest) *pb.ExplainAvailabilityResponse {
	t.Helper()
	answer, err := w.HistoryClient().ExplainAvailability(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, s := range answer.Steps {
		if sum += s.Amount; s.Subtotal != sum || s.Text == "" {
			t.Errorf("step %v after %d", s, sum)
		}
	}
	if sum != answer.Ats {
		t.Errorf("the steps add up to %d, not %d", sum, answer.Ats)
	}
	return answer
}

func steps(answer *pb.ExplainAvailabilityResponse) (text []string) {
	for _, s := range answer.Steps {
		text = append(text, fmt.Sprint(s.Step, " ", s.Location, " ", s.Amount))
	}
	return text
}

func TestAnAnswerExplainsItself(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	for _, id := range []string{"berlin", "köln/1", "munich"} {
		w.Location(id)
	}
	c := w.PolicyClient()
	if _, err := c.PutChannel(t.Context(), &pb.PutChannelRequest{Actor: "ann", Channel: &pb.Channel{
		ChannelId: "web", Sourcing: []string{"köln/1", "berlin"}, Buffer: 2}}); err != nil {
		t.Fatal(err)
	}
	ask := &pb.ExplainAvailabilityRequest{Sku: "a/b %", Channel: "web"}
	if nothing := explained(t, w, ask); nothing.Known || nothing.Ats != 0 || nothing.ChannelCause == nil {
		t.Errorf("before anything was recorded: %v", nothing)
	}
	_, err := c.PutItem(t.Context(), &pb.PutItemRequest{Actor: "bob", Item: &pb.Item{Sku: "a/b %", Name: "Milk",
		SafetyStock: []*pb.SafetyStock{{Location: "berlin", Quantity: 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	w.Count("a/b %", 20)
	w.Move(&pb.Movement{Sku: "a/b %", Location: "köln/1", Quantity: 4, Document: "R-7", Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}},
		OccurredAt: codec.Timestamp(w.Now().Add(-time.Hour))})
	w.Move(&pb.Movement{Sku: "a/b %", Location: "munich", Quantity: 50, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	clock.Advance(time.Second)
	before := w.Now()
	clock.Advance(time.Second)
	if _, err := w.Reserve("cart", "a/b %", 6); err != nil {
		t.Fatal(err)
	}
	now := explained(t, w, ask)
	want := "[ON_HAND köln/1 4 RESERVED köln/1 -4 ON_HAND berlin 20 RESERVED berlin -2 SAFETY_STOCK berlin -3 BUFFER  -2]"
	if got := fmt.Sprint(steps(now)); got != want || now.Ats != 13 || now.Ats != w.ATS("a/b %", w.Count("other", 1)) {
		t.Errorf("%s, ATS %d", got, now.Ats)
	}
	if len(now.Locations) != 3 || len(now.Holds) != 1 || now.Holds[0].ReservationId != "cart" || len(now.Holds[0].Splits) != 2 || now.Events != 6 {
		t.Fatalf("%v", now)
	}
	berlin, cologne, munich := now.Locations[0], now.Locations[1], now.Locations[2]
	if berlin.Count.GetType() != "StockCounted" || berlin.Counted != 20 || berlin.SafetyStockCause.GetActor() != "bob" || !berlin.Sells {
		t.Errorf("berlin %v", berlin)
	}
	if cologne.Count != nil || cologne.Changed != 4 || cologne.Latest[0].Source.Document != "R-7" || cologne.Latest[0].DelayMs != 3_600_000 {
		t.Errorf("köln %v", cologne)
	}
	if munich.Sells || munich.WhyNot == "" || munich.OnHand != 50 {
		t.Errorf("munich %v", munich)
	}
	if r := now.Steps[5].Rules; len(r) != 1 || !r[0].Applied || r[0].Level != "channel" || r[0].Cause.Actor != "ann" {
		t.Errorf("rules of the buffer: %v", r)
	}
	if r := now.Steps[4].Rules; len(r) != 1 || r[0].Quantity != 3 || r[0].Cause.Actor != "bob" {
		t.Errorf("rules of the safety stock: %v", r)
	}

	ask.At = codec.Timestamp(before)
	if then := explained(t, w, ask); then.Ats != 19 || len(then.Holds) != 0 {
		t.Errorf("before it was reserved: %v", then)
	}
	if _, err := c.PutLocation(t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: "berlin", Disabled: true}}); err != nil {
		t.Fatal(err)
	}
	if then := explained(t, w, ask); then.Ats != 19 {
		t.Errorf("what was so then is no longer so: %v", then)
	}
	clock.Advance(time.Hour)
	ask.At = nil
	if now := explained(t, w, ask); now.Ats != 2 || len(now.Holds) != 0 || now.Locations[0].WhyNot != "the location is disabled" {
		t.Errorf("once berlin is disabled and the hold has ended: %v", now)
	}
}

func TestAnExplanationSaysWhatMayBeMissing(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	at := w.Now()
	w.Ingest(ingest.TopicMovements, 0,
		servicetest.Counted("1", "wms", "1", "milk", at, 5), servicetest.Counted("2", "wms", "5", "milk", at, 6),
		servicetest.Event(ingest.TypeMovement, "3", "pos", "", "", at, `{"sku":"milk","location":"atlantis","quantity":1,"received":{}}`),
		servicetest.Event(ingest.TypeMovement, "4", "pos", "", "", at, `{"sku":"bread","location":"atlantis","quantity":1,"received":{}}`))
	answer := explained(t, w, &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web"})
	if answer.Ats != 6 || len(answer.DeadLetters) != 1 || answer.DeadLetters[0].Reason != "UNKNOWN_LOCATION" || answer.DeadLetters[0].Offset != 2 {
		t.Errorf("dead letters %v", answer.DeadLetters)
	}
	if len(answer.Gaps) != 1 || answer.Gaps[0].First != 2 || answer.Gaps[0].Last != 4 || answer.Gaps[0].Source != "wms" {
		t.Errorf("gaps %v", answer.Gaps)
	}
	earlier := explained(t, w, &pb.ExplainAvailabilityRequest{Sku: "milk", Channel: "web", At: codec.Timestamp(at - 1)})
	if earlier.Known || len(earlier.DeadLetters)+len(earlier.Gaps) != 0 {
		t.Errorf("before: %v", earlier)
	}
}

func TestWhatCannotBeExplained(t *testing.T) {
	clock := servicetest.NewClock()
	w := servicetest.Start(t, servicetest.Options{Now: clock.Now})
	w.Shop()
	for want, r := range map[codes.Code]*pb.ExplainAvailabilityRequest{
		codes.NotFound:        {Sku: "milk", Channel: "nowhere"},
		codes.InvalidArgument: {Sku: "milk", Channel: "web", At: codec.Timestamp(w.Now().Add(time.Second))},
	} {
		_, err := w.HistoryClient().ExplainAvailability(t.Context(), r)
		reason := map[codes.Code]string{codes.NotFound: "UNKNOWN_CHANNEL", codes.InvalidArgument: "INVALID_FIELDS"}[want]
		servicetest.Refused(t, err, want, reason)
	}
	if _, err := w.HistoryClient().ExplainAvailability(t.Context(), &pb.ExplainAvailabilityRequest{}); len(servicetest.Fields(err)) != 2 {
		t.Errorf("without anything: %v", err)
	}
}
