package bench

import (
	"context"
	"fmt"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	ingestTimeout = 2 * time.Minute
	// slowIngest is the rate that the estimate reckons with, lines/s.
	slowIngest = 20_000
	// warmUpPart of the lines counted come before them, uncounted: as in every row, the service may warm up.
	warmUpPart = 0.25
)

var ingestRow = Row{
	Name: "ingest", Title: "Ingest, Kafka to durable and readable", Unit: "lines/s", Baseline: "kafka-go reading",
	Target: &Target{Value: 100_000},
	takes: func(e effort) time.Duration {
		return time.Duration(e.loadRounds) * (4*time.Second + time.Duration(e.published())*time.Second/slowIngest)
	},
	measure: measureIngest,
}

// measureIngest publishes sales while nobody takes them, reads them back for the baseline, and then starts the
// service with them waiting, until all of them are readable.
func measureIngest(ctx context.Context, b *bench, f *Figure) error {
	if _, err := b.stocked(ctx); err != nil {
		return err
	}
	tills, used := newTills(b.catalogue), meter{}
	for round := 1; round <= b.loadRounds; round++ {
		s, err := b.serve(ctx, false)
		if err != nil {
			return err
		}
		spans, err := b.publishSales(ctx, s, tills)
		if err != nil {
			return err
		}
		bare, err := readAndDiscard(ctx, s.settings.Broker, spans)
		if err != nil {
			return err
		}
		rate, err := b.takeIn(ctx, spans)
		if err != nil {
			return err
		}
		used.add(b.server.pid(), int64(b.published()))
		f.Rounds = append(f.Rounds, newRound(rate, float64(b.published())/bare.Seconds()))
		b.say("  round %d of %d: %s lines/s", round, b.loadRounds, amount(rate))
	}
	f.CPU = &CPU{Service: used.perCall()}
	f.note("%s lines a round after %s to warm up, in baskets of %.1f on average", grouped(int64(b.ingestLines)),
		grouped(int64(b.published()-b.ingestLines)), float64(b.published()*b.loadRounds)/float64(tills.last))
	return nil
}

// published is how many lines are published in a round.
func (e effort) published() int { return e.ingestLines + int(warmUpPart*float64(e.ingestLines)) }

// publishSales makes one round's sales and publishes them.
func (b *bench) publishSales(ctx context.Context, s *server, t *tills) ([]span, error) {
	all, err := messages(t.sell(b.published()), time.Now())
	if err != nil {
		return nil, err
	}
	b.say("  publishing %s sales", grouped(int64(len(all))))
	return publish(ctx, s.settings.Broker, all)
}

// takeIn starts the service with ingest, waits until it has taken in the spans, and checks the sums. It returns the
// rate in lines/s.
func (b *bench) takeIn(ctx context.Context, spans []span) (float64, error) {
	before, err := b.server.status.GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil {
		return 0, fmt.Errorf("status before ingest: %w", err)
	}
	s, err := b.serve(ctx, true)
	if err != nil {
		return 0, err
	}
	work, uncounted := stretch{started: s.started}, before.StorePosition+uint64(b.published()-b.ingestLines)
	err = s.await(ctx, ingestTimeout, "all sales are readable", func(now *pb.GetStatusResponse) bool {
		at := position(now, availabilityProjection)
		work.see(time.Now(), at-min(at, uncounted)) // every line is an event
		return takenIn(now, spans) && at >= now.StorePosition
	})
	if err != nil {
		return 0, err
	}
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	if n, err := s.deadLetters(ctx); err != nil || n > before.OpenDeadLetters {
		return 0, wrong("%d sales became dead letters (%v)", n-before.OpenDeadLetters, err)
	}
	return work.rate(float64(b.ingestLines)), b.checkReadable(ctx, s.typed())
}

// takenIn tells whether every partition was taken in up to the end of its span.
func takenIn(now *pb.GetStatusResponse, spans []span) bool {
	next := map[int]int64{}
	for _, p := range now.Partitions {
		if p.Topic == salesTopic {
			next[int(p.Partition)] = p.NextOffset
		}
	}
	for _, s := range spans {
		if next[s.partition] < s.until {
			return false
		}
	}
	return true
}

// deadLetters is how many are open.
func (s *server) deadLetters(ctx context.Context) (int64, error) {
	now, err := s.status.GetStatus(ctx, &pb.GetStatusRequest{})
	return now.GetOpenDeadLetters(), err
}
