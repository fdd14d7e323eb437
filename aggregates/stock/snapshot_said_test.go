package stock

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/said"
)

// A state restored from a snapshot knows the messages and the rules that it knew.
func TestSnapshotsKeepWhatWasSaid(t *testing.T) {
	s := &State{}
	of := func(i int) aggregates.Metadata {
		return aggregates.Metadata{RecordedAt: clock("12:00") + aggregates.Instant(i), Fingerprint: uint64(i),
			Source: aggregates.Source{System: "erp", MessageID: fmt.Sprint(i), Sequence: fmt.Sprint(i)}}
	}
	for i := range 9 {
		s.Evolve(&BufferSet{Channel: fmt.Sprint(i), Portion: Portion{Units: int64(i)}, Period: Period{Until: clock("13:00")}}, of(i))
		s.Evolve(&said.Taken{About: fmt.Sprint(i % 2)}, of(i))
	}
	data := encoded(t, s)
	var restored State
	if err := restored.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, &restored), data) || len(restored.rules.Buffers) != 9 || restored.used {
		t.Fatalf("%+v", restored.rules)
	}
	for i := range 9 {
		m := of(i)
		if verdict, err := restored.Said().Judge("0", &m); verdict != said.Repetition || err != nil {
			t.Errorf("message %d: %d, %v", i, verdict, err)
		}
	}
	m := of(7)
	m.Source.MessageID = "another"
	if verdict, _ := restored.Said().Judge("0", &m); verdict != said.Superseded {
		t.Errorf("an older number: %d", verdict)
	}
}
