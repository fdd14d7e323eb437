package history

import (
	"fmt"
	"sort"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// readSoFar are the positions of a stream's events, by revision.
type readSoFar []uint64

// as of a position: the revision of the last event up to there; ok is false when there was none.
func (l readSoFar) revisionAt(position uint64) (revision uint64, ok bool) {
	n := sort.Search(len(l), func(i int) bool { return l[i] > position })
	return uint64(max(n-1, 0)), n > 0
}

func (l readSoFar) last() uint64 {
	if len(l) == 0 {
		return 0
	}
	return l[len(l)-1]
}

// decidedUnder is the position as of which the channel, the shared rules and the locations come to what the answer was decided under.
func (x *explanation) decidedUnder() uint64 {
	position := max(x.channelEvents.last(), x.sharedEvents.last())
	for _, p := range x.places {
		position = max(position, p.cause.Record.Position)
	}
	return position
}

// policyMessage names the rules of a decision about a channel as of a position; nil when the position is not known.
func (x *explanation) policyMessage(position uint64, channel string) *pb.ExplainedPolicy {
	if position == 0 {
		return nil
	}
	m := &pb.ExplainedPolicy{Position: position, Channel: channel, Text: fmt.Sprintf("decided under the rules as of position %d", position)}
	if channel == x.answer.Channel {
		m.ChannelRevision, _ = x.channelEvents.revisionAt(position)
		m.Text += fmt.Sprintf(": channel %s revision %d", channel, m.ChannelRevision)
	} else {
		m.Text += ", channel " + channel
	}
	if m.SharedRevision, m.HasShared = x.sharedEvents.revisionAt(position); m.HasShared {
		m.Text += fmt.Sprintf(", shared rules revision %d", m.SharedRevision)
	} else {
		m.Text += ", no shared rules"
	}
	return m
}
