package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	tree "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// storedPage is how many events are asked for at once.
const storedPage = 1000

// verifyService verifies what the service lists. The position of the newest recorded head is read first: what comes later is
// verified as far as it is listed.
func (c *verifyCmd) verifyService(ctx context.Context, history pb.HistoryServiceClient, std streams) error {
	newest, err := history.GetTreeHead(ctx, &pb.GetTreeHeadRequest{})
	if status.Code(err) != codes.NotFound && err != nil {
		return err
	}
	head := newest.GetHead()
	key := c.Key
	if key == "" {
		key = head.GetVerifierKey()
	}
	v := audit.NewVerifier(key)
	if c.SKU == "" {
		if err := c.expect(v); err != nil {
			return err
		}
		if err := v.ExpectRecorded(ctx, listed{history}, head.GetPosition()+maxPosition); err != nil {
			return err
		}
	}
	add, done := progress(std.err).Stage("verify", int(head.GetTreeSize()))
	err = list(ctx, history, &pb.ListStoredEventsRequest{Sku: c.SKU}, func(r *aggregates.Record) error {
		add(1)
		return v.Add(r)
	})
	done()
	if err == nil {
		err = v.End()
	}
	if err != nil {
		return err
	}
	return c.conclude(std.out, v)
}

// maxPosition is beyond every position: heads that are listed later than they are asked for do no harm, since events are listed after them.
const maxPosition = 1 << 62

// list calls each with all events that are listed.
func list(ctx context.Context, history pb.HistoryServiceClient, ask *pb.ListStoredEventsRequest, each func(*aggregates.Record) error) error {
	for ask.PageSize = storedPage; ; {
		page, err := history.ListStoredEvents(ctx, ask)
		if err != nil {
			return err
		}
		for _, x := range page.Events {
			r, err := codec.ParseLeaf(x.Leaf)
			if err != nil {
				return fmt.Errorf("after position %d: %w", x.Event.GetPosition(), err)
			}
			r.Position = x.Event.GetPosition()
			if err := each(&r); err != nil {
				return err
			}
		}
		if ask.PageToken = page.NextPageToken; ask.PageToken == "" {
			return nil
		}
	}
}

// listed reads a stream through the service.
type listed struct{ history pb.HistoryServiceClient }

var errEnough = errors.New("enough")

// ReadStream reads from the beginning.
func (l listed) ReadStream(ctx context.Context, stream string, _ uint64, each func(aggregates.Record) bool) error {
	err := list(ctx, l.history, &pb.ListStoredEventsRequest{Stream: stream}, func(r *aggregates.Record) error {
		if !each(*r) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// verifyData verifies the events of a service that is stopped.
func (c *verifyCmd) verifyData(ctx context.Context, std streams, log *slog.Logger) error {
	dir := filepath.Join(c.Data, node.EventsFolder)
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("there are no events to verify: %w; name the data directory of a service with --offline", err)
	}
	store, err := pebble.Open(dir, pebble.Options{Log: log})
	if err != nil {
		return err
	}
	defer store.Close()
	v := audit.NewVerifier(c.Key)
	if c.Key == "" {
		if key, err := audit.ReadKey(filepath.Join(c.Data, node.KeyFile), store.ID(), false); err == nil {
			v = audit.NewVerifier(key.String())
		}
	}
	v.Gapless = true
	if err := c.expect(v); err != nil {
		return err
	}
	closeViews := c.witness(ctx, v, log)
	defer closeViews()
	if c.SKU != "" {
		return c.verifyStream(ctx, store, v, std.out)
	}
	end, err := store.End(ctx)
	if err != nil {
		return err
	}
	add, done := progress(std.err).Stage("verify", int(end))
	last := uint64(0)
	err = audit.VerifyStore(ctx, store, v, func(position, _ uint64) { add(int(position - last)); last = position })
	done()
	if err != nil {
		return err
	}
	return c.conclude(std.out, v)
}

// verifyStream verifies the seals of one SKU.
func (c *verifyCmd) verifyStream(ctx context.Context, store *pebble.Store, v *audit.Verifier, out io.Writer) error {
	v.Gapless, v.Witness = false, nil
	var bad error
	err := store.ReadStream(ctx, aggregates.SKUPrefix+c.SKU, 0, func(r aggregates.Record) bool {
		bad = v.Add(&r)
		return bad == nil
	})
	if err = errors.Join(bad, err); err != nil {
		return err
	}
	return c.conclude(out, v)
}

// witness has the read models tell which event stood where, as far as they remember.
func (c *verifyCmd) witness(ctx context.Context, v *audit.Verifier, log *slog.Logger) (closing func()) {
	dir := filepath.Join(c.Data, node.ViewsFolder)
	if _, err := os.Stat(dir); err != nil {
		return func() {}
	}
	db, err := views.Open(dir, views.Options{Log: log})
	if err != nil {
		log.Warn("read models are not asked which event stood where", "error", err)
		return func() {}
	}
	v.Witness = tree.Witness(ctx, db.Audit())
	return func() { _ = db.Close() }
}
