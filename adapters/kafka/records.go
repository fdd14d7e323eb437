package kafka

import (
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
)

// abortMarker is the type of a control record that aborts a transaction.
const abortMarker = 0

// readRecords adds the messages of a fetch, from f.Next on, and moves f.Next behind all that was read, be it a message
// or not.
func readRecords(r *fetch.ResponsePartition, f *ingest.Fetched, topic string, id int32) error {
	if r.RecordSet.Records == nil {
		return nil
	}
	batches := []protocol.RecordReader{r.RecordSet.Records}
	if stream, ok := r.RecordSet.Records.(*protocol.RecordStream); ok {
		batches = stream.Records
	}
	x := reader{f: f, topic: topic, id: id, aborted: r.AbortedTransactions, aborting: map[int64]bool{}}
	for _, b := range batches {
		if err := x.batch(b); err != nil {
			return fmt.Errorf("records of %s[%d] at offset %d: %w", topic, id, f.Next, err)
		}
	}
	return nil
}

// reader tells messages from what is not for readers: control records, and the messages of aborted transactions. The
// broker lists those transactions by producer and first offset; each ends with its abort marker.
type reader struct {
	f        *ingest.Fetched
	topic    string
	id       int32
	aborted  []fetch.ResponseTransaction // not begun yet
	aborting map[int64]bool              // producers whose messages are of an aborted transaction
}

func (x *reader) batch(b protocol.RecordReader) error {
	switch b := b.(type) {
	case *protocol.ControlBatch:
		return x.control(b)
	case *protocol.RecordBatch:
		return x.each(b, func(r *protocol.Record) error {
			x.begin(r.Offset)
			if b.Attributes.Transactional() && x.aborting[b.ProducerID] {
				return nil
			}
			return x.add(r)
		})
	default: // from before transactions
		return x.each(b, x.add)
	}
}

// begin takes note of aborted transactions that begin at or before an offset.
func (x *reader) begin(offset int64) {
	left := x.aborted[:0]
	for _, t := range x.aborted {
		if t.FirstOffset <= offset {
			x.aborting[t.ProducerID] = true
		} else {
			left = append(left, t)
		}
	}
	x.aborted = left
}

func (x *reader) control(b *protocol.ControlBatch) error {
	for {
		r, err := b.ReadControlRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		x.begin(r.Offset)
		if r.Type == abortMarker {
			delete(x.aborting, b.ProducerID)
		}
		x.f.Next = max(x.f.Next, r.Offset+1)
	}
}

func (x *reader) each(b protocol.RecordReader, do func(*protocol.Record) error) error {
	for {
		r, err := b.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Offset >= x.f.Next { // a batch may begin before the offset asked for
			if err := do(r); err != nil {
				return err
			}
			x.f.Next = r.Offset + 1
		}
		if r.Key != nil {
			r.Key.Close()
		}
		if r.Value != nil {
			r.Value.Close()
		}
	}
}

func (x *reader) add(r *protocol.Record) error {
	m := ingest.Message{Topic: x.topic, Partition: x.id, Offset: r.Offset, Time: aggregates.At(r.Time)}
	var err error
	if m.Key, err = bytesOf(r.Key); err != nil {
		return err
	}
	if m.Value, err = bytesOf(r.Value); err != nil {
		return err
	}
	if len(r.Headers) > 0 {
		m.Headers = make([]ingest.Header, len(r.Headers))
		for i, h := range r.Headers {
			m.Headers[i] = ingest.Header{Key: h.Key, Value: h.Value}
		}
	}
	x.f.Messages = append(x.f.Messages, m)
	return nil
}

func bytesOf(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	return protocol.ReadAll(b)
}
