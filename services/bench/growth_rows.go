package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// growthRow is a row of series: its figure is what the weakest point keeps.
func growthRow(name, of string, points func(e effort) []int, builds func(e effort) time.Duration,
	measure func(ctx context.Context, b *bench, f *Figure, sizes []int) error) Row {
	what := "Growth, Get and Reserve by " + of
	return Row{
		Name: name, Title: what, Unit: "of the best before", Target: &Target{Value: growthLeast}, long: true,
		takes: func(e effort) time.Duration {
			return 2*time.Second + builds(e) + growthTakes(e, len(points(e)))
		},
		measure: func(ctx context.Context, b *bench, f *Figure) error {
			sizes := points(b.effort)
			f.Title = fmt.Sprintf("%s, %s to %s", what, grouped(int64(sizes[0])), grouped(int64(sizes[len(sizes)-1])))
			return measure(ctx, b, f, sizes)
		},
	}
}

// Rates that estimates reckon with, per second.
const (
	slowRecording = 25_000 // movements
	slowHolding   = 60_000 // reservations in bulk
)

func recordingTakes(movements int) time.Duration {
	return time.Duration(movements) * time.Second / slowRecording
}

// onGround measures on a ground of its own, which is removed afterwards.
func onGround(ctx context.Context, b *bench, name string, measure func(ctx context.Context, g *ground) error) (err error) {
	g, err := newGround(ctx, b, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	ctx, unwatch := g.server.watch(ctx)
	defer unwatch()
	if err := measure(ctx, g); err != nil {
		return because(ctx, err)
	}
	return nil
}

// turns has SKUs of one size take turns: each is reserved so often before it is the next one's turn.
type turns struct {
	*goods
	each  int64
	calls atomic.Int64
}

// Each SKU of turns grows by no more than its own size again, or by leastEach: as many as may be in flight. How many there
// are is bounded by turnsMost events or holds, and by turnsAll SKUs.
const (
	leastEach = growthInFlight
	turnsMost = 40_000
	turnsAll  = 600
)

func newTurns(skus []string, size int) (*turns, []string) {
	n := min(max(turnsMost/size, 1), turnsAll, len(skus))
	return &turns{goods: newGoods(skus[:n:n]), each: max(int64(size), leastEach)}, skus[n:]
}

// point measures calls about SKUs that take turns.
func (t *turns) point(b *bench, size int, what string) grown {
	x := newReservations(b)
	note := "one SKU, " + what
	if len(t.skus) > 1 {
		note = fmt.Sprintf("%d SKUs in turn, the next after %s reservations", len(t.skus), grouped(t.each))
	}
	return grown{x: float64(size), inFlight: growthInFlight, note: note, calls: map[string]func(*wire, int, int) call{
		getCalls: func(w *wire, round, worker int) call {
			turn := start(round, worker)
			return t.get(w, func() (int, string) {
				turn++
				return turn % len(t.skus), channels[webChannel].id
			})
		},
		reserveCalls: func(w *wire, _, _ int) call {
			return x.reserve(w, t.ledger, func() int { return int((t.calls.Add(1) - 1) / t.each % int64(len(t.skus))) }, nil)
		},
	}}
}

// growthSKUs are ids for those of growth.
func growthSKUs(n int) []string { return productIDs(rand.New(rand.NewPCG(seed, 6)), n) }

var growthStreamRow = growthRow("growth-stream", "events in the SKU's stream",
	func(e effort) []int { return e.streams },
	func(e effort) time.Duration { return recordingTakes(e.streams[len(e.streams)-1] * 5 / 4) },
	func(ctx context.Context, b *bench, f *Figure, sizes []int) error {
		return measureSizes(ctx, b, f, sizes, "events", 1, func(ctx context.Context, g *ground, t *turns, size int) error {
			for i := range t.skus {
				if err := g.receive(ctx, t.goods, i, size-1, "store-0"); err != nil {
					return err
				}
			}
			return nil
		})
	})

var growthHoldsRow = growthRow("growth-holds", "holds on the SKU",
	func(e effort) []int { return e.holds },
	func(e effort) time.Duration {
		return time.Duration(2*e.holds[len(e.holds)-1]) * time.Second / slowHolding
	},
	func(ctx context.Context, b *bench, f *Figure, sizes []int) error {
		return measureSizes(ctx, b, f, sizes, "holds", shelvesPerSKU, func(ctx context.Context, g *ground, t *turns, size int) error {
			for i := range t.skus {
				if err := t.hold(ctx, b, g.server.typed(), i, size); err != nil {
					return err
				}
			}
			return nil
		})
	})

// measureSizes measures SKUs of several sizes in one service. Each is counted at some locations before it is made as large
// as it is to be.
func measureSizes(ctx context.Context, b *bench, f *Figure, sizes []int, of string, locations int,
	build func(ctx context.Context, g *ground, t *turns, size int) error) error {
	return onGround(ctx, b, f.Row, func(ctx context.Context, g *ground) error {
		stores, skus := names("store-", locations), growthSKUs(turnsAll*len(sizes))
		if err := g.define(ctx, stores, []string{channels[webChannel].id}); err != nil {
			return err
		}
		var points []grown
		var all []*goods
		for _, size := range sizes {
			var t *turns
			t, skus = newTurns(skus, size)
			if err := g.count(ctx, t.goods, plenty, stores); err != nil {
				return err
			}
			if err := build(ctx, g, t, size); err != nil {
				return err
			}
			points, all = append(points, t.point(b, size, grouped(int64(size))+" "+of+" at first")), append(all, t.goods)
		}
		return measurePoints(ctx, g, f, of, points, all, stores[0])
	})
}

// measurePoints measures what was put in place, and checks the sums at the end.
func measurePoints(ctx context.Context, g *ground, f *Figure, of string, points []grown, all []*goods, location string) error {
	if err := g.server.settle(ctx); err != nil {
		return err
	}
	series := newGrowth(g.b, g.server, f, of)
	if err := series.measure(ctx, points); err != nil {
		return err
	}
	series.conclude()
	return g.checkSums(ctx, all, location)
}

// growthLocationsRow has SKUs lie at more and more of a channel's locations.
var growthLocationsRow = growthRow("growth-locations", "locations at which the SKU lies",
	func(e effort) []int { return e.locations },
	func(e effort) time.Duration {
		return recordingTakes(2*e.locations[len(e.locations)-1]) + time.Duration(e.locations[len(e.locations)-1])*time.Millisecond
	},
	func(ctx context.Context, b *bench, f *Figure, sizes []int) error {
		return onGround(ctx, b, f.Row, func(ctx context.Context, g *ground) error {
			stores, skus := names("store-", sizes[len(sizes)-1]), growthSKUs(len(sizes))
			if err := g.define(ctx, stores, []string{channels[webChannel].id}); err != nil {
				return err
			}
			f.note("the channel sells from %s locations", grouped(int64(len(stores))))
			var points []grown
			var all []*goods
			for i, size := range sizes {
				t, _ := newTurns(skus[i:i+1], size)
				if err := g.count(ctx, t.goods, plenty, stores[:size]); err != nil {
					return err
				}
				points, all = append(points, t.point(b, size, fmt.Sprintf("at %s of the channel's locations", grouped(int64(size))))), append(all, t.goods)
			}
			return measurePoints(ctx, g, f, "locations", points, all, stores[0])
		})
	})

// shop is a small retailer: SKUs asked for and reserved by demand.
type shop struct {
	*ground
	*goods
	reservations *reservations
	stores       []string
	channels     []string
}

// inShop measures in one that has the stock of reserveSKUs in place, and sells on one channel.
func inShop(ctx context.Context, b *bench, f *Figure, measure func(ctx context.Context, s *shop) error) error {
	return onGround(ctx, b, f.Row, func(ctx context.Context, g *ground) error {
		s := &shop{ground: g, goods: newGoods(growthSKUs(reserveSKUs)), reservations: newReservations(b), stores: names("store-", locationCount)}
		if err := g.define(ctx, s.stores, nil); err != nil {
			return err
		}
		if err := g.count(ctx, s.goods, plenty, s.stores[:shelvesPerSKU]); err != nil {
			return err
		}
		if err := s.sellOn(ctx, 1); err != nil {
			return err
		}
		return measure(ctx, s)
	})
}

// sellOn defines channels until there are n.
func (s *shop) sellOn(ctx context.Context, n int) error {
	all := append([]string{channels[webChannel].id}, names("channel-", n)...)[:n]
	more := all[len(s.channels):]
	s.channels = all
	if err := s.defineChannels(ctx, s.stores, more, nil); err != nil {
		return err
	}
	return s.server.settle(ctx)
}

// point measures calls about all SKUs, by demand; Gets are for any of the channels.
func (s *shop) point(x, inFlight int) grown {
	return grown{x: float64(x), inFlight: inFlight, calls: byDemand(s.goods, s.reservations, s.reservations.ranks, s.channels)}
}

// byDemand are Gets of goods on some channels, and reservations of them, in the order of ranks.
func byDemand(g *goods, x *reservations, ranks []int32, on []string) map[string]func(*wire, int, int) call {
	return map[string]func(*wire, int, int) call{
		getCalls: func(w *wire, round, worker int) call {
			turn := start(round, worker)
			return g.get(w, func() (int, string) {
				turn++
				return int(ranks[turn%len(ranks)]), on[turn%len(on)]
			})
		},
		reserveCalls: func(w *wire, round, worker int) call {
			turn := start(round, worker)
			return x.reserve(w, g.ledger, func() int {
				turn++
				return int(ranks[turn%len(ranks)])
			}, nil)
		},
	}
}

// growthChannelsRow has all SKUs sold on more and more channels, one after the other.
var growthChannelsRow = growthRow("growth-channels", "channels",
	func(e effort) []int { return e.channels },
	func(e effort) time.Duration { return time.Second },
	func(ctx context.Context, b *bench, f *Figure, sizes []int) error {
		return inShop(ctx, b, f, func(ctx context.Context, s *shop) error {
			series := newGrowth(b, s.server, f, "channels")
			for _, n := range sizes {
				if err := s.sellOn(ctx, n); err != nil {
					return err
				}
				if err := series.measure(ctx, []grown{s.point(n, growthInFlight)}); err != nil {
					return err
				}
			}
			series.conclude()
			f.note("%s SKUs by demand, each sold on every channel; Gets on all channels, reservations on one", grouped(reserveSKUs))
			return s.checkSums(ctx, []*goods{s.goods}, s.stores[0])
		})
	})

var growthCallersRow = growthRow("growth-callers", "calls in flight",
	func(e effort) []int { return e.callers },
	func(effort) time.Duration { return 2 * time.Second },
	func(ctx context.Context, b *bench, f *Figure, sizes []int) error {
		return inShop(ctx, b, f, func(ctx context.Context, s *shop) error {
			var points []grown
			for _, n := range sizes {
				points = append(points, s.point(n, n))
			}
			f.note("%s SKUs by demand, over %d connections; the echo has as many calls in flight", grouped(reserveSKUs), connections)
			return measurePoints(ctx, s.ground, f, "calls in flight", points, []*goods{s.goods}, s.stores[0])
		})
	})
