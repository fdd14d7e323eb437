package ingest_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/ingest"
)

// tally is what became of the messages that were published.
type tally struct {
	published, recorded, duplicates, letters, lost, doubled int
}

func (x tally) String() string {
	return fmt.Sprintf("published %d = recorded %d + duplicates %d + dead letters %d; lost %d, doubled %d",
		x.published, x.recorded, x.duplicates, x.letters, x.lost, x.doubled)
}

// fact is one line of one message, or the message itself.
type fact struct{ id, line, sku string }

// origin is where a message lies.
type origin struct {
	place
	offset int64
}

// audit looks for every message that was published among the events and the dead letters, and counts.
func audit(t *testing.T, w *world, published []*kgo.Record) tally {
	t.Helper()
	facts, doubled := recordedFacts(t, w, published)
	kept := map[origin]bool{}
	for _, l := range w.letters(t) {
		kept[origin{place{l.Topic, l.Partition}, l.Offset}] = true
	}
	x := tally{published: len(published), doubled: doubled}
	seen := map[string]bool{}
	for _, r := range published {
		id := idOf(r)
		switch {
		case kept[origin{place{r.Topic, r.Partition}, r.Offset}]:
			x.letters++
		case seen[id]:
			x.duplicates++
		case facts[id] < max(1, strings.Count(string(r.Value), `"quantity":`)):
			x.lost++
		default:
			x.recorded++
			seen[id] = true
		}
	}
	return x
}

var skuOf = regexp.MustCompile(`"sku":"([^"]+)"`)

// recordedFacts counts the facts of each message on the streams of the SKUs that were published, and those that are
// there more than once.
func recordedFacts(t *testing.T, w *world, published []*kgo.Record) (perMessage map[string]int, doubled int) {
	t.Helper()
	perMessage = map[string]int{}
	streams, seen := map[string]bool{}, map[fact]bool{}
	for _, r := range published {
		for _, sku := range skuOf.FindAllStringSubmatch(string(r.Value), -1) {
			if streams[sku[1]] {
				continue
			}
			streams[sku[1]] = true
			for _, m := range w.sources(t, sku[1], domain.TypeOversoldDetected) {
				f := fact{m.Source.MessageID, m.Source.Line, sku[1]}
				if seen[f] {
					doubled++
					continue
				}
				seen[f] = true
				perMessage[f.id]++
			}
		}
	}
	return perMessage, doubled
}

func idOf(r *kgo.Record) string {
	for _, h := range r.Headers {
		if h.Key == "ce_id" {
			return string(h.Value)
		}
	}
	return ""
}

// expect fails unless the counts are these, with nothing lost and nothing doubled.
func (x tally) expect(t *testing.T, recorded, duplicates, letters int) {
	t.Helper()
	t.Log(x)
	if want := (tally{recorded + duplicates + letters, recorded, duplicates, letters, 0, 0}); x != want {
		t.Errorf("want %v", want)
	}
}

// record makes a message ready to be published.
func record(topic string, partition int32, m ingest.Message) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: partition, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}
