package reconciliation_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/reconciliation"
)

// sender sends a snapshot as messages.
type sender struct {
	*shop
	offset int64
}

// chunk is a message.
func (s *sender) chunk(h *pb.SnapshotHeader, place int32, last bool, rows ...*pb.SourceRow) ingest.Message {
	s.t.Helper()
	text, err := protojson.Marshal(&pb.SnapshotChunk{Header: h, Chunk: place, Last: last, Rows: rows})
	if err != nil {
		s.t.Fatal(err)
	}
	m := ingest.Message{Value: text}
	for key, value := range map[string]string{"ce_specversion": "1.0", "ce_id": fmt.Sprint("c-", s.offset, "-", place), "ce_source": "erp",
		"ce_type": ingest.TypeSnapshot, "ce_time": s.Now().Time().Format(time.RFC3339Nano), "content-type": "application/json"} {
		m.Headers = append(m.Headers, ingest.Header{Key: key, Value: []byte(value)})
	}
	return m
}

// send has messages taken in.
func (s *sender) send(messages ...ingest.Message) {
	s.t.Helper()
	s.Ingest(ingest.TopicSnapshots, s.offset, messages...)
	s.offset += int64(len(messages))
}

// round lets the process look at the runs, once they have waited long enough.
func (s *sender) round() {
	s.t.Helper()
	s.clock.Advance(time.Minute)
	if err := s.Reconcile.Round(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// run is the only run that is listed.
func (s *sender) run() *pb.ReconciliationRun {
	s.t.Helper()
	runs, err := s.ReconciliationClient().ListRuns(s.t.Context(), &pb.ListRunsRequest{})
	if err != nil || len(runs.Runs) != 1 {
		s.t.Fatalf("got %v, %v", runs, err)
	}
	got, err := s.ReconciliationClient().GetRun(s.t.Context(), &pb.GetRunRequest{RunId: runs.Runs[0].RunId})
	if err != nil {
		s.t.Fatal(err)
	}
	return got.Run
}

// rejected are the reasons of the open dead letters.
func (s *sender) rejected() (reasons []string) {
	s.t.Helper()
	list, _, err := s.Desk.List(s.t.Context(), ingest.Query{State: ingest.Open, Limit: 100})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range list {
		reasons = append(reasons, l.Reason+": "+l.Message)
	}
	return reasons
}

// Chunks come in any order, some twice: the run has each row once, and is compared once the last gap is filled, not before.
func TestChunksComeInAnyOrderAndTwice(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			s := &sender{shop: start(t)}
			h := s.header("monday")
			var messages []ingest.Message
			chunks := 1 + random.IntN(6)
			for c := range chunks {
				rows := []*pb.SourceRow{{Sku: fmt.Sprint("none-", c)}}
				if c == chunks/2 {
					rows = append(rows, milk(93))
				}
				messages = append(messages, s.chunk(h, int32(c), c == chunks-1, rows...))
			}
			for range random.IntN(8) {
				messages = append(messages, messages[random.IntN(chunks)])
			}
			random.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
			for len(messages) > 0 {
				n := 1 + random.IntN(len(messages))
				s.send(messages[:n]...)
				messages = messages[n:]
				s.round()
			}
			run := s.run()
			if run.CompletedAt == nil || run.Rows != int64(chunks)+1 || run.Totals.Matched != int64(chunks) {
				t.Errorf("%d chunks: %v", chunks, run)
			}
			one(t, s.discrepancies(run.RunId), pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED)
			if got := s.rejected(); len(got) != 0 {
				t.Errorf("dead letters: %v", got)
			}
		})
	}
}

