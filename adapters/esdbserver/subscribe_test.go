package esdbserver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/adapters/esdbserver"
)

// told takes what a subscription says and writes it down: "a/3" for an event, "at 9" for a checkpoint, "live".
func (w *world) told(sub *esdb.Subscription, count int) string {
	w.Helper()
	var list []string
	for range count {
		switch e := sub.Recv(); {
		case e.EventAppeared != nil:
			list = append(list, fmt.Sprintf("%s/%d", e.EventAppeared.Event.StreamID, e.EventAppeared.Event.EventNumber))
		case e.CheckPointReached != nil:
			list = append(list, fmt.Sprintf("at %d", e.CheckPointReached.Commit))
		case e.CaughtUp != nil:
			list = append(list, "live")
		case e.SubscriptionDropped != nil:
			w.Fatalf("dropped after %v: %v", list, e.SubscriptionDropped.Error)
		}
	}
	return strings.Join(list, " ")
}

func (w *world) says(sub *esdb.Subscription, want string) {
	w.Helper()
	if got := w.told(sub, len(strings.Split(strings.ReplaceAll(want, "at ", "at"), " "))); got != want {
		w.Fatalf("got  %s\nwant %s", got, want)
	}
}

func (w *world) subscribe(sub *esdb.Subscription, err error) *esdb.Subscription {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { sub.Close() })
	return sub
}

func TestSubscriptionsToAStream(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.append("a", esdb.NoStream{}, notes(0, 3)...)
	w.append("ab", esdb.NoStream{}, notes(0, 3)...)
	to := func(stream string, from esdb.StreamPosition) *esdb.Subscription {
		return w.subscribe(w.client.SubscribeToStream(w.ctx, stream, esdb.SubscribeToStreamOptions{From: from}))
	}
	start, second, end, none := to("a", esdb.Start{}), to("a", esdb.Revision(1)), to("a", esdb.End{}), to("none", esdb.Start{})
	w.says(start, "a/0 a/1 a/2 live")
	w.says(second, "a/2 live")
	w.says(end, "live")
	w.says(none, "live")
	w.append("ab", esdb.Any{}, note(3))
	w.append("a", esdb.Any{}, notes(3, 2)...)
	w.append("none", esdb.Any{}, note(0))
	for _, sub := range []*esdb.Subscription{start, second, end} {
		w.says(sub, "a/3 a/4")
	}
	w.says(none, "none/0")
}

func TestSubscriptionsToEverything(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.append("a", esdb.NoStream{}, notes(0, 2)...)
	w.append("b", esdb.NoStream{}, note(0))
	to := func(from esdb.AllPosition) *esdb.Subscription {
		return w.subscribe(w.client.SubscribeToAll(w.ctx, esdb.SubscribeToAllOptions{From: from}))
	}
	start, second, end := to(esdb.Start{}), to(esdb.Position{Commit: 2, Prepare: 2}), to(esdb.End{})
	w.says(start, "a/0 a/1 b/0 live")
	w.says(second, "b/0 live")
	w.says(end, "live")
	w.append("a", esdb.Any{}, note(2))
	for _, sub := range []*esdb.Subscription{start, second, end} {
		w.says(sub, "a/2")
	}
}

func TestFilteredSubscriptions(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.sell("sku-a", 0, 1)
	w.append("notes-1", esdb.NoStream{}, note(0))
	w.sell("sku-b", 0, 1)
	w.append("$$x", esdb.NoStream{}, esdb.EventData{EventType: "$metadata", ContentType: esdb.ContentTypeJson, Data: []byte(`{}`)})
	for name, x := range map[string]struct {
		filter esdb.SubscriptionFilter
		want   string
	}{
		"prefix of streams":            {esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"sku-"}}, "sku-a/0 sku-b/0"},
		"several prefixes":             {esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"sku-b", "notes"}}, "notes-1/0 sku-b/0"},
		"expression of streams":        {esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Regex: "-[a1]$"}, "sku-a/0 notes-1/0"},
		"prefix of types":              {esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: []string{"Note"}}, "notes-1/0"},
		"expression of types":          {esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: "^Stock(Sold|Counted)$"}, "sku-a/0 sku-b/0"},
		"no system events":             {*esdb.ExcludeSystemEventsFilter(), "sku-a/0 notes-1/0 sku-b/0"},
		"no system events, in another": {esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: `^(?!(\$.+$|PersistentConfig\d+$|Result$))`}, "sku-a/0 notes-1/0 sku-b/0"},
	} {
		t.Run(name, func(t *testing.T) {
			sub := w.subscribe(w.client.SubscribeToAll(w.ctx, esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: &x.filter}))
			w.says(sub, x.want+" at 4 live")
		})
	}
}

