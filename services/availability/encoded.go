package availability

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	projection "github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// BatchGetEncoded is BatchGetAvailability for a caller who puts the answer on the wire and does not look into it: values that nothing has changed since they were
// asked for last are in it as bytes, not as messages. Decoded, it is the same answer.
func (s *Service) BatchGetEncoded(ctx context.Context, r *pb.BatchGetAvailabilityRequest) (*pb.BatchGetAvailabilityResponse, error) {
	if err := checkBatch(r); err != nil {
		return nil, err
	}
	late := s.await(ctx, r.Token)
	if late != nil || r.Consistency != pb.Consistency_CONSISTENCY_UNSPECIFIED || wayOf(r).Is() {
		return s.batchGet(ctx, r, late)
	}
	room := encodings.Get().(*[][]byte)
	defer encodings.Put(room)
	list, current, from, err := s.View.BatchMade(ctx, r.Channel, r.Skus, encode, (*room)[:0])
	defer clear(list)
	switch {
	case errors.Is(err, projection.ErrUnreadable):
		found, err := s.insteadAll(ctx, r.Skus, r.Channel, nil)
		if err != nil {
			return nil, refusal(err, r.Channel)
		}
		return respondAll(found), nil
	case err != nil:
		return nil, refusal(err, r.Channel)
	}
	answer := &pb.BatchGetAvailabilityResponse{}
	answer.ProtoReflect().SetUnknown(join(list, ending(current, from)))
	return answer, nil
}

// encodings lends room for the values of a batch.
var encodings = sync.Pool{New: func() any {
	room := make([][]byte, 0, MaxBatch)
	return &room
}}

// encode makes the bytes of an answer.
func encode(a *projection.Availability) []byte {
	var v value
	b, err := v.set(a).MarshalVT()
	if err != nil {
		panic(err) // generated code that writes into memory of the size it asked for
	}
	return b
}

// ending is what all values of a batch have at their end: up to when they are current, and what they were answered from.
func ending(current aggregates.Instant, from projection.From) []byte {
	a := pb.Availability{AnsweredFrom: origins[from]}
	if current > 0 {
		a.CurrentAt = stamp(new(timestamppb.Timestamp), current)
	}
	b, err := a.MarshalVT()
	if err != nil {
		panic(err)
	}
	return b
}

// valuesField is the number of availabilities in BatchGetAvailabilityResponse.
const valuesField = 1

// join makes the bytes of a response: each value with an ending.
func join(list [][]byte, ending []byte) []byte {
	size := 0
	for _, b := range list {
		size += protowire.SizeTag(valuesField) + protowire.SizeBytes(len(b)+len(ending))
	}
	all := make([]byte, 0, size)
	for _, b := range list {
		all = protowire.AppendTag(all, valuesField, protowire.BytesType)
		all = protowire.AppendVarint(all, uint64(len(b)+len(ending)))
		all = append(append(all, b...), ending...)
	}
	return all
}
