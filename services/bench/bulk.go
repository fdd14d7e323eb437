package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	bulkSize     = 4_096 // reservations of one call
	bulkInFlight = 4     // calls
	// bulkEvent and bulkIndex are what the store keeps of a reservation, in bytes: the event, and its place in its stream.
	bulkEvent, bulkIndex = 310, 30
)

var bulkRow = Row{
	Name: "bulk", Title: fmt.Sprintf("ReserveBatch, durable, of %s SKUs, %s a call, %d calls in flight", grouped(reserveSKUs), grouped(bulkSize), bulkInFlight),
	Unit: "reservations/s", Baseline: "Pebble alone, the same bytes", Target: &Target{Value: 250_000},
	long: true, takes: duelTakes,
	measure: measureBulk,
}

// measureBulk reserves in large batches, beside Pebble that syncs as many bytes, batch after batch.
func measureBulk(ctx context.Context, b *bench, f *Figure) (err error) {
	s, err := b.stocked(ctx)
	if err != nil {
		return err
	}
	ctx, unwatch := s.watch(ctx)
	defer unwatch()
	alone, closeAlone, err := b.openAlone(filepath.Join(b.dir, "alone"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAlone()) }()
	if err := bulkRounds(ctx, b, s, alone, f); err != nil {
		return because(ctx, err)
	}
	return b.checkReserved(ctx)
}

func bulkRounds(ctx context.Context, b *bench, s *server, alone call, f *Figure) error {
	x := newReservations(b)
	var durable syncs
	cpu := meter{pid: s.pid()}
	timings := empty()
	for round := 0; round <= b.rounds; round++ {
		window := b.window
		if round == 0 {
			window = b.warmUp
		}
		bare, err := drive(ctx, 1, window, func(int) call { return alone })
		if err != nil {
			return fmt.Errorf("pebble alone, round %d: %w", round, err)
		}
		before := syncsOf(s.metrics(ctx))
		var own sample
		err = cpu.around(func() (int64, error) {
			own, err = drive(ctx, bulkInFlight, window, func(w int) call { return x.bulk(s.wire(w), round, w) })
			return own.calls * bulkSize, err
		})
		if f.count(own); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		durable.add(before, syncsOf(s.metrics(ctx)))
		if err := s.settle(ctx); err != nil {
			return err
		}
		if round == 0 {
			continue
		}
		timings.Merge(own.timings)
		f.Rounds = append(f.Rounds, newRound(bulkSize*own.rate(), bulkSize*bare.rate()))
		b.say("  round %d of %d: %s reservations/s, Pebble alone %s", round, b.rounds, amount(bulkSize*own.rate()), amount(bulkSize*bare.rate()))
	}
	f.Latency, f.CPU = latency(timings), &CPU{Service: cpu.perCall()}
	if text := durable.String(); text != "" {
		f.note("%s", text)
	}
	return nil
}

// bulk reserves a unit of each of many SKUs, by demand, in one call.
func (x *reservations) bulk(w *wire, round, worker int) call {
	turn := start(round, worker)
	request := &pb.ReserveBatchRequest{}
	asked, picked := make([]pb.ReserveRequest, bulkSize), make([]int, bulkSize)
	for i := range asked {
		asked[i].Channel, asked[i].Quantity = channels[webChannel].id, 1
		request.Reservations = append(request.Reservations, &asked[i])
	}
	l, reply := x.b.reserved, new(frame)
	return func(ctx context.Context) error {
		for i := range asked {
			turn++
			picked[i] = int(x.ranks[turn%len(x.ranks)])
			asked[i].ReservationId, asked[i].Sku = x.b.carts.next(), l.skus[picked[i]]
		}
		encoded, err := encode(request)
		if err != nil {
			return err
		}
		err = w.call(ctx, pb.ReservationService_ReserveBatch_FullMethodName, encoded, reply)
		if err != nil {
			for _, i := range picked {
				l.add(i, 1, err)
			}
			return err
		}
		var got pb.ReserveBatchResponse
		if err := decode(reply, &got); err != nil {
			return err
		}
		return checkBulk(request, &got, func(i int) { l.add(picked[i], 1, nil) })
	}
}

// checkBulk compares a reply with what was asked for, and calls reserved for each.
func checkBulk(request *pb.ReserveBatchRequest, reply *pb.ReserveBatchResponse, reserved func(i int)) error {
	if len(reply.Results) != len(request.Reservations) {
		return wrong("%d reservations asked for, %d answered", len(request.Reservations), len(reply.Results))
	}
	for i, r := range reply.Results {
		if r.Refusal != nil {
			return wrong("%v was refused: %v", request.Reservations[i], r.Refusal)
		}
		if err := checkReply(request.Reservations[i], &pb.ReserveResponse{Reservation: r.Reservation, Token: reply.Token}); err != nil {
			return err
		}
		reserved(i)
	}
	return nil
}

// alone is Pebble without anything around it: for each reservation a key with its event, and one with its place.
type alone struct {
	db   *pebble.DB
	last uint64
}

// openAlone returns what appends a batch.
func openAlone(dir string) (append call, closing func() error, err error) {
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}, MemTableSize: 64 << 20})
	if err != nil {
		return nil, nil, fmt.Errorf("open Pebble alone: %w", err)
	}
	return (&alone{db: db}).append, db.Close, nil
}

// append writes a batch in the order of positions, and waits until it is synced.
func (a *alone) append(context.Context) error {
	b := a.db.NewBatch()
	defer b.Close()
	var event [bulkEvent]byte
	var index [bulkIndex]byte
	for range bulkSize {
		a.last++
		binary.BigEndian.PutUint64(event[:], a.last)
		sum := sha256.Sum256(event[:8]) // what stands in events does not compress either
		copy(event[8:], sum[:])
		copy(index[:], sum[:])
		if err := b.Set(binary.BigEndian.AppendUint64([]byte{'e'}, a.last), event[:], nil); err != nil {
			return err
		}
		if err := b.Set(index[:20], index[20:], nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.Sync)
}

// silent takes what Pebble says.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
