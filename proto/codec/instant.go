package codec

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Timestamp is an instant as the contract writes it; nil when it is not set.
func Timestamp(i aggregates.Instant) *timestamppb.Timestamp { return toTimestamp(i) }

// Source is where a fact came from as the contract writes it; nil when nothing is known of it.
func Source(m *aggregates.Metadata) *pb.Source { return toSource(&m.Source) }

// Instant reads a timestamp of the contract, cut to microseconds; 0 when it is not set. The timestamp must be valid.
func Instant(t *timestamppb.Timestamp) aggregates.Instant { return fromTimestamp(t) }
