package bench

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// hundredth tells which calls lies are told on.
func (f *fake) hundredth() bool {
	f.Calls++
	return f.Calls%100 == 0
}

func (f *fake) PutLocation(_ context.Context, r *pb.PutLocationRequest) (*pb.PutLocationResponse, error) {
	return &pb.PutLocationResponse{Location: r.Location}, nil
}

func (f *fake) PutChannel(_ context.Context, r *pb.PutChannelRequest) (*pb.PutChannelResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Channels[r.Channel.ChannelId] = r.Channel
	return &pb.PutChannelResponse{Channel: r.Channel}, nil
}

func (f *fake) RecordMovements(_ context.Context, r *pb.RecordMovementsRequest) (*pb.RecordMovementsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reply := &pb.RecordMovementsResponse{}
	var all []moved
	for _, m := range r.Movements {
		units := m.Quantity
		if m.GetCounted() != nil {
			units -= f.OnHand[m.Sku][m.Location]
		}
		change(f.OnHand, m.Sku, m.Location, units)
		all = append(all, moved{m.Sku, m.Location, units})
		f.Events++
		f.changed = append(f.changed, m.Sku)
		reply.Results = append(reply.Results, &pb.MovementResult{Status: pb.MovementResult_STATUS_RECORDED})
	}
	f.readTo = f.Events
	reply.Token = strconv.FormatUint(f.Events, 10)
	return reply, f.note(all)
}

func (f *fake) GetStock(_ context.Context, r *pb.GetStockRequest) (*pb.GetStockResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stock := &pb.Stock{Sku: r.Sku}
	for l, units := range f.OnHand[r.Sku] {
		stock.Locations = append(stock.Locations, &pb.StockAtLocation{Location: l, Sellable: units, Reserved: f.Reserved[r.Sku][l]})
	}
	return &pb.GetStockResponse{Stock: stock}, nil
}

// TakeSnapshot tells of what lies where now, whatever is asked. A lie is told in every hundredth row.
func (f *fake) TakeSnapshot(_ *pb.TakeSnapshotRequest, stream grpc.ServerStreamingServer[pb.TakeSnapshotResponse]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := &pb.TakeSnapshotResponse{Trailer: &pb.SnapshotTrailer{Position: f.Events, Events: f.Events, Sha256: "the same"}}
	for sku, places := range f.OnHand {
		for l, units := range places {
			if f.lie == wrongATS && f.hundredth() {
				units++
			}
			answer.Rows = append(answer.Rows, &pb.SnapshotRow{Sku: sku, Location: l, OnHand: units})
		}
	}
	answer.Trailer.Rows = int64(len(answer.Rows))
	return stream.Send(answer)
}

// available works availability out; f.mu is held.
func (f *fake) available(sku, channel, token string) *pb.Availability {
	c := f.Channels[channel]
	ats := -c.GetBuffer()
	for _, l := range c.GetSourcing() {
		ats += max(0, f.OnHand[sku][l]-f.Reserved[sku][l])
	}
	if f.lie == wrongATS && f.hundredth() {
		ats++
	}
	if f.lie == staleReads && token != "" {
		ats++
	}
	return &pb.Availability{Sku: sku, Channel: channel, Ats: max(0, ats), Known: f.OnHand[sku] != nil, Position: f.Events}
}

