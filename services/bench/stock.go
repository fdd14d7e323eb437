package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// movementBatch is how many movements go in one call, the most that the contract allows.
const movementBatch = 1_000

// stocker puts the retailer and its stock in place through the public API.
type stocker struct {
	cc  grpc.ClientConnInterface
	now *timestamppb.Timestamp
	ids int // movements made so far
}

// fill defines locations and channels, and counts what lies where. It returns how many movements that took.
func (s *stocker) fill(ctx context.Context, c *catalogue) (int, error) {
	if err := s.define(ctx, c); err != nil {
		return 0, err
	}
	var counts []*pb.Movement
	for i, sku := range c.skus {
		for _, l := range c.shelves[i] {
			counts = append(counts, s.counted(sku, c.locations[l], c.onHand[i][l]))
		}
	}
	for _, sku := range slices.Concat(c.reserve, c.hot) {
		for l := range shelvesPerSKU {
			counts = append(counts, s.counted(sku, c.locations[l], plenty))
		}
	}
	return len(counts), s.record(ctx, counts)
}

// define puts the locations, then the channels that sell from them.
func (s *stocker) define(ctx context.Context, c *catalogue) error {
	policy := pb.NewPolicyServiceClient(s.cc)
	for _, id := range c.locations {
		_, err := policy.PutLocation(ctx, &pb.PutLocationRequest{Location: &pb.Location{LocationId: id, Kind: "store"}})
		if err != nil {
			return fmt.Errorf("put location %q: %w", id, err)
		}
	}
	for _, ch := range channels {
		put := &pb.Channel{ChannelId: ch.id, Buffer: ch.buffer}
		for _, l := range ch.from {
			put.Sourcing = append(put.Sourcing, c.locations[l])
		}
		if _, err := policy.PutChannel(ctx, &pb.PutChannelRequest{Channel: put}); err != nil {
			return fmt.Errorf("put channel %q: %w", ch.id, err)
		}
	}
	return nil
}

// movement starts one of the bench's own.
func (s *stocker) movement(sku, location string, units int64) *pb.Movement {
	s.ids++
	return &pb.Movement{MovementId: strconv.Itoa(s.ids), Source: benchSource, Sku: sku, Location: location,
		OccurredAt: s.now, Quantity: units, Document: "doc-" + strconv.Itoa(s.ids/movementBatch)}
}

func (s *stocker) counted(sku, location string, units int64) *pb.Movement {
	m := s.movement(sku, location, units)
	m.Kind = &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}
	return m
}

func (s *stocker) received(sku, location string, units int64) *pb.Movement {
	m := s.movement(sku, location, units)
	m.Kind = &pb.Movement_Received_{Received: &pb.Movement_Received{}}
	return m
}

// record sends movements in full batches, and makes sure that each was recorded.
func (s *stocker) record(ctx context.Context, movements []*pb.Movement) error {
	all := slices.Collect(slices.Chunk(movements, movementBatch))
	return parallel(ctx, len(all), func(ctx context.Context, i int) error {
		reply, err := pb.NewStockServiceClient(s.cc).RecordMovements(ctx, &pb.RecordMovementsRequest{Movements: all[i]})
		if err != nil {
			return fmt.Errorf("record %d movements: %w", len(all[i]), err)
		}
		return checkRecorded(all[i], reply)
	})
}

// checkRecorded makes sure that each of the movements sent was recorded.
func checkRecorded(sent []*pb.Movement, reply *pb.RecordMovementsResponse) error {
	if len(reply.Results) != len(sent) {
		return wrong("%d movements sent, %d results", len(sent), len(reply.Results))
	}
	for i, r := range reply.Results {
		if r.Status != pb.MovementResult_STATUS_RECORDED {
			return wrong("movement %v was not recorded: %v", sent[i], r)
		}
	}
	return nil
}

// sentinel records one more movement. A read with its token sees everything that was answered before.
func (s *stocker) sentinel(ctx context.Context, location string) (token string, err error) {
	m := s.received(sentinelSKU, location, 1)
	reply, err := pb.NewStockServiceClient(s.cc).RecordMovements(ctx, &pb.RecordMovementsRequest{Movements: []*pb.Movement{m}})
	if err != nil {
		return "", fmt.Errorf("record a movement for its token: %w", err)
	}
	return reply.GetToken(), nil
}

// countedAt is when the bench's counts were taken: a moment ago, so that everything after outlasts them.
func countedAt(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t.Add(-time.Minute)) }