// A snapshot of which a chunk is missing, the last or another, is not compared: neither by the process nor when it is asked to. It is given up after a week, and
// goes on when the chunk comes after all.
func TestASnapshotWaitsForAMissingChunk(t *testing.T) {
	for missing, name := range []string{"first", "middle", "last"} {
		t.Run(name, func(t *testing.T) {
			s := &sender{shop: start(t)}
			h := s.header("monday")
			h.Complete = true // what it leaves out would be 0
			for c := range 3 {
				if c != missing {
					s.send(s.chunk(h, int32(c), c == 2, &pb.SourceRow{Sku: fmt.Sprint("none-", c)}))
				}
			}
			s.round()
			run := s.run()
			if run.CompletedAt != nil || run.Rows != 2 {
				t.Fatalf("got %v", run)
			}
			if err := s.Reconcile.Compare(t.Context(), run.RunId); !errors.Is(err, reconciliation.ErrIncomplete) {
				t.Errorf("got %v", err)
			}
			s.clock.Advance(8 * 24 * time.Hour)
			s.round()
			if s.run().CompletedAt != nil || len(s.discrepancies(run.RunId)) != 0 {
				t.Errorf("it was compared: %v", s.run())
			}
			s.send(s.chunk(h, int32(missing), missing == 2, milk(100)))
			s.round()
			got, err := s.ReconciliationClient().GetRun(t.Context(), &pb.GetRunRequest{RunId: run.RunId})
			if err != nil || got.Run.CompletedAt == nil || got.Run.Totals.Matched != 3 {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// What contradicts the chunks that came before is a dead letter with the reason, and the run is as if it had not come.
func TestAChunkThatContradictsIsADeadLetter(t *testing.T) {
	s := &sender{shop: start(t)}
	h, other := s.header("monday"), s.header("monday")
	other.Complete = true
	nobody := s.header("monday")
	nobody.Document = ""
	s.send(
		s.chunk(h, 1, true, milk(100)),
		s.chunk(h, 1, true, milk(99)),
		s.chunk(h, 1, false, milk(100)),
		s.chunk(h, 2, false, milk(98)),
		s.chunk(h, 0, true, milk(97)),
		s.chunk(h, -1, false, milk(96)),
		s.chunk(h, 60_000, false, milk(96)),
		s.chunk(other, 0, false, milk(95)),
		s.chunk(nobody, 0, false, milk(94)),
		s.chunk(nil, 0, false, milk(94)),
		s.chunk(h, 0, false, make([]*pb.SourceRow, 2_001)...),
		s.chunk(h, 0, false, &pb.SourceRow{Sku: "none"}, &pb.SourceRow{}),
	)
	want := []string{"INVALID: invalid request: header.document", "INVALID: invalid request: header.source",
		"INVALID_SNAPSHOT: a chunk has a place behind the last one", "INVALID_SNAPSHOT: a snapshot has at most", "INVALID_SNAPSHOT: a snapshot has at most",
		"INVALID_SNAPSHOT: a snapshot has at most", "INVALID_SNAPSHOT: the snapshot was sent before with other rows",
		"INVALID_SNAPSHOT: the snapshot was sent before with other rows", "INVALID_SNAPSHOT: two chunks of the snapshot say that they are the last", "SNAPSHOT_REUSED: run "}
	got := s.rejected()
	slices.Sort(got)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			break
		}
	}
	s.round()
	if run := s.run(); run.CompletedAt == nil || run.Rows != 2 || run.Refused != 1 || run.Totals.Matched != 2 {
		t.Errorf("got %v", run)
	}
}

// A chunk that names a channel which is defined later is taken in when its dead letter is replayed.
func TestADeadLetterOfASnapshotIsReplayed(t *testing.T) {
	s := &sender{shop: start(t)}
	h := s.header("monday")
	h.Location, h.Channel = "", "app"
	s.send(s.chunk(h, 0, true, milk(0)))
	list, _, err := s.Desk.List(t.Context(), ingest.Query{State: ingest.Open, Limit: 2})
	if err != nil || len(list) != 1 || list[0].Reason != "INVALID_SNAPSHOT" {
		t.Fatalf("got %v, %v", list, err)
	}
	s.Channel("app", "berlin")
	answer, err := s.OperationsClient().ReplayDeadLetter(t.Context(), &pb.ReplayDeadLetterRequest{DeadLetterId: list[0].ID})
	if err != nil || len(s.rejected()) != 0 {
		t.Fatalf("got %v, %v, %v", answer, err, s.rejected())
	}
	s.round()
	if run := s.run(); run.CompletedAt == nil || run.Header.Channel != "app" {
		t.Errorf("got %v", run)
	}
}
