package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sweepOn gives space back now and then, until ctx ends.
func (b *Broker) sweepOn(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := b.sweep(ctx); err != nil && ctx.Err() == nil {
			b.opts.Log.Warn("embedded broker could not give space back, will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// sweep deletes the older half of every partition that holds more than it should, as far as its reader has
// committed it.
func (b *Broker) sweep(ctx context.Context) error {
	for _, t := range b.opts.Topics {
		var full []*kfake.PartitionInfo
		for _, p := range b.cluster.PartitionInfos(t.Name) {
			if p.NumBytes > b.opts.KeepBytes {
				full = append(full, p)
			}
		}
		if len(full) == 0 {
			continue
		}
		committed, err := b.committed(ctx, t)
		if err != nil {
			return err
		}
		if err := b.deleteBefore(ctx, t.Name, full, committed); err != nil {
			return err
		}
	}
	return nil
}

// committed returns how far the reader of a topic has come in each partition; nil when the topic has no reader.
func (b *Broker) committed(ctx context.Context, t Topic) (map[int32]int64, error) {
	if t.Reader == "" {
		return nil, nil
	}
	request := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = t.Reader
	topic := kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic, topic.TopicID = t.Name, b.cluster.TopicInfo(t.Name).TopicID
	for _, p := range b.cluster.PartitionInfos(t.Name) {
		topic.Partitions = append(topic.Partitions, p.Partition)
	}
	group.Topics = append(group.Topics, topic)
	request.Groups = append(request.Groups, group)
	answer, err := request.RequestWith(ctx, b.client)
	if err != nil {
		return nil, fmt.Errorf("offsets of group %q: %w", t.Reader, err)
	}
	offsets := map[int32]int64{}
	for _, group := range answer.Groups {
		if err := kerr.ErrorForCode(group.ErrorCode); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, fmt.Errorf("offsets of group %q: %w", t.Reader, err)
		}
		for _, topic := range group.Topics {
			for _, p := range topic.Partitions {
				offsets[p.Partition] = p.Offset
			}
		}
	}
	return offsets, nil
}

// deleteBefore deletes up to the middle of each partition, or up to what is committed if that is less.
func (b *Broker) deleteBefore(ctx context.Context, name string, full []*kfake.PartitionInfo, committed map[int32]int64) error {
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = int32(startTimeout.Milliseconds())
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = name
	for _, p := range full {
		to := p.LogStartOffset + (p.HighWatermark-p.LogStartOffset)/2
		if committed != nil {
			to = min(to, committed[p.Partition])
		}
		if to <= p.LogStartOffset {
			continue
		}
		part := kmsg.NewDeleteRecordsRequestTopicPartition()
		part.Partition, part.Offset = p.Partition, to
		topic.Partitions = append(topic.Partitions, part)
	}
	if len(topic.Partitions) == 0 {
		return nil
	}
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, b.client)
	if err != nil {
		return fmt.Errorf("delete records of %s: %w", name, err)
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("delete records of %s[%d]: %w", name, p.Partition, err)
			}
			b.opts.Log.Debug("embedded broker gave space back", "topic", name, "partition", p.Partition, "start", p.LowWatermark)
		}
	}
	return nil
}