func TestFiltersThatCannotBe(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	for name, x := range map[string]struct {
		filter esdb.SubscriptionFilter
		gap    int
		code   codes.Code
	}{
		"looks ahead":           {esdb.SubscriptionFilter{Regex: "a(?=b)"}, 1, codes.Unimplemented},
		"looks ahead elsewhere": {esdb.SubscriptionFilter{Regex: "^(?!(a))b(c)"}, 1, codes.Unimplemented},
		"refers back":           {esdb.SubscriptionFilter{Regex: `(a)\1`}, 1, codes.Unimplemented},
		"very long":             {esdb.SubscriptionFilter{Regex: strings.Repeat("a", esdbserver.MaxRegexBytes+1)}, 1, codes.InvalidArgument},
		"many prefixes":         {esdb.SubscriptionFilter{Prefixes: make([]string, esdbserver.MaxPrefixes+1)}, 1, codes.InvalidArgument},
		"rare checkpoints":      {esdb.SubscriptionFilter{Prefixes: []string{"a"}}, 1 << 30, codes.InvalidArgument},
	} {
		_, err := w.client.SubscribeToAll(w.ctx, esdb.SubscribeToAllOptions{Filter: &x.filter, CheckpointInterval: x.gap})
		var e *esdb.Error
		if !errors.As(err, &e) || status.Code(e.Err()) != x.code {
			t.Errorf("%s: got %v, want %v", name, err, x.code)
		}
	}
}

// A client whose filter lets little pass hears now and then how far it has come.
func TestCheckpoints(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.sell("sku-a", 0, 10)
	sub := w.subscribe(w.client.SubscribeToAll(w.ctx, esdb.SubscribeToAllOptions{From: esdb.Start{}, MaxSearchWindow: 4, CheckpointInterval: 2,
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"channel-"}}}))
	w.says(sub, "at 10 live")
	next, last := 10, uint64(10)
	for range 40 { // one by one, so that every eighth event is a checkpoint, however they are grouped
		w.sell("sku-a", next, 1)
		next++
	}
	for last < 46 {
		e := sub.Recv()
		if e.CheckPointReached == nil || e.CheckPointReached.Commit <= last || e.CheckPointReached.Commit-last > 48 {
			t.Fatalf("after a checkpoint at %d came %+v", last, e)
		}
		last = e.CheckPointReached.Commit
	}
	w.append("channel-x", esdb.NoStream{}, note(0))
	for {
		if e := sub.Recv(); e.EventAppeared != nil {
			if e.EventAppeared.Event.StreamID != "channel-x" {
				t.Errorf("got %+v", e.EventAppeared.Event)
			}
			break
		}
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	for n := 0; ; n++ {
		_, err := w.client.SubscribeToStream(ctx, "a", esdb.SubscribeToStreamOptions{})
		var e *esdb.Error
		if errors.As(err, &e) && status.Code(e.Err()) == codes.ResourceExhausted {
			if n != esdbserver.MaxSubscriptions {
				t.Errorf("refused after %d", n)
			}
			return
		}
		if err != nil || n > esdbserver.MaxSubscriptions {
			t.Fatalf("subscription %d: %v", n, err)
		}
	}
}

func TestShutdownEndsSubscriptions(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	sub := w.subscribe(w.client.SubscribeToAll(w.ctx, esdb.SubscribeToAllOptions{}))
	w.says(sub, "live")
	if err := w.server.Shutdown(w.ctx); err != nil {
		t.Fatal(err)
	}
	if e := sub.Recv(); e.SubscriptionDropped == nil || status.Code(e.SubscriptionDropped.Error) != codes.Unavailable {
		t.Errorf("got %+v", e)
	}
}