// WatchAvailability tells what changed, now and then. As a lie, it does not of some SKUs.
func (f *fake) WatchAvailability(r *pb.WatchAvailabilityRequest, stream grpc.ServerStreamingServer[pb.WatchAvailabilityResponse]) error {
	f.mu.Lock()
	at := len(f.changed)
	f.mu.Unlock()
	for {
		f.mu.Lock()
		m := &pb.WatchAvailabilityResponse{CaughtUp: true}
		for _, sku := range f.changed[at:] {
			if f.lie != losesChanges || !strings.HasSuffix(sku, "7") {
				m.Availabilities = append(m.Availabilities, f.available(sku, r.Channel, ""))
			}
		}
		at = len(f.changed)
		f.mu.Unlock()
		if err := stream.Send(m); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (f *fake) GetAvailability(_ context.Context, r *pb.GetAvailabilityRequest) (*pb.GetAvailabilityResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &pb.GetAvailabilityResponse{Availability: f.available(r.Sku, r.Channel, r.Token)}, nil
}

func (f *fake) BatchGetAvailability(_ context.Context, r *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reply := &pb.BatchGetAvailabilityResponse{}
	for _, sku := range r.Skus {
		reply.Availabilities = append(reply.Availabilities, f.available(sku, r.Channel, r.Token))
	}
	return reply, nil
}

func (f *fake) Reserve(_ context.Context, r *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	units, lying := r.Quantity, f.hundredth()
	switch {
	case f.lie == refuses, f.lie == refusesSome && lying:
		return nil, status.Error(codes.ResourceExhausted, "too much is waiting")
	case f.lie == refusesPolitely && lying:
		return nil, polite()
	case f.lie == dies && lying:
		os.Exit(3)
	case f.lie == forgetsReserved && lying:
		units = 0
	case f.lie == doublesReserved && lying:
		units *= 2
	}
	change(f.Reserved, r.Sku, f.Channels[r.Channel].Sourcing[0], units)
	f.Events++
	f.readTo = f.Events
	return &pb.ReserveResponse{Token: strconv.FormatUint(f.Events, 10), Reservation: &pb.Reservation{
		ReservationId: r.ReservationId, Sku: r.Sku, Channel: r.Channel, Quantity: r.Quantity, Remaining: r.Quantity,
		Status: pb.ReservationStatus_RESERVATION_STATUS_HELD}}, nil
}

// polite is a refusal that says when to try again.
func polite() error {
	s, err := status.New(codes.ResourceExhausted, "too much is waiting").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(10 * time.Millisecond)})
	if err != nil {
		return err
	}
	return s.Err()
}

func (f *fake) ReserveBatch(ctx context.Context, r *pb.ReserveBatchRequest) (*pb.ReserveBatchResponse, error) {
	if f.batches.Add(1)%4 == 0 && f.lie == refusesPolitely {
		return nil, polite()
	}
	reply := &pb.ReserveBatchResponse{}
	for _, q := range r.Reservations {
		one, err := f.Reserve(ctx, q)
		if err != nil && f.lie == refusesPolitely {
			reply.Results = append(reply.Results, &pb.ReserveResult{Refusal: &pb.Refusal{Code: int32(codes.ResourceExhausted), RetryAfterMs: 100}})
			continue
		}
		if err != nil {
			return nil, err
		}
		reply.Results, reply.Token = append(reply.Results, &pb.ReserveResult{Reservation: one.Reservation}), one.Token
	}
	return reply, nil
}

// GetStatus moves a replay on by a part each time it is asked.
func (f *fake) GetStatus(context.Context, *pb.GetStatusRequest) (*pb.GetStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reply := &pb.GetStatusResponse{StorePosition: f.Events, OpenDeadLetters: f.Dead,
		Projections: []*pb.ProjectionStatus{{Name: availabilityProjection, Position: f.readTo}}}
	f.readTo = min(f.Events, f.readTo+f.Events/4+1)
	for p, next := range f.Next {
		reply.Partitions = append(reply.Partitions, &pb.PartitionStatus{Topic: salesTopic, Partition: p, NextOffset: next})
	}
	return reply, nil
}

// takeSales takes in one partition until ctx ends.
func (f *fake) takeSales(ctx context.Context, broker string, partition int) {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: salesTopic, Partition: partition,
		MaxWait: readMaxWait, MinBytes: 1, MaxBytes: readMaxBytes})
	defer r.Close()
	f.mu.Lock()
	next := f.Next[int32(partition)]
	f.mu.Unlock()
	if r.SetOffset(next) != nil {
		return
	}
	for ctx.Err() == nil {
		m, err := r.ReadMessage(ctx)
		if err == nil {
			f.takeSale(m)
		}
	}
}

func (f *fake) takeSale(m kafka.Message) {
	var s pb.Sale
	if protojson.Unmarshal(m.Value, &s) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	lying := f.hundredth()
	if f.lie == losesLines && lying {
		s.Lines = s.Lines[:len(s.Lines)-1]
	}
	if f.lie == deadLetters && lying {
		f.Dead++
	} else {
		for _, line := range s.Lines {
			change(f.OnHand, line.Sku, s.Location, -line.Quantity)
			f.Events++
		}
	}
	f.readTo, f.Next[int32(m.Partition)] = f.Events, m.Offset+1
}
