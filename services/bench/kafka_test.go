package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// brokerFor starts a broker with these topics for a test.
func brokerFor(t *testing.T, topics ...string) string {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

func TestWhatIsPublishedIsReadBack(t *testing.T) {
	ctx, broker, tills := t.Context(), brokerFor(t, salesTopic), newTills(newCatalogue(100))
	var before []span
	for round := range 2 {
		all, err := messages(tills.sell(2_000), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		spans, err := publish(ctx, broker, all)
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, s := range spans {
			total += s.until - s.from
			if i := slices.IndexFunc(before, func(x span) bool { return x.partition == s.partition }); i >= 0 && before[i].until != s.from {
				t.Errorf("partition %d: round %d goes on at %d, the one before ended at %d", s.partition, round, s.from, before[i].until)
			}
		}
		if len(spans) != partitions || total != int64(len(all)) {
			t.Errorf("%d messages took %+v", len(all), spans)
		}
		if took, err := readAndDiscard(ctx, broker, spans); err != nil || took <= 0 {
			t.Errorf("read in %s: %v", took, err)
		}
		before = spans
	}
}

func TestSalesOfAShopKeepTheirOrder(t *testing.T) {
	all, err := messages(newTills(newCatalogue(100)).sell(500), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if !strings.HasPrefix(string(m.Key), "store-") {
			t.Fatalf("key %q is no shop", m.Key)
		}
	}
}

// More than was published is never there: reading it must end with its context, not with success.
func TestReadingStopsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	broker := brokerFor(t, salesTopic)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := readAndDiscard(ctx, broker, []span{{partition: 0, from: 0, until: 1}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}

func TestNothingToReadTakesNoBroker(t *testing.T) {
	if _, err := readAndDiscard(t.Context(), "127.0.0.1:1", []span{{partition: 0, from: 7, until: 7}}); err != nil {
		t.Error(err)
	}
}

func TestATopicThatDoesNotComeIsMissing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := ends(ctx, brokerFor(t, "another")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error: %v", err)
	}
}
