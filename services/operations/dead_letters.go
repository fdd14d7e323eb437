package operations

import (
	"context"
	"strconv"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// ListDeadLetters lists dead letters, oldest first. It returns *validation.Error and the errors of the store.
func (s *Service) ListDeadLetters(ctx context.Context, r *pb.ListDeadLettersRequest) (*pb.ListDeadLettersResponse, error) {
	var c validation.Checker
	if _, ok := pb.DeadLetterState_name[int32(r.State)]; !ok {
		c.Fail("state", "must be one of the values of DeadLetterState, is %d", r.State)
	}
	c.Text("reason", r.Reason, validation.MaxID)
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("dead-letters", strconv.Itoa(int(r.State)), r.Reason)
	after, err := list.Decode(r.PageToken)
	if err != nil {
		return nil, err
	}
	return s.page(ctx, list, ingest.Query{State: fromState(r.State), Reason: r.Reason, After: after, Limit: size})
}

// letterBatch is how many letters are read at once: each may hold a message of a megabyte.
const letterBatch = 50

// page reads letters until the page is full, in number or in bytes.
func (s *Service) page(ctx context.Context, list tokens.List, q ingest.Query) (*pb.ListDeadLettersResponse, error) {
	answer := &pb.ListDeadLettersResponse{}
	for bytes, wanted := 0, q.Limit; ; {
		q.Limit = min(letterBatch, wanted-len(answer.DeadLetters))
		letters, more, err := s.Desk.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range letters {
			m := letters[i].Proto()
			if bytes += m.SizeVT(); bytes > tokens.MaxPageBytes && len(answer.DeadLetters) > 0 {
				answer.NextPageToken = list.Encode(q.After)
				return answer, nil
			}
			answer.DeadLetters, q.After = append(answer.DeadLetters, m), letters[i].ID
		}
		if !more || len(letters) == 0 {
			return answer, nil
		}
		if len(answer.DeadLetters) == wanted {
			answer.NextPageToken = list.Encode(q.After)
			return answer, nil
		}
	}
}

// ReplayDeadLetter tries a dead letter again. It returns *validation.Error and the errors of the desk.
func (s *Service) ReplayDeadLetter(ctx context.Context, r *pb.ReplayDeadLetterRequest) (*pb.ReplayDeadLetterResponse, error) {
	c := checkLetter(r.DeadLetterId, r.Actor)
	if err := c.Err(); err != nil {
		return nil, err
	}
	letter, err := s.Desk.Replay(ctx, r.DeadLetterId, r.Actor)
	if err != nil {
		return nil, err
	}
	return &pb.ReplayDeadLetterResponse{DeadLetter: letter.Proto()}, nil
}

// DiscardDeadLetter marks a dead letter as not to be applied. It returns *validation.Error and the errors of the desk.
func (s *Service) DiscardDeadLetter(ctx context.Context, r *pb.DiscardDeadLetterRequest) (*pb.DiscardDeadLetterResponse, error) {
	c := checkLetter(r.DeadLetterId, r.Actor)
	if c.Text("reason", r.Reason, validation.MaxNote); r.Reason == "" {
		c.Fail("reason", "must be 1-%d bytes, is empty", validation.MaxNote)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	letter, err := s.Desk.Discard(ctx, r.DeadLetterId, r.Reason, r.Actor)
	if err != nil {
		return nil, err
	}
	return &pb.DiscardDeadLetterResponse{DeadLetter: letter.Proto()}, nil
}

func checkLetter(id, actor string) validation.Checker {
	var c validation.Checker
	c.ID("dead_letter_id", id)
	c.Text("actor", actor, validation.MaxID)
	return c
}

func fromState(s pb.DeadLetterState) ingest.State {
	switch s {
	case pb.DeadLetterState_DEAD_LETTER_STATE_REPLAYED:
		return ingest.Replayed
	case pb.DeadLetterState_DEAD_LETTER_STATE_DISCARDED:
		return ingest.Discarded
	}
	return ingest.Open
}
