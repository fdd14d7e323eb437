package operations

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// maxGaps is how many open gaps the status lists.
const maxGaps = 100

// logTopic stands for the message log as a whole in the status, where it is in trouble.
const logTopic = "(message log)"

// storePatience is how long the status waits for the store: whoever asks wants to know now what does not move.
const storePatience = 2 * time.Second

// GetStatus tells how far each process has come. A store that cannot be read is part of the answer.
func (s *Service) GetStatus(ctx context.Context, _ *pb.GetStatusRequest) (*pb.GetStatusResponse, error) {
	patient, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	answer := &pb.GetStatusResponse{
		Version: s.Version, StartedAt: timestamppb.New(s.StartedAt), Partitions: s.partitions(), Sources: s.sources(), Risk: s.risk(),
	}
	s.addOverdue(patient, answer)
	if err := s.askStore(patient, answer); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		answer.StoreError = err.Error()
	}
	for _, p := range s.Projections {
		x := p.Status(patient)
		answer.Projections = append(answer.Projections, &pb.ProjectionStatus{
			Name: x.Name, Position: x.Position, Lag: x.Lag, DelayMs: x.Delay.Milliseconds(), Error: x.Error,
		})
	}
	return answer, nil
}

// askStore fills in what the store alone knows: all of it, or nothing.
func (s *Service) askStore(ctx context.Context, answer *pb.GetStatusResponse) error {
	end, err := s.Store.End(ctx)
	if err != nil {
		return err
	}
	open, err := s.Desk.CountOpen(ctx)
	if err != nil {
		return err
	}
	gaps, more, err := s.Desk.OpenGaps(ctx, maxGaps)
	if err != nil {
		return err
	}
	answer.StorePosition, answer.OpenDeadLetters, answer.MoreGaps = end, open, more
	for i := range gaps {
		answer.Gaps = append(answer.Gaps, gaps[i].Message())
	}
	return nil
}

func (s *Service) partitions() (list []*pb.PartitionStatus) {
	if s.Trouble != nil {
		if trouble := s.Trouble(); trouble != "" {
			list = append(list, &pb.PartitionStatus{Topic: logTopic, Partition: -1, Error: trouble})
		}
	}
	if s.Partitions == nil {
		return list
	}
	for _, x := range s.Partitions() {
		list = append(list, &pb.PartitionStatus{
			Topic: x.Topic, Partition: x.Partition, NextOffset: x.Next, EndOffset: x.End, Error: x.Error,
		})
	}
	return list
}

func (s *Service) sources() (list []*pb.SourceStatus) {
	if s.Sources == nil {
		return nil
	}
	for _, x := range s.Sources() {
		list = append(list, &pb.SourceStatus{
			Source: x.Source, Facts: x.Facts, LastDelayMs: x.Last.Milliseconds(), MaxDelayMs: x.Max.Milliseconds(),
			LastOccurredAt: codec.Timestamp(x.LastOccurredAt), Observations: x.Observations, Superseded: x.Superseded,
		})
	}
	return list
}
