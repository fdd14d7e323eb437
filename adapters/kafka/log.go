package kafka

import (
	"context"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"github.com/stockfold/stockfold/services/reconciliation"
)

// Log tells what was in the topics when.
type Log struct{ config Config }

var _ reconciliation.Log = (*Log)(nil)

// NewLog returns a log over brokers.
func NewLog(c Config) *Log { return &Log{c} }

// EndAt is the offset of the first message that entered a partition after an instant; ok is false when the brokers do not say, the messages of that time are gone, or
// the log under that name is not the one that the message came from.
func (l *Log) EndAt(ctx context.Context, topic string, partition int32, at time.Time) (offset int64, ok bool) {
	if strings.Contains(topic, "#") { // an earlier log of that name
		return 0, false
	}
	transport := l.config.Transport()
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := l.config.client(transport).ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.TimeOffsetOf(int(partition), at.Add(time.Millisecond)), kafka.LastOffsetOf(int(partition)), kafka.FirstOffsetOf(int(partition))}}})
	if err != nil {
		return 0, false
	}
	for _, o := range answer.Topics[topic] {
		if o.Partition != int(partition) || o.Error != nil {
			continue
		}
		offset = o.LastOffset // no message came later, or
		for first := range o.Offsets {
			if first >= 0 && first < offset {
				offset = first
			}
		}
		return offset, offset > o.FirstOffset || offset == 0 // where the log begins by now, nobody knows what came before
	}
	return 0, false
}
