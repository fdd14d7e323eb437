package servicetest

import (
	"strconv"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Shop defines a location "berlin" and a channel "web" that sells from it.
func (w *World) Shop() {
	w.t.Helper()
	w.Location("berlin")
	w.Channel("web", "berlin")
}

// Location defines a location.
func (w *World) Location(id string) {
	w.t.Helper()
	_, err := w.PolicyClient().PutLocation(w.t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: id}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Channel defines a channel.
func (w *World) Channel(id string, sourcing ...string) {
	w.t.Helper()
	_, err := w.PolicyClient().PutChannel(w.t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: id, Sourcing: sourcing}})
	if err != nil {
		w.t.Fatal(err)
	}
}

var movements atomic.Int64

// Count counts a SKU at "berlin", now, and returns the token.
func (w *World) Count(sku string, quantity int64) string {
	w.t.Helper()
	return w.Move(&pb.Movement{Sku: sku, Quantity: quantity, Kind: &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}})
}

// Move records a movement, by default at "berlin" and now, and returns the token.
func (w *World) Move(m *pb.Movement) string {
	w.t.Helper()
	m.MovementId, m.Source = strconv.FormatInt(movements.Add(1), 10), "test"
	if m.Location == "" {
		m.Location = "berlin"
	}
	if m.OccurredAt == nil {
		m.OccurredAt = codec.Timestamp(w.Now())
	}
	answer, err := w.StockClient().RecordMovements(w.t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{m}})
	if err != nil {
		w.t.Fatal(err)
	}
	if got := answer.Results[0].Status; got != pb.MovementResult_STATUS_RECORDED {
		w.t.Fatalf("movement %v: %v", m, answer.Results[0])
	}
	return answer.Token
}

// ATS asks for a SKU's ATS on "web", with a token.
func (w *World) ATS(sku, token string) int64 {
	w.t.Helper()
	answer, err := w.AvailabilityClient().GetAvailability(w.t.Context(), &pb.GetAvailabilityRequest{Sku: sku, Channel: "web", Token: token})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.Availability.Ats
}

// Reserve reserves on "web".
func (w *World) Reserve(id, sku string, quantity int64) (*pb.ReserveResponse, error) {
	return w.ReservationClient().Reserve(w.t.Context(), &pb.ReserveRequest{ReservationId: id, Sku: sku, Channel: "web", Quantity: quantity})
}

// Refused checks that an error has a code and a reason, and returns its ErrorInfo's metadata.
func Refused(t testing.TB, err error, code codes.Code, reason string) map[string]string {
	t.Helper()
	st := status.Convert(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if st.Code() != code || info.Reason != reason || info.Domain != "stockfold" {
				t.Errorf("got %s, %s of %s: %s; want %s, %s", st.Code(), info.Reason, info.Domain, st.Message(), code, reason)
			}
			return info.Metadata
		}
	}
	t.Errorf("got %v without details, want %s, %s", err, code, reason)
	return nil
}

// Fields lists the fields that an error says are wrong.
func Fields(err error) map[string]string {
	fields := map[string]string{}
	for _, d := range status.Convert(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.FieldViolations {
				fields[v.Field] = v.Description
			}
		}
	}
	return fields
}

// Kit makes a SKU a kit of pairs of SKU and quantity, and returns the token.
func (w *World) Kit(sku string, pairs ...any) string {
	w.t.Helper()
	k := &pb.Kit{Sku: sku}
	for i := 0; i < len(pairs); i += 2 {
		k.Components = append(k.Components, &pb.KitComponent{Sku: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	answer, err := w.PolicyClient().PutKit(w.t.Context(), &pb.PutKitRequest{Kit: k})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.Token
}
