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
	slowIngest = 40_000
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
	tills, used, beside := newTills(b.catalogue), meter{}, b.beside()
	for round := 1; round <= b.loadRounds; round++ {
		if _, err := b.serve(ctx, false); err != nil {
			return err
		}
		spans, err := b.publishSales(ctx, tills)
		if err != nil {
			return err
		}
		bare, err := readAndDiscard(ctx, b.broker(), spans)
		if err != nil {
			return err
		}
		var rate float64
		_, err = beside.around(func() (n int64, err error) {
			rate, err = b.takeIn(ctx, spans)
			return int64(b.published()), err
		})
		if err != nil {
			return err
		}
		used.add(b.server.pid(), int64(b.published()))
		f.Rounds = append(f.Rounds, newRound(rate, float64(b.published())/bare.Seconds()))
		b.say("  round %d of %d: %s lines/s", round, b.loadRounds, amount(rate))
	}
	f.CPU = &CPU{Service: used.perCall(), Others: beside.perCall()}
	f.note("%s lines a round after %s to warm up, in baskets of %.1f on average", grouped(int64(b.ingestLines)),
		grouped(int64(b.published()-b.ingestLines)), float64(b.published()*b.loadRounds)/float64(tills.last))
	return nil
}

// published is how many lines are published in a round.
func (e effort) published() int { return e.ingestLines + int(warmUpPart*float64(e.ingestLines)) }

// publishSales makes one round's sales and publishes them.
func (b *bench) publishSales(ctx context.Context, t *tills) ([]span, error) {
	all, err := messages(t.sell(b.published()), time.Now())
	if err != nil {
		return nil, err
	}
	b.say("  publishing %s sales", grouped(int64(len(all))))
	return publish(ctx, b.broker(), all)
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
	work, counted := stretch{started: s.started}, b.linesCounted(spans, before.StorePosition)
	err = s.await(ctx, ingestTimeout, "all sales are readable", func(now *pb.GetStatusResponse) bool {
		work.see(time.Now(), counted(now))
		return takenIn(now, spans) && position(now, availabilityProjection) >= now.StorePosition
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

// linesCounted returns what tells how much of what is counted is done: readable lines beyond those to warm up or, where positions of the store do
// not count events, messages that are taken in beyond as many.
func (b *bench) linesCounted(spans []span, before uint64) func(*pb.GetStatusResponse) uint64 {
	if b.cluster == nil {
		uncounted := before + uint64(b.published()-b.ingestLines)
		return func(now *pb.GetStatusResponse) uint64 {
			at := position(now, availabilityProjection)
			return at - min(at, uncounted) // every line is an event
		}
	}
	published := uint64(0)
	for _, s := range spans {
		published += uint64(s.until - s.from)
	}
	uncounted := published * uint64(b.published()-b.ingestLines) / uint64(b.published())
	return func(now *pb.GetStatusResponse) uint64 {
		taken := messagesTaken(now, spans)
		return taken - min(taken, uncounted)
	}
}

// messagesTaken is how many messages of the spans were taken in.
func messagesTaken(now *pb.GetStatusResponse, spans []span) (n uint64) {
	next := nextOffsets(now)
	for _, s := range spans {
		n += uint64(max(0, next[s.partition]-s.from))
	}
	return n
}

// nextOffsets are the offsets up to which sales are taken in, by partition.
func nextOffsets(now *pb.GetStatusResponse) map[int]int64 {
	next := map[int]int64{}
	for _, p := range now.Partitions {
		if p.Topic == salesTopic {
			next[int(p.Partition)] = p.NextOffset
		}
	}
	return next
}

// takenIn tells whether every partition was taken in up to the end of its span.
func takenIn(now *pb.GetStatusResponse, spans []span) bool {
	next := nextOffsets(now)
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
