package stock

import "github.com/stockfold/stockfold/aggregates"

// origin is how far the messages of a topic's partition have come. Offsets below a bound, so that the zero value is
// none.
type origin struct {
	topic     string
	partition int32
	applied   int64              // one above the highest offset applied
	forgotten int64              // one above the highest offset whose key was forgotten
	until     aggregates.Instant // the latest that a message whose key was forgotten can claim to have occurred
}

// origins of the SKU's messages, in the order they first came.
type origins []origin

// of returns the place of a source's topic and partition, -1 when it has none.
func (o origins) of(source *aggregates.Source) int32 {
	if source.Topic == "" {
		return -1
	}
	for i := range o {
		if o[i].partition == source.Partition && o[i].topic == source.Topic {
			return int32(i)
		}
	}
	return -1
}

// apply notes that a message was applied, and returns its origin's place, -1 when it has none.
func (o *origins) apply(source *aggregates.Source) int32 {
	i := o.of(source)
	if i < 0 {
		if source.Topic == "" || len(*o) >= MaxOrigins {
			return -1
		}
		i = int32(len(*o))
		*o = append(*o, origin{topic: source.Topic, partition: source.Partition})
	}
	(*o)[i].applied = max((*o)[i].applied, source.Offset+1)
	return i
}

// forget notes that a key is no longer remembered.
func (o origins) forget(k *seenKey) {
	if k.origin >= 0 {
		x := &o[k.origin]
		x.forgotten = max(x.forgotten, k.offset+1)
		x.until = max(x.until, k.at+clockSlack)
	}
}

// Applied returns the highest offset of a topic's partition that the SKU has applied.
func (s *State) Applied(topic string, partition int32) (offset int64, ok bool) {
	i := s.origins.of(&aggregates.Source{Topic: topic, Partition: partition})
	if i < 0 {
		return 0, false
	}
	return s.origins[i].applied - 1, true
}

// outlived tells whether a message is so old that its key was forgotten, which only happens to what was applied. One that
// occurred since is none of those: its topic was made anew, and its offsets began again.
func (s *State) outlived(m *aggregates.Metadata) bool {
	i := s.origins.of(&m.Source)
	return i >= 0 && m.Source.Offset < s.origins[i].forgotten && occurred(m) <= s.origins[i].until
}
