package codec

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
)

// Timestamp is an instant as the contract writes it; nil when it is not set.
func Timestamp(i aggregates.Instant) *timestamppb.Timestamp { return toTimestamp(i) }

// Instant reads a timestamp of the contract, cut to microseconds; 0 when it is not set. The timestamp must be valid.
func Instant(t *timestamppb.Timestamp) aggregates.Instant { return fromTimestamp(t) }
