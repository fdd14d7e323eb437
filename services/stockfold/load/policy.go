package load

import (
	"context"
	"fmt"
	"slices"
	"sync"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// What the file's retailer looks like.
const (
	StoreChannel = "store" // sells from every store
	WebChannel   = "web"   // ships from the largest stores
	webStores    = 5
	webBuffer    = 2 // units of every SKU kept back from the web shop, for till sales that are still on their way
	storeKind    = "store"
	actor        = "stockfold load"
)

// Bounds of the calls made.
const (
	maxSourcing = 2_000 // locations a channel may sell from, by the contract
	pageSize    = 1_000
	maxInFlight = 64
)

// defineStores makes sure that every store of the file is a location. One that exists stays as it is.
func (l *loader) defineStores(ctx context.Context) (added int, err error) {
	known := map[string]bool{}
	err = pages(func(token string) (string, error) {
		page, err := l.policy.ListLocations(ctx, &pb.ListLocationsRequest{PageSize: pageSize, PageToken: token})
		for _, x := range page.GetLocations() {
			known[x.LocationId] = true
		}
		return page.GetNextPageToken(), err
	})
	if err != nil {
		return 0, fmt.Errorf("list locations: %w", err)
	}
	missing := slices.DeleteFunc(slices.Clone(l.survey.Stores), func(s Store) bool { return known[s.ID] })
	err = each(ctx, missing, func(ctx context.Context, s Store) error {
		_, err := l.policy.PutLocation(ctx, &pb.PutLocationRequest{Actor: actor,
			Location: &pb.Location{LocationId: s.ID, Name: "Store " + s.ID, Kind: storeKind, TimeZone: "UTC"}})
		if err != nil {
			return fmt.Errorf("put location %q: %w", s.ID, err)
		}
		return nil
	})
	return len(missing), err
}

// defineChannels makes sure that the store channel sells from every store of the file, and that there is a web
// channel.
func (l *loader) defineChannels(ctx context.Context) error {
	channels := map[string]*pb.Channel{}
	err := pages(func(token string) (string, error) {
		page, err := l.policy.ListChannels(ctx, &pb.ListChannelsRequest{PageSize: pageSize, PageToken: token})
		for _, x := range page.GetChannels() {
			channels[x.ChannelId] = x
		}
		return page.GetNextPageToken(), err
	})
	if err != nil {
		return fmt.Errorf("list channels: %w", err)
	}
	if err := l.putChannel(ctx, l.storeChannel(channels[StoreChannel])); err != nil {
		return err
	}
	if channels[WebChannel] != nil {
		return nil
	}
	largest := l.survey.Stores[:min(webStores, len(l.survey.Stores))]
	web := &pb.Channel{ChannelId: WebChannel, Name: "Web shop", Buffer: webBuffer}
	for _, s := range largest {
		web.Sourcing = append(web.Sourcing, s.ID)
	}
	return l.putChannel(ctx, web)
}

// storeChannel adds the file's stores to those the channel sells from, up to what a channel may have.
func (l *loader) storeChannel(c *pb.Channel) *pb.Channel {
	if c == nil {
		c = &pb.Channel{ChannelId: StoreChannel, Name: "Stores"}
	}
	known := map[string]bool{}
	for _, id := range c.Sourcing {
		known[id] = true
	}
	for _, s := range l.survey.Stores {
		if known[s.ID] {
			continue
		}
		if len(c.Sourcing) == maxSourcing {
			l.Log.Warn("a channel sells from a limited number of locations; the smallest stores are left out",
				"channel", StoreChannel, "limit", maxSourcing, "stores", len(l.survey.Stores))
			break
		}
		c.Sourcing = append(c.Sourcing, s.ID)
	}
	return c
}

func (l *loader) putChannel(ctx context.Context, c *pb.Channel) error {
	if _, err := l.policy.PutChannel(ctx, &pb.PutChannelRequest{Channel: c, Actor: actor}); err != nil {
		return fmt.Errorf("put channel %q: %w", c.ChannelId, err)
	}
	return nil
}

// registerItems registers the described items. One that has a name already stays as it is.
func (l *loader) registerItems(ctx context.Context, items []*pb.Item, done func(int)) (added int, err error) {
	named := map[string]bool{}
	err = pages(func(token string) (string, error) {
		page, err := l.policy.ListItems(ctx, &pb.ListItemsRequest{PageSize: pageSize, PageToken: token})
		for _, x := range page.GetItems() {
			if x.Name != "" {
				named[x.Sku] = true
			}
		}
		return page.GetNextPageToken(), err
	})
	if err != nil {
		return 0, fmt.Errorf("list items: %w", err)
	}
	missing := slices.DeleteFunc(slices.Clone(items), func(x *pb.Item) bool { return named[x.Sku] })
	done(len(items) - len(missing))
	err = each(ctx, missing, func(ctx context.Context, x *pb.Item) error {
		if _, err := l.policy.PutItem(ctx, &pb.PutItemRequest{Item: x, Actor: actor}); err != nil {
			return fmt.Errorf("put item %q: %w", x.Sku, err)
		}
		done(1)
		return nil
	})
	return len(missing), err
}

// pages calls get with the token of every page in turn.
func pages(get func(token string) (next string, err error)) error {
	for token := ""; ; {
		next, err := get(token)
		if err != nil || next == "" {
			return err
		}
		token = next
	}
}

// each calls do for every element, at most maxInFlight at once, until one fails or ctx ends. It returns the first
// error, after all calls have returned.
func each[T any](ctx context.Context, list []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var workers sync.WaitGroup
	for range min(maxInFlight, len(list)) {
		workers.Go(func() {
			for x := range queue {
				if err := do(ctx, x); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for _, x := range list {
		select {
		case queue <- x:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}
