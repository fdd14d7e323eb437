package ingest

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/validation"
)

// The reasons, beside those of services/stock, for which a message cannot be applied. They are a contract.
const (
	ReasonMalformed    = "MALFORMED"     // not a CloudEvent, or its data is not what its type says
	ReasonUnknownType  = "UNKNOWN_TYPE"  // a CloudEvent of a type that the service does not read
	ReasonInternal     = "INTERNAL"      // the service failed on it again and again: a defect
	ReasonMessagesLost = "MESSAGES_LOST" // no message: the log deleted messages before they were read
	ReasonLogReplaced  = "LOG_REPLACED"  // no message: the log was replaced or lost its end
)

// Recorder is the way in for facts.
type Recorder = stock.Recorder

// facts reads the facts of a message. What is wrong with it is a *stock.Rejection. The facts of a sale belong
// together.
func facts(r *Recorder, m *Message, epoch int64) ([]stock.Fact, *stock.Rejection) {
	list, _, rejection := numberedFacts(r, m, epoch)
	return list, rejection
}

// numberedFacts tells as well what number the source gave the message, which it may have though nothing in it can be applied.
func numberedFacts(r *Recorder, m *Message, epoch int64) ([]stock.Fact, number, *stock.Rejection) {
	if m.Topic == TopicRPC {
		list, rejection := rpcFact(r, m)
		return list, number{}, rejection
	}
	e, err := decodeEvent(m)
	if err != nil {
		return nil, number{}, malformed(err)
	}
	list, rejection := eventFacts(r, m, &e, epoch)
	return list, numberOf(m, &e), rejection
}

// number is the sequence that a source gave a message, and whose it is.
type number struct {
	numbering
	n  int64
	ok bool // there is one, and it can be counted with
}

// numberOf reads the number of an event. Texts that are too long to be kept are no one's.
func numberOf(m *Message, e *event) number {
	n, ok := aggregates.SequenceNumber(e.sequence)
	of := numbering{e.source, partitionKey(m, e)}
	return number{of, n, ok && e.source != "" && max(len(of.system), len(of.key), len(e.sequence)) <= validation.MaxID}
}

// partitionKey is whose numbers a sequence is one of: what the event says, or the key under which the message came; of a key
// that is no text of ours, its fingerprint.
func partitionKey(m *Message, e *event) string {
	if e.partition != "" || len(m.Key) == 0 {
		return e.partition
	}
	key := string(m.Key)
	var c validation.Checker
	if c.Text("key", key, validation.MaxID); c.Err() != nil {
		return fmt.Sprintf("%016x", aggregates.Fingerprint(key))
	}
	return key
}

// eventFacts reads the facts of an event.
func eventFacts(r *Recorder, m *Message, e *event, epoch int64) ([]stock.Fact, *stock.Rejection) {
	origin, rejection := originOf(m, e, epoch)
	if rejection != nil {
		return nil, rejection
	}
	switch e.kind {
	case TypeMovement:
		return movementFact(r, e, origin)
	case TypeSale:
		return saleFacts(r, e, origin)
	}
	return nil, &stock.Rejection{Reason: ReasonUnknownType,
		Message: fmt.Sprintf("type %q is none of %s, %s", clip(e.kind), TypeMovement, TypeSale)}
}

// originOf is what a message says of where it came from and when it happened.
func originOf(m *Message, e *event, epoch int64) (origin aggregates.Metadata, rejection *stock.Rejection) {
	origin = aggregates.Metadata{
		CorrelationID: e.correlation,
		CausationID:   e.causation,
		Source: aggregates.Source{
			System: e.source, MessageID: e.id, Sequence: e.sequence,
			Topic: originTopic(m.Topic, epoch), Partition: m.Partition, Offset: m.Offset,
		},
	}
	if e.sequence != "" {
		origin.Source.PartitionKey = partitionKey(m, e)
	}
	var err error
	if origin.OccurredAt, err = e.occurred(); err != nil {
		return origin, malformed(err)
	}
	if err := checkAttributes(e, &origin.Source); err != nil {
		return origin, stock.Reject(err)
	}
	return origin, nil
}

// originTopic names the log that a message came from. The logs that stood under a topic's name one after the other are
// told apart: their offsets mean different messages. '#' is in no topic's name.
func originTopic(topic string, epoch int64) string {
	if epoch == 0 {
		return topic
	}
	return topic + "#" + strconv.FormatInt(epoch, 10)
}

func malformed(err error) *stock.Rejection {
	return &stock.Rejection{Reason: ReasonMalformed, Message: err.Error()}
}

func checkAttributes(e *event, s *aggregates.Source) error {
	var c validation.Checker
	c.ID("id", e.id)
	c.ID("source", e.source)
	c.Text("sequence", e.sequence, validation.MaxID)
	c.Text("partitionkey", s.PartitionKey, validation.MaxID)
	c.Text("correlationid", e.correlation, validation.MaxID)
	c.Text("causationid", e.causation, validation.MaxID)
	return c.Err()
}

func movementFact(r *Recorder, e *event, origin aggregates.Metadata) ([]stock.Fact, *stock.Rejection) {
	m, err := decodeMovement(e.data)
	if err != nil {
		return nil, malformed(err)
	}
	var c validation.Checker
	agree(&c, "movement_id", &m.MovementId, "id", e.id)
	agree(&c, "source", &m.Source, "source", e.source)
	agree(&c, "correlation_id", &m.CorrelationId, "correlationid", e.correlation)
	switch at := origin.OccurredAt; {
	case at == 0:
	case m.OccurredAt == nil:
		m.OccurredAt = timestamppb.New(at.Time())
	case aggregates.At(m.OccurredAt.AsTime()) != at:
		c.Fail("occurred_at", "must be left out or be the event's time, %s", at.Time().Format(timeLayout))
	}
	if err := c.Err(); err != nil {
		return nil, stock.Reject(err)
	}
	f, err := r.Movement(m, "", origin)
	if err != nil {
		return nil, stock.Reject(err)
	}
	return []stock.Fact{f}, nil
}

const timeLayout = "2006-01-02T15:04:05.999999Z07:00"

// agree fills a field of the data from an attribute of the event, which must not contradict it.
func agree(c *validation.Checker, field string, v *string, attribute, given string) {
	switch {
	case *v == "":
		*v = given
	case given != "" && *v != given:
		c.Fail(field, "must be left out or be the event's %s, %q", attribute, clip(given))
	}
}

func saleFacts(r *Recorder, e *event, origin aggregates.Metadata) ([]stock.Fact, *stock.Rejection) {
	s, err := decodeSale(e.data)
	if err != nil {
		return nil, malformed(err)
	}
	all, err := r.Sale(s, origin)
	if err != nil {
		return nil, stock.Reject(err)
	}
	return all, nil
}

// rpcFact reads a movement that came by RPC and was kept as a dead letter.
func rpcFact(r *Recorder, m *Message) ([]stock.Fact, *stock.Rejection) {
	movement, err := decodeMovement(m.Value)
	if err != nil {
		return nil, malformed(err)
	}
	f, err := r.Movement(movement, "", aggregates.Metadata{})
	if err != nil {
		return nil, stock.Reject(err)
	}
	return []stock.Fact{f}, nil
}
