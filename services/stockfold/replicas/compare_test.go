package replicas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// tally counts comparisons, and those that did not hold.
type tally struct {
	what          string
	made, differs int
}

func (y *tally) compare(x *run, same bool, format string, args ...any) {
	if y.made++; !same {
		if y.differs++; y.differs <= 5 {
			x.t.Errorf(y.what+": "+format, args...)
		}
	}
}

// settle waits until everything that was acknowledged is recorded and every hold that ends has ended; what does not come
// is lost.
func (x *run) settle(ctx context.Context) map[string][]*pb.Event {
	histories := map[string][]*pb.Event{}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, sku := range x.sold() {
		await(limited, func() bool {
			histories[sku] = x.history(ctx, x.cluster.replicas[0], sku)
			there := newNaive()
			for _, e := range histories[sku] {
				there.fold(e)
			}
			for _, f := range x.ledger.facts {
				if f.sku == sku && f.told == acknowledged && there.applied["told "+f.id] == 0 {
					return false
				}
			}
			for _, c := range x.ledger.carts {
				if c.sku == sku && c.lapses && c.placed == acknowledged && there.applied["expired "+c.id] == 0 {
					return false
				}
			}
			return true
		})
	}
	return histories
}

// await looks until something is true, or ctx ends: then it is counted as lost.
func await(ctx context.Context, is func() bool) {
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for !is() {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// sold lists every SKU of the ledger.
func (x *run) sold() (list []string) {
	seen := map[string]bool{}
	for _, f := range x.ledger.facts {
		if !seen[f.sku] {
			seen[f.sku] = true
			list = append(list, f.sku)
		}
	}
	return list
}

// compare compares the ledger, the histories, what every replica answers, what Redis holds, a fresh fold and what was
// published.
func (x *run) compare(ctx context.Context, histories map[string][]*pb.Event, a *audit) []*tally {
	all := []*tally{x.compareHistories(ctx, histories)}
	wanted := x.ledger.shelves()
	balances := &tally{what: "balances of the ledger and the history"}
	for where, want := range wanted {
		got := a.model[where.sku].at(where.location)
		balances.compare(x, got == want, "%v: the history has %+v, the ledger %+v", where, got, want)
	}
	all = append(all, balances)
	for _, r := range x.cluster.replicas {
		all = append(all, x.compareAnswers(ctx, r, histories, wanted, "of "+r.name))
	}
	all = append(all, x.compareFresh(ctx, histories, wanted)...)
	letters := &tally{what: "dead letters"}
	now, err := x.cluster.replicas[0].operations.GetStatus(ctx, &pb.GetStatusRequest{})
	letters.compare(x, err == nil && now.OpenDeadLetters == 0, "%v, %v", now, err)
	all = append(all, letters)
	publish := &tally{what: "values last published"}
	for sku := range histories {
		want := wanted[place{sku, warehouse}]
		x.awaitPublished(ctx, x.cluster.replicas[0], sku)
		got := x.published.of(sku, web)
		publish.compare(x, got.ats == ats(want), "%s: %+v, the ledger has %+v", sku, got, want)
	}
	return append(all, publish)
}

func ats(s shelf) int64 { return max(0, s.onHand-s.reserved) }

// compareHistories compares what the replicas tell of the past.
func (x *run) compareHistories(ctx context.Context, histories map[string][]*pb.Event) *tally {
	y := &tally{what: "histories of the replicas"}
	for sku, want := range histories {
		for _, r := range x.cluster.replicas {
			got := x.history(ctx, r, sku)
			same := len(got) == len(want)
			for i := 0; same && i < len(want); i++ {
				same = proto.Equal(got[i], want[i])
			}
			y.compare(x, same, "%s tells another one of %s", r.name, sku)
		}
	}
	return y
}

// compareAnswers compares what a replica answers with the ledger.
func (x *run) compareAnswers(ctx context.Context, r *replica, histories map[string][]*pb.Event, wanted map[place]shelf, whose string) *tally {
	y := &tally{what: "answers " + whose}
	for sku, events := range histories {
		x.awaitVisible(ctx, []*replica{r}, sku, events[len(events)-1].Position)
		for channel, location := range map[string]string{web: warehouse, till: store} {
			for _, how := range []pb.Consistency{pb.Consistency_CONSISTENCY_UNSPECIFIED, pb.Consistency_CONSISTENCY_STRONG} {
				got, err := r.availability.GetAvailability(ctx, &pb.GetAvailabilityRequest{Sku: sku, Channel: channel, Consistency: how})
				want := ats(wanted[place{sku, location}])
				y.compare(x, err == nil && got.Availability.Ats == want, "%s on %s, %s: %v, %v; the ledger has %d", sku, channel, how, got, err, want)
			}
		}
		got, err := r.stock.GetStock(ctx, &pb.GetStockRequest{Sku: sku})
		for _, l := range got.GetStock().GetLocations() {
			want := wanted[place{sku, l.Location}]
			y.compare(x, err == nil && want == shelf{l.Sellable, l.Reserved}, "%s: %v; the ledger has %+v", sku, l, want)
		}
	}
	for _, c := range x.ledger.carts {
		if c.placed != acknowledged {
			continue
		}
		got, err := r.reservations.GetReservation(ctx, &pb.GetReservationRequest{ReservationId: c.id})
		y.compare(x, err == nil && got.Reservation.Status == c.status(), "%s is %v, %v; want %s", c.id, got, err, c.status())
	}
	return y
}

// status is what must have become of a cart.
func (c *cart) status() pb.ReservationStatus {
	switch {
	case c.lapses:
		return pb.ReservationStatus_RESERVATION_STATUS_EXPIRED
	case c.fulfilled == acknowledged:
		return pb.ReservationStatus_RESERVATION_STATUS_FULFILLED
	case c.released == acknowledged:
		return pb.ReservationStatus_RESERVATION_STATUS_RELEASED
	case c.confirmed == acknowledged:
		return pb.ReservationStatus_RESERVATION_STATUS_CONFIRMED
	}
	return pb.ReservationStatus_RESERVATION_STATUS_HELD
}

// compareFresh has a new process without Redis fold everything from the start, and compares its answers with the ledger,
// and byte by byte its documents with those in Redis.
func (x *run) compareFresh(ctx context.Context, histories map[string][]*pb.Event, wanted map[place]shelf) []*tally {
	fresh := x.cluster.prepare(x.cluster.store.path, "--roles", "api,project")
	fresh.name = "a fresh fold"
	fresh.start()
	fresh.awaitReady(ctx)
	answers := x.compareAnswers(ctx, fresh, histories, wanted, "of "+fresh.name)
	fresh.stop()
	documents := &tally{what: "documents in Redis and of a fresh fold"}
	events, err := eventstoredb.Open(ctx, x.cluster.storeURL, eventstoredb.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		x.t.Fatal(err)
	}
	defer events.Close()
	db, err := views.Open(filepath.Join(fresh.data, node.ViewsFolder), views.Options{StoreID: events.ID(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		x.t.Fatal(err)
	}
	defer db.Close()
	redis := goredis.NewClient(&goredis.Options{Addr: x.cluster.redis.Addr()})
	defer redis.Close()
	for sku := range histories {
		err := sameDocument(ctx, db.Availability(), redis, sku)
		documents.compare(x, err == nil, "%s: %v", sku, err)
	}
	return []*tally{answers, documents}
}

// sameDocument compares a document with the one in Redis, and with what is written beside it for other programs.
func sameDocument(ctx context.Context, model *views.Availability, redis *goredis.Client, sku string) error {
	d, err := model.Read(ctx, sku)
	if err != nil {
		return err
	}
	if d == nil {
		return errors.New("a fresh fold does not have it")
	}
	var encoder availability.Encoder
	want, err := encoder.Append(nil, d)
	if err != nil {
		return err
	}
	got, err := redis.Get(ctx, "stockfold:document:{"+sku+"}").Bytes()
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("Redis has %x, a fresh fold %x", got, want)
	}
	fields, err := redis.HGetAll(ctx, "stockfold:sku:{"+sku+"}").Result()
	if err != nil {
		return err
	}
	for _, c := range d.Channels() {
		if n, err := strconv.ParseInt(fields["ats:"+c.Channel], 10, 64); err != nil || n != c.ATS {
			return fmt.Errorf("other programs read %v, a fresh fold has %+v", fields, c)
		}
	}
	return nil
}
