package bench

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// line is a connection whose calls a function answers.
type line struct {
	grpc.ClientConnInterface
	answer func(request proto.Message) (proto.Message, error)

	mu   sync.Mutex
	seen []proto.Message
}

// requests of the methods that go over the wire as frames.
var requests = map[string]func() proto.Message{
	pb.AvailabilityService_GetAvailability_FullMethodName:      func() proto.Message { return new(pb.GetAvailabilityRequest) },
	pb.AvailabilityService_BatchGetAvailability_FullMethodName: func() proto.Message { return new(pb.BatchGetAvailabilityRequest) },
	pb.ReservationService_Reserve_FullMethodName:               func() proto.Message { return new(pb.ReserveRequest) },
	pb.ReservationService_ReserveBatch_FullMethodName:          func() proto.Message { return new(pb.ReserveBatchRequest) },
}

func (l *line) Invoke(_ context.Context, method string, in, out any, _ ...grpc.CallOption) error {
	request, typed := in.(proto.Message)
	if !typed {
		request = requests[method]()
		if err := proto.Unmarshal(*in.(*frame), request); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.seen = append(l.seen, proto.Clone(request))
	l.mu.Unlock()
	reply, err := l.answer(request)
	switch {
	case err != nil:
		return err
	case typed:
		proto.Merge(out.(proto.Message), reply)
		return nil
	default:
		*out.(*frame), err = proto.Marshal(reply)
		return err
	}
}

// reserved answers a reservation as it should be.
func reserved(r *pb.ReserveRequest) *pb.ReserveResponse {
	return &pb.ReserveResponse{Token: "7", Reservation: &pb.Reservation{ReservationId: r.ReservationId, Sku: r.Sku, Channel: r.Channel,
		Quantity: r.Quantity, Remaining: r.Quantity, Status: pb.ReservationStatus_RESERVATION_STATUS_HELD}}
}

// idle is a run that has started nothing.
func idle() *bench {
	b := &bench{effort: quick, catalogue: newCatalogue(50), progress: writer(func(string) {})}
	b.reserved, b.hot = newLedger(b.catalogue.reserve), newLedger(b.catalogue.hot)
	return b
}

func TestReservationsAreNotedByTheirOutcome(t *testing.T) {
	b := idle()
	fails := map[string]error{}
	l := &line{answer: func(m proto.Message) (proto.Message, error) {
		r := m.(*pb.ReserveRequest)
		return reserved(r), fails[r.ReservationId]
	}}
	fails["c0ffee00-cafe-4bad-8000-000000000002"] = status.Error(codes.Unavailable, "")
	fails["c0ffee00-cafe-4bad-8000-000000000003"] = status.Error(codes.ResourceExhausted, "")
	next := newReservations(b).reserve(&wire{cc: l}, b.hot, func() int { return 4 }, nil)
	for i, want := range []codes.Code{codes.OK, codes.Unavailable, codes.ResourceExhausted, codes.OK} {
		if err := next(context.Background()); status.Code(err) != want {
			t.Errorf("call %d: %v, expected %s", i, err, want)
		}
	}
	if sure, maybe := b.hot.sure[4].Load(), b.hot.maybe[4].Load(); sure != 2 || maybe != 1 {
		t.Errorf("sure %d, maybe %d", sure, maybe)
	}
}

func TestAReservationThatIsNotAsAskedForIsWrong(t *testing.T) {
	for name, spoil := range map[string]func(*pb.ReserveResponse){
		"id":       func(r *pb.ReserveResponse) { r.Reservation.ReservationId += "x" },
		"SKU":      func(r *pb.ReserveResponse) { r.Reservation.Sku += "x" },
		"quantity": func(r *pb.ReserveResponse) { r.Reservation.Remaining = 0 },
		"status":   func(r *pb.ReserveResponse) { r.Reservation.Status = pb.ReservationStatus_RESERVATION_STATUS_EXPIRED },
		"token":    func(r *pb.ReserveResponse) { r.Token = "" },
		"nothing":  func(r *pb.ReserveResponse) { r.Reservation = nil },
	} {
		b := idle()
		l := &line{answer: func(m proto.Message) (proto.Message, error) {
			reply := reserved(m.(*pb.ReserveRequest))
			spoil(reply)
			return reply, nil
		}}
		if err := newReservations(b).many(&wire{cc: l}, 1, 0)(context.Background()); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The rounds on a hot SKU must not share one: its history would grow from round to round.
func TestRoundsOnAHotSKU(t *testing.T) {
	b := idle()
	l := &line{answer: func(m proto.Message) (proto.Message, error) { return reserved(m.(*pb.ReserveRequest)), nil }}
	b.takeHot(3)
	x := newReservations(b)
	x.firstHot = b.takeHot(4)
	skus := map[string]int{}
	for round := range 4 {
		for worker := range 5 {
			if err := x.one(&wire{cc: l}, round, worker)(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range l.seen {
		skus[m.(*pb.ReserveRequest).Sku]++
	}
	want := map[string]int{}
	for i := 3; i < 7; i++ {
		want[b.catalogue.hot[i]] = 5
	}
	if !reflect.DeepEqual(skus, want) {
		t.Errorf("reserved %v, expected %v", skus, want)
	}
}

func TestGetsAskForAllAndCheckTheAnswers(t *testing.T) {
	c := newCatalogue(50)
	q, err := newQuestions(c, 2_000)
	if err != nil {
		t.Fatal(err)
	}
	right := map[string]int64{}
	for _, x := range q.all {
		right[x.sku+" "+x.channel] = x.ats
	}
	off := int64(0)
	l := &line{answer: func(m proto.Message) (proto.Message, error) {
		r := m.(*pb.GetAvailabilityRequest)
		return &pb.GetAvailabilityResponse{Availability: &pb.Availability{Sku: r.Sku, Channel: r.Channel, Known: true,
			Ats: right[r.Sku+" "+r.Channel] + off}}, nil
	}}
	next := q.get(&wire{cc: l}, 1, 3)
	for range 2_000 {
		if err := next(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	asked := map[string]bool{}
	for _, m := range l.seen {
		asked[m.(*pb.GetAvailabilityRequest).Sku+" "+m.(*pb.GetAvailabilityRequest).Channel] = true
	}
	if len(asked) != len(right) {
		t.Errorf("asked for %d of %d", len(asked), len(right))
	}
	off = 1
	if err := next(context.Background()); !errors.Is(err, ErrWrong) {
		t.Errorf("error: %v", err)
	}
}

func TestPagesHaveAHundredSKUsOfOneChannel(t *testing.T) {
	all, err := newPages(newCatalogue(500))
	if err != nil {
		t.Fatal(err)
	}
	for i := range all[:20] {
		x := &all[i]
		if len(x.request.Skus) != batchSize || len(x.answers) != batchSize {
			t.Fatalf("%d SKUs, %d answers", len(x.request.Skus), len(x.answers))
		}
		for j, sku := range x.request.Skus {
			if x.answers[j].sku != sku || x.answers[j].channel != x.request.Channel {
				t.Fatalf("SKU %q on %q, answer %+v", sku, x.request.Channel, x.answers[j])
			}
		}
	}
}

// A reply that was found right is not decoded again; one that differs from it is, and must be right too.
func TestEveryPageIsChecked(t *testing.T) {
	all, err := newPages(newCatalogue(500))
	if err != nil {
		t.Fatal(err)
	}
	off, position := int64(0), uint64(1)
	l := &line{answer: func(m proto.Message) (proto.Message, error) {
		reply := &pb.BatchGetAvailabilityResponse{}
		for _, x := range all[0].answers {
			reply.Availabilities = append(reply.Availabilities,
				&pb.Availability{Sku: x.sku, Channel: x.channel, Ats: x.ats, Known: true, Position: position})
		}
		reply.Availabilities[77].Ats += off
		return reply, nil
	}}
	next := all[:1].get(&wire{cc: l}, 0, 0)
	for _, c := range []struct {
		off      int64
		position uint64
		ok       bool
	}{{0, 1, true}, {0, 1, true}, {1, 1, false}, {0, 2, true}, {-1, 2, false}, {0, 1, true}} {
		off, position = c.off, c.position
		if err := next(context.Background()); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrWrong) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// The ledger's check must fail for one unit too many and for one too few, and not for what was left open.
func TestTheLedgerIsComparedWithTheService(t *testing.T) {
	for reserved, ok := range map[int64]bool{9: false, 10: true, 12: true, 13: false} {
		l := newLedger([]string{"untouched", "1000001"})
		l.add(1, 10, nil)
		l.add(1, 2, status.Error(codes.DeadlineExceeded, ""))
		service := &line{answer: func(m proto.Message) (proto.Message, error) { return recount(m, "99", reserved, 12) }}
		err := l.check(context.Background(), service, "99")
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrWrong) {
			t.Errorf("%d reserved: %v", reserved, err)
		}
		if err != nil && !strings.HasSuffix(err.Error(), "asked again 12; its stream holds reservations of 11") {
			t.Errorf("what else is known is missing: %v", err)
		}
	}
}

// recount answers what is reserved, with a token and without, and a stream of two pages in which 11 are.
func recount(m proto.Message, token string, with, without int64) (proto.Message, error) {
	placed := func(units int64) *pb.Event {
		return &pb.Event{Payload: &pb.Event_ReservationPlaced{ReservationPlaced: &pb.ReservationPlaced{Quantity: units}}}
	}
	switch r := m.(type) {
	case *pb.GetStockRequest:
		units := without
		if r.Token == token {
			units = with
		}
		return &pb.GetStockResponse{Stock: &pb.Stock{Locations: []*pb.StockAtLocation{{Reserved: 4}, {Reserved: units - 4}}}}, nil
	case *pb.ListEventsRequest:
		if r.PageToken == "" {
			return &pb.ListEventsResponse{Events: []*pb.Event{{}, placed(4)}, NextPageToken: "2"}, nil
		}
		return &pb.ListEventsResponse{Events: []*pb.Event{placed(5), placed(2)}}, nil
	}
	return nil, fmt.Errorf("asked for %v", m)
}

// stockerFor is a stocker over a service that records everything, or answers some movements with a status.
func stockerFor(result pb.MovementResult_Status) (*stocker, *line) {
	l := &line{}
	l.answer = func(m proto.Message) (proto.Message, error) {
		switch r := m.(type) {
		case *pb.PutLocationRequest:
			return &pb.PutLocationResponse{}, nil
		case *pb.PutChannelRequest:
			return &pb.PutChannelResponse{}, nil
		case *pb.RecordMovementsRequest:
			reply := &pb.RecordMovementsResponse{Token: "5"}
			for range r.Movements {
				reply.Results = append(reply.Results, &pb.MovementResult{Status: result})
			}
			return reply, nil
		}
		return nil, status.Error(codes.Unimplemented, "")
	}
	return &stocker{cc: l, now: timestamppb.Now()}, l
}

// What was counted must be what the sums expect, and each movement a different one.
func TestTheStockIsCountedOnce(t *testing.T) {
	s, l := stockerFor(pb.MovementResult_STATUS_RECORDED)
	c := newCatalogue(700)
	n, err := s.fill(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	number := map[string]int{}
	for i, sku := range c.skus {
		number[sku] = i
	}
	onHand, ids, sourcing := map[string]int64{}, map[string]bool{}, map[string]int{}
	for _, m := range l.seen {
		if put, ok := m.(*pb.PutChannelRequest); ok {
			sourcing[put.Channel.ChannelId] = len(put.Channel.Sourcing)
		}
		batch, ok := m.(*pb.RecordMovementsRequest)
		if !ok {
			continue
		}
		if len(batch.Movements) > movementBatch {
			t.Errorf("%d movements in a call", len(batch.Movements))
		}
		for _, x := range batch.Movements {
			ids[x.MovementId] = true
			if x.GetCounted() == nil || x.Source == "" || x.OccurredAt == nil {
				t.Fatalf("movement %v", x)
			}
			onHand[x.Sku+" "+x.Location] = x.Quantity
		}
	}
	if want := (700 + reserveSKUs + hotSKUs) * shelvesPerSKU; n != want || len(ids) != want || len(onHand) != want {
		t.Errorf("%d movements, %d ids, %d places; expected %d", n, len(ids), len(onHand), want)
	}
	for sku, i := range number {
		for _, at := range c.shelves[i] {
			if onHand[sku+" "+c.locations[at]] != c.onHand[i][at] {
				t.Fatalf("SKU %q in %s: counted %d, expected %d", sku, c.locations[at], onHand[sku+" "+c.locations[at]], c.onHand[i][at])
			}
		}
	}
	if want := map[string]int{"web": 8, "marketplace": 4, "store-5": 1}; !reflect.DeepEqual(sourcing, want) {
		t.Errorf("channels sell from %v locations, expected %v", sourcing, want)
	}
}

func TestAMovementThatIsNotRecordedIsWrong(t *testing.T) {
	for _, result := range []pb.MovementResult_Status{pb.MovementResult_STATUS_DUPLICATE, pb.MovementResult_STATUS_DEAD_LETTERED} {
		s, _ := stockerFor(result)
		err := s.record(context.Background(), []*pb.Movement{s.received("1000001", "store-0", 1)})
		if !errors.Is(err, ErrWrong) || !strings.Contains(err.Error(), "1000001") {
			t.Errorf("%s: %v", result, err)
		}
	}
}

// A probe knows the one right answer to its read.
func TestAProbeReadsWhatItWrote(t *testing.T) {
	for off, ok := range map[int64]bool{0: true, 1: false, -1: false} {
		b := idle()
		left := shelvesPerSKU * plenty
		l := &line{answer: func(m proto.Message) (proto.Message, error) {
			switch r := m.(type) {
			case *pb.ReserveRequest:
				left -= r.Quantity
				return reserved(r), nil
			case *pb.GetAvailabilityRequest:
				a := &pb.Availability{Sku: r.Sku, Channel: r.Channel, Known: true, Ats: left + off}
				if r.Token == "" {
					a.Ats = 3
				} else if r.Token != "7" || r.Sku != b.catalogue.hot[9] {
					return nil, fmt.Errorf("asked for %v", r)
				}
				return &pb.GetAvailabilityResponse{Availability: a}, nil
			}
			return nil, status.Error(codes.Unimplemented, "")
		}}
		request, err := encode(&pb.GetAvailabilityRequest{Sku: "1000001", Channel: "web"})
		if err != nil {
			t.Fatal(err)
		}
		q := &questions{all: []question{{"1000001", "web", 3}}, requests: []*frame{request}}
		times := newProbeTimes()
		p := newProbe(newReservations(b), l, 0, 9, q, times)
		for range 5 {
			if err := p.once(context.Background()); (err == nil) != ok || err != nil && !errors.Is(err, ErrWrong) {
				t.Errorf("off by %d: %v", off, err)
			}
		}
		if sums := newProbeSums(); ok {
			sums.add(times)
			sums.add(times)
			if sums.write.TotalCount() != 10 || sums.readable.TotalCount() != 10 || sums.plain.TotalCount() != 10 {
				t.Errorf("timed %d, %d, %d", sums.write.TotalCount(), sums.readable.TotalCount(), sums.plain.TotalCount())
			}
		}
	}
}
