package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// reserveRow measures durable reservations, over many SKUs by demand, or all of one. Each round on one hot SKU has
// a SKU of its own.
func reserveRow(name string, inFlight int, hot bool) Row {
	what := fmt.Sprintf("%s SKUs", grouped(reserveSKUs))
	if hot {
		what = "one hot SKU"
	}
	return Row{
		Name: name, Title: fmt.Sprintf("Reserve, durable, %s, %s in flight", what, grouped(int64(inFlight))),
		Unit: "calls/s", Baseline: echoBaseline, Target: &Target{Ratio: 0.6}, takes: rivalTakes,
		measure: func(ctx context.Context, b *bench, f *Figure) error {
			x := newReservations(b)
			d := duel{inFlight: inFlight, calls: x.many}
			if hot {
				x.firstHot = b.takeHot(b.rounds + 1)
				d.calls = x.one
			}
			rival := Against{Name: "PostgreSQL", Target: 1.5}
			if hot {
				rival.Target = 12
			}
			p, err := b.rival(ctx)
			if err != nil {
				rival.Missing = err.Error()
			} else {
				rival.Name += " " + p.version
				d.rival = func(ctx context.Context, window time.Duration) (float64, error) { return p.reserve(ctx, window, hot) }
			}
			f.Against = []Against{rival}
			return measureReserve(ctx, b, f, d)
		},
	}
}

// measureReserve runs the duel, lets the service catch up after each window, and checks the sums at the end.
func measureReserve(ctx context.Context, b *bench, f *Figure, d duel) error {
	var durable syncs
	var before syncs
	d.before = func(ctx context.Context) { before = syncsOf(b.server.metrics(ctx)) }
	d.after = func(ctx context.Context) error {
		durable.add(before, syncsOf(b.server.metrics(ctx)))
		return b.server.settle(ctx)
	}
	if err := d.run(ctx, b, f); err != nil {
		return err
	}
	if text := durable.String(); text != "" {
		f.note("%s", text)
	}
	b.peak = max(b.peak, medians(f.Rounds).Value)
	return b.checkReserved(ctx)
}

// reservations makes requests with ids that nobody used before.
type reservations struct {
	b        *bench
	ranks    []int32
	firstHot int // of the hot SKUs that are the row's own, one for each round
}

func newReservations(b *bench) *reservations {
	r := rand.New(rand.NewPCG(seed, 4))
	return &reservations{b: b, ranks: newZipf(reserveSKUs).draws(r, drawn)}
}

// many reserves SKUs by demand.
func (x *reservations) many(w *wire, round, worker int) call {
	turn := start(round, worker)
	return x.reserve(w, x.b.reserved, func() int {
		turn++
		return int(x.ranks[turn%len(x.ranks)])
	}, nil)
}

// one reserves the round's own SKU.
func (x *reservations) one(w *wire, round, _ int) call {
	sku := x.firstHot + round
	return x.reserve(w, x.b.hot, func() int { return sku }, nil)
}

// reserve takes a unit of the SKU that pick tells, notes the outcome in the ledger and, where it is asked for, the token.
func (x *reservations) reserve(w *wire, l *ledger, pick func() int, token *string) call {
	request := &pb.ReserveRequest{Channel: channels[webChannel].id, Quantity: 1}
	reply := new(frame)
	return func(ctx context.Context) error {
		i := pick()
		request.ReservationId, request.Sku = x.b.carts.next(), l.skus[i]
		encoded, err := encode(request)
		if err != nil {
			return err
		}
		err = w.call(ctx, pb.ReservationService_Reserve_FullMethodName, encoded, reply)
		l.add(i, request.Quantity, err)
		if err != nil {
			return err
		}
		var got pb.ReserveResponse
		if err := decode(reply, &got); err != nil {
			return err
		}
		if token != nil {
			*token = got.Token
		}
		return checkReply(request, &got)
	}
}

// checkReply compares a reply with what was asked for.
func checkReply(request *pb.ReserveRequest, reply *pb.ReserveResponse) error {
	got := reply.GetReservation()
	if got.GetReservationId() != request.ReservationId || got.GetSku() != request.Sku || reply.GetToken() == "" ||
		got.GetRemaining() != request.Quantity || got.GetStatus() != pb.ReservationStatus_RESERVATION_STATUS_HELD {
		return wrong("asked for %v, the service says %v", request, reply)
	}
	return nil
}

// carts makes ids of carts, as long as a UUID's text.
type carts struct{ last atomic.Uint64 }

func (c *carts) next() string {
	const digits = "0123456789abcdef"
	id := []byte("c0ffee00-cafe-4bad-8000-000000000000")
	for n, i := c.last.Add(1), len(id)-1; n > 0; n, i = n>>4, i-1 {
		id[i] = digits[n&15]
	}
	return string(id)
}
