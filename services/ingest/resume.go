package ingest

import (
	"fmt"
	"time"

	"github.com/stockfold/stockfold/services/stock"
)

// clockSlack is how far the clocks of the log and of the service may differ when messages that were applied are told
// from new ones by time. It is less than the time for which keys of facts are remembered at least.
const clockSlack = 12 * time.Hour

// incident is what is wrong with a log when reading is taken up.
type incident struct {
	rejection stock.Rejection // for the dead letter that reports it
	lost      int64           // messages
}

// resolve decides where reading goes on, from what was saved and what the log holds now.
//
//   - The log deleted messages that were not read yet: they are lost, reading goes on at the first one left.
//   - The log is another one (its identity changed; or it is shorter, and tells no identity): it is read from its
//     start, in an epoch of its own, so that its offsets are not taken for those of the old one.
//   - The log is the same and lost its end: what is left of it was applied, what was written since was not, and
//     nobody can tell where one ends and the other begins. It is read from its start in an epoch of its own;
//     what was applied is recognised by its key, or, when that may be forgotten, by its age.
func resolve(p Progress, known bool, b Bounds) (Progress, *incident) {
	if !known {
		return Progress{Next: b.Start, LogID: b.LogID}, nil
	}
	if p.LogID == "" {
		p.LogID = b.LogID
	}
	switch {
	case b.LogID != "" && b.LogID != p.LogID, b.LogID == "" && b.End < p.Next:
		return Progress{Next: b.Start, Epoch: p.Epoch + 1, LogID: b.LogID, Numbers: p.Numbers}, &incident{rejection: stock.Rejection{
			Reason: ReasonLogReplaced,
			Message: fmt.Sprintf("the log was replaced by another one; offset %d was next, the new log has offsets %d to %d and is read "+
				"from its start; messages of the old one that were not read are lost", p.Next, b.Start, b.End),
		}}
	case b.End < p.Next:
		return Progress{
				Next: b.Start, Epoch: p.Epoch + 1, LogID: p.LogID,
				AppliedBelow: p.Next, AppliedBefore: p.SavedAt.Add(-clockSlack),
				Numbers: p.Numbers,
			}, &incident{rejection: stock.Rejection{
				Reason: ReasonLogReplaced,
				Message: fmt.Sprintf("the log lost its end: offset %d was next, it now ends at %d; it is read again from its start, "+
					"and what was applied is left out", p.Next, b.End),
			}}
	case b.Start > p.Next:
		lost := b.Start - p.Next
		found := &incident{lost: lost, rejection: stock.Rejection{
			Reason: ReasonMessagesLost,
			Message: fmt.Sprintf("%d messages, offsets %d to %d, were deleted from the log before they were read; "+
				"ask their sources to send them again, and make the topic keep messages longer", lost, p.Next, b.Start-1),
		}}
		p.Next = b.Start
		return p, found
	}
	return p, nil
}

// appliedEarlier tells whether a message was applied before the log lost its end.
func (p *Progress) appliedEarlier(m *Message) bool {
	return m.Offset < p.AppliedBelow && m.Time > 0 && m.Time < p.AppliedBefore
}

// incidentLetter reports an incident. The same incident found again, because a crash came between, is the same letter.
func incidentLetter(topic string, partition int32, before Progress, found *incident) DeadLetter {
	return DeadLetter{
		ID: letterID(before.SavedAt, found.rejection.Reason, topic, fmt.Sprint(partition), fmt.Sprint(before.Epoch),
			fmt.Sprint(before.Next)),
		Reason: found.rejection.Reason, Message: found.rejection.Message,
		Topic: topic, Partition: partition, Offset: before.Next,
	}
}
