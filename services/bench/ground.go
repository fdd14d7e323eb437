package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// ground is a service of its own with data of its own, for what must not be in the way of other rows.
type ground struct {
	b       *bench
	data    string
	server  *server // nil while it is stopped
	stocker stocker
}

// newGround stops the other services and starts one with no data.
func newGround(ctx context.Context, b *bench, name string) (*ground, error) {
	if err := b.stopOthers(); err != nil {
		return nil, err
	}
	g := &ground{b: b, data: filepath.Join(b.dir, name), stocker: stocker{now: countedAt(time.Now())}}
	return g, g.start(ctx)
}

// stopOthers stops what would take from a service that is measured by itself.
func (b *bench) stopOthers() error {
	err := b.stopServer()
	if b.scale != nil && b.scale.ground != nil {
		err = errors.Join(err, b.scale.stop())
	}
	return err
}

// start starts the service, and waits until it answers.
func (g *ground) start(ctx context.Context) (err error) {
	if g.server, err = startServer(ctx, g.b.programs, g.data, filepath.Join(g.b.dir, "serve.log"), true); err != nil {
		return err
	}
	g.stocker.cc = g.server.typed()
	return nil
}

// stop stops the service, if it runs.
func (g *ground) stop() error {
	s := g.server
	if g.server = nil; s == nil {
		return nil
	}
	g.b.peakMemory = max(g.b.peakMemory, peakMemory(s.pid()))
	return s.close()
}

// close stops the service and removes its data.
func (g *ground) close() error { return errors.Join(g.stop(), os.RemoveAll(g.data)) }

// define puts locations, and channels that sell from all of them.
func (g *ground) define(ctx context.Context, locations []string, channels []string) error {
	policy := pb.NewPolicyServiceClient(g.server.typed())
	err := parallel(ctx, len(locations), func(ctx context.Context, i int) error {
		_, err := policy.PutLocation(ctx, &pb.PutLocationRequest{Location: &pb.Location{LocationId: locations[i], Kind: "store"}})
		if err != nil {
			return fmt.Errorf("put location %q: %w", locations[i], err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return g.defineChannels(ctx, locations, channels, nil)
}

// defineChannels puts channels that sell from all of some locations, and keep back what buffers say.
func (g *ground) defineChannels(ctx context.Context, locations, channels []string, buffers map[string]int64) error {
	policy := pb.NewPolicyServiceClient(g.server.typed())
	for _, id := range channels {
		if _, err := policy.PutChannel(ctx, &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: id, Buffer: buffers[id], Sourcing: locations}}); err != nil {
			return fmt.Errorf("put channel %q: %w", id, err)
		}
	}
	return nil
}

// count puts units of each of goods at locations.
func (g *ground) count(ctx context.Context, x *goods, units int64, locations []string) error {
	var all []*pb.Movement
	for i, sku := range x.skus {
		for _, l := range locations {
			all = append(all, g.stocker.counted(sku, l, units))
			x.units[i] += units
		}
	}
	return g.stocker.record(ctx, all)
}

// receive adds n receipts of one unit to the i-th of goods.
func (g *ground) receive(ctx context.Context, x *goods, i, n int, location string) error {
	const atOnce = 50 * movementBatch // in memory
	for n > 0 {
		all := make([]*pb.Movement, min(n, atOnce))
		for j := range all {
			all[j] = g.stocker.received(x.skus[i], location, 1)
		}
		if err := g.stocker.record(ctx, all); err != nil {
			return err
		}
		n -= len(all)
		x.units[i] += int64(len(all))
	}
	return nil
}

// checkSums compares what is available and reserved of all goods with the bench's own sums.
func (g *ground) checkSums(ctx context.Context, all []*goods, location string) error {
	token, err := g.stocker.sentinel(ctx, location)
	if err != nil {
		return err
	}
	for _, x := range all {
		if err := x.check(ctx, g.server.typed(), token); err != nil {
			return err
		}
		if err := x.checkAll(ctx, g.server.typed(), len(x.skus), channels[webChannel].id, token); err != nil {
			return err
		}
	}
	return nil
}

// names are n of them, with a number each.
func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(prefix, i)
	}
	return all
}
