package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const (
	remoteInFlight = 64
	remoteSKUs     = 5_000 // of the catalogue, at most: what is counted goes over the event store's protocol
	remotePart     = 8     // of the lines of an embedded round one in so many
	remoteRounds   = 3     // of ingest, at most

	// Rates that the estimate reckons with.
	slowRemote       = 3_000            // movements/s, and lines/s
	clusterTakes     = 10 * time.Second // to start
	remoteRoundTakes = 6 * time.Second  // beside the lines: the service is started twice
)

// The service with an event store behind EventStoreDB's protocol, Redis and Kafka as processes of their own, on the same two cores as all else. These
// rows are for what the hops cost; where each has a machine of its own, they have those too.
var remoteReserveRow = Row{
	Name: "remote-reserve", Title: fmt.Sprintf("Reserve, durable, stores as processes of their own, %s SKUs, %d in flight", grouped(reserveSKUs), remoteInFlight),
	Unit: "calls/s", Baseline: echoBaseline, long: true,
	takes: func(e effort) time.Duration {
		stock := (min(e.skus, remoteSKUs) + reserveSKUs + hotSKUs) * shelvesPerSKU
		return clusterTakes + time.Duration(stock)*time.Second/slowRemote + duelTakes(e) + time.Duration(e.rounds)*e.window + hopsTake(e)
	},
	measure: measureRemoteReserve,
}

var remoteReadableRow = Row{
	Name: "remote-readable", Title: "Commit to readable, p50, stores as processes of their own, at half of their highest Reserve rate",
	Unit: "ms", Baseline: "plain Get", Target: &Target{P99: 20}, long: true,
	takes: func(e effort) time.Duration { return readableRow.takes(e) + hopsTake(e) },
	measure: func(ctx context.Context, b *bench, f *Figure) error {
		far, err := b.remote(ctx, f)
		if err != nil {
			return err
		}
		if far.cluster.noRedis {
			f.Target = nil // it is about Redis
		}
		if err := readableRow.measure(ctx, far, f); err != nil {
			return err
		}
		return measureHops(ctx, far, f)
	},
}

var remoteIngestRow = Row{
	Name: "remote-ingest", Title: "Ingest, Kafka to durable and readable, stores as processes of their own", Unit: "lines/s", Baseline: "kafka-go reading", long: true,
	takes: func(e effort) time.Duration {
		r := e.remote()
		return time.Duration(r.loadRounds)*(remoteRoundTakes+time.Duration(r.published())*time.Second/slowRemote) + hopsTake(e)
	},
	measure: func(ctx context.Context, b *bench, f *Figure) error {
		far, err := b.remote(ctx, f)
		if err != nil {
			return err
		}
		if err := measureIngest(ctx, far, f); err != nil {
			return err
		}
		return measureHops(ctx, far, f)
	},
}

// hopsTake is how long the hops of a row take.
func hopsTake(e effort) time.Duration {
	const members = 3
	return time.Duration(e.rounds) * members * min(hopWindow, e.window)
}

// remote is how much of an effort is done with the stores elsewhere.
func (e effort) remote() effort {
	e.skus = min(e.skus, remoteSKUs)
	e.ingestLines = max(MinLines, e.ingestLines/remotePart)
	e.loadRounds = min(e.loadRounds, remoteRounds)
	return e
}

// remote returns the bench of a service whose stores are processes of their own, with stock and sums of its own; it notes what they are.
func (b *bench) remote(ctx context.Context, f *Figure) (*bench, error) {
	if b.far == nil {
		dir := filepath.Join(b.dir, "cluster")
		c, err := b.startCluster(ctx, dir)
		if err != nil {
			return nil, err
		}
		b.far = newFar(b, c, dir)
		if err := b.far.mustBeNew(ctx); err != nil {
			return nil, err
		}
	}
	f.Notes = append(f.Notes, b.far.cluster.notes...)
	return b.far, nil
}

func newFar(b *bench, c *cluster, dir string) *bench {
	far := &bench{effort: b.effort.remote(), programs: b.programs, dir: dir, progress: b.progress, echo: b.echo, cluster: c}
	far.programs.Stores = c.Stores
	far.catalogue = newCatalogue(far.skus)
	far.reserved, far.hot = newLedger(far.catalogue.reserve), newLedger(far.catalogue.hot)
	return far
}

// mustBeNew refuses an event store that was given and holds what an earlier run reserved: sums would not agree.
func (b *bench) mustBeNew(ctx context.Context) error {
	s, err := b.serve(ctx, true)
	if err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	got, err := pb.NewStockServiceClient(s.typed()).GetStock(ctx, &pb.GetStockRequest{Sku: b.catalogue.reserve[0]})
	switch {
	case status.Code(err) == codes.NotFound: // nobody has heard of it
		return nil
	case err == nil && len(got.GetStock().GetLocations()) > 0:
		return errors.New("the event store holds events of an earlier run: give it an empty one")
	}
	return err
}

// measureRemoteReserve reserves in turns with the echo and with the service that has its stores within its process.
func measureRemoteReserve(ctx context.Context, b *bench, f *Figure) error {
	far, err := b.remote(ctx, f)
	if err != nil {
		return err
	}
	near, err := b.stocked(ctx)
	if err != nil {
		return err
	}
	embedded := embeddedReserve(b, near)
	if _, err := embedded(ctx, b.warmUp); err != nil {
		return err
	}
	f.Against = []Against{{Name: "the same, embedded,"}}
	x := newReservations(far)
	if err := measureReserve(ctx, far, f, duel{inFlight: remoteInFlight, calls: x.many, rival: embedded}); err != nil {
		return err
	}
	return errors.Join(b.checkReserved(ctx), measureHops(ctx, far, f))
}

// embeddedReserve does the same as the row, with the service that has its stores within its process.
func embeddedReserve(b *bench, s *server) func(ctx context.Context, window time.Duration) (rate float64, err error) {
	x, round := newReservations(b), 0
	return func(ctx context.Context, window time.Duration) (float64, error) {
		round++
		seen, err := drive(ctx, remoteInFlight, window, func(w int) call { return x.many(s.wire(w), round, w) })
		if err != nil {
			return 0, err
		}
		return seen.rate(), s.settle(ctx)
	}
}
