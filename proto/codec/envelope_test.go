package codec

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

// storedEvent is an event with what was written of it.
type storedEvent struct {
	event aggregates.Event
	m     aggregates.Metadata
	r     aggregates.Record
}

// metadatas are of every shape: each part alone, all, and none.
func metadatas() []aggregates.Metadata {
	all := aggregates.Metadata{OccurredAt: noon, RecordedAt: noon + 1, CorrelationID: "c", CausationID: "d", Actor: "a", IdempotencyKey: "k", Fingerprint: 7,
		Source: aggregates.Source{System: "wms", Document: "po", Line: "1", Sequence: "9", MessageID: "m", Topic: "t", Partition: 3, Offset: 4, PartitionKey: "p"}}
	return []aggregates.Metadata{{}, all, {OccurredAt: noon}, {RecordedAt: noon}, {Source: all.Source}, {Actor: "a", Fingerprint: 1}}
}

func recordOf(e aggregates.Event, data []byte) (r aggregates.Record) {
	r.Stream, r.Type, r.Data = "sku-milk", e.EventType(), data
	return r
}

// However many events go through the shared memory at once, in whatever order and with damaged ones between them, each is written and read as
// it is alone: nothing of one shows in another, then or later.
func TestEventsAtOnceStayApart(t *testing.T) {
	var all []storedEvent
	for _, e := range samples() {
		for _, m := range metadatas() {
			data, err := Encode(nil, e, &m)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, storedEvent{e, m, recordOf(e, data)})
		}
	}
	var running sync.WaitGroup
	for worker := range 8 {
		running.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			var kept []storedEvent
			for range 3_000 {
				x := all[random.IntN(len(all))]
				switch random.IntN(4) {
				case 0: // cut off: the shared memory is left half filled
					x.r.Data = x.r.Data[:random.IntN(len(x.r.Data)+1)]
					_, _, _ = Decode(x.r)
				case 1:
					if data, err := Encode([]byte("before"), x.event, &x.m); err != nil || !bytes.Equal(data[len("before"):], x.r.Data) {
						t.Errorf("%s is written as %x, %v, and as %x alone", x.r.Type, data, err, x.r.Data)
					}
				default:
					e, m, err := Decode(x.r)
					if err != nil {
						t.Error(err)
						return
					}
					kept = append(kept, storedEvent{e, m, x.r})
				}
			}
			for i := range kept { // what was read stays what it was, whatever went through since
				if data, err := Encode(nil, kept[i].event, &kept[i].m); err != nil || !bytes.Equal(data, kept[i].r.Data) {
					t.Errorf("%s has become %+v", kept[i].r.Type, kept[i].event)
				}
			}
		})
	}
	running.Wait()
}

// What is read shares no memory with what was storedEvent.
func TestWhatIsReadDoesNotPointIntoTheRecord(t *testing.T) {
	m := metadatas()[1]
	for _, e := range samples() {
		data, err := Encode(nil, e, &m)
		if err != nil {
			t.Fatal(err)
		}
		got, meta, err := Decode(recordOf(e, data))
		if err != nil {
			t.Fatal(err)
		}
		clear(data)
		if !reflect.DeepEqual(got, e) || meta != m {
			t.Errorf("%s has become %+v, %+v", e.EventType(), got, meta)
		}
	}
}
