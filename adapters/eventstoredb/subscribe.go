package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/stockfold/stockfold/projections"
)

var errSubscriptionClosed = errors.New("subscription is closed")

// maxRefusals is how often a server that answers otherwise may end a subscription at once before whoever reads it is told.
const maxRefusals = 8

// Subscribe is projections.Store's, a subscription to $all that the server filters by prefix. Whatever ends it there, it
// goes on after the last event that it received, until it or the store is closed. Without prefixes it leaves out the
// streams of the server itself and those beside events. The server tells now and then how far it has come; in between, the
// subscription looks for itself, so that it gets to the store's end also when nothing there is for it. A server that refuses
// it, for lack of rights for one, or that ends it again and again, ends it for good: Next says why, and whoever reads it may
// subscribe anew.
func (s *Store) Subscribe(ctx context.Context, after uint64, prefixes ...string) (projections.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.supervisor.closing.Err() != nil {
		return nil, errClosed
	}
	n := &subscription{store: s, queue: newQueue(after), prefixes: slices.Clone(prefixes), filter: newFilter(prefixes), gone: make(chan struct{}), hastened: make(chan struct{}, 1)}
	n.ctx, n.cancel = context.WithCancel(s.supervisor.closing)
	n.owned.Go(n.receive)
	n.owned.Go(n.lookAhead)
	return n, nil
}

// newFilter is the server's part of the filter: it lets everything pass that has one of the prefixes.
func newFilter(prefixes []string) *esdb.SubscriptionFilter {
	f := &esdb.SubscriptionFilter{Type: esdb.StreamFilterType}
	for _, p := range prefixes {
		text := escapePrefix(p)
		if text == "" {
			return nil
		}
		f.Prefixes = append(f.Prefixes, text)
	}
	if len(f.Prefixes) == 0 {
		return nil
	}
	return f
}

type subscription struct {
	store    *Store
	queue    *queue
	prefixes []string
	filter   *esdb.SubscriptionFilter
	ctx      context.Context // ends with the subscription
	cancel   context.CancelFunc
	owned    sync.WaitGroup
	accepted atomic.Bool // by the server, once at least
	refused  error       // why it ended for good; set before gone is closed
	gone     chan struct{}
	hastened chan struct{} // has a token when somebody waits
}

// Close ends the subscription.
func (n *subscription) Close() error {
	n.cancel()
	n.owned.Wait()
	return nil
}

// Next is projections.Subscription's.
func (n *subscription) Next(ctx context.Context) (projections.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return projections.Batch{}, err
		}
		if b, ok := n.queue.take(); ok {
			return b, nil
		}
		select {
		case <-n.queue.ready:
		case <-n.gone:
			return projections.Batch{}, n.refused
		case <-ctx.Done():
		case <-n.ctx.Done():
			if n.store.supervisor.closing.Err() != nil {
				return projections.Batch{}, errClosed
			}
			return projections.Batch{}, errSubscriptionClosed
		}
	}
}

// wants tells whether a stream is for this subscription.
func (n *subscription) wants(stream string) bool {
	if len(n.prefixes) == 0 {
		return !strings.HasPrefix(stream, "$") && !strings.HasPrefix(stream, ownPrefix)
	}
	return slices.ContainsFunc(n.prefixes, func(p string) bool { return strings.HasPrefix(stream, p) })
}

// receive follows the server, over one client after the other, until the server will not have it.
func (n *subscription) receive() {
	wait, refusals := minBackoff, 0
	for n.ctx.Err() == nil {
		g, err := n.store.supervisor.acquire(n.ctx)
		if err != nil {
			return
		}
		before := n.queue.at()
		err = n.follow(g)
		g.leave()
		if n.ctx.Err() != nil {
			return
		}
		n.store.opts.Log.Info("a subscription was interrupted and goes on", "prefixes", n.prefixes, "after", n.queue.at().Commit, "error", err)
		if g.ctx.Err() == nil && judge(err) == reconnect {
			g.retire()
		}
		if n.queue.at() != before {
			wait, refusals = minBackoff, 0
		}
		verdict := judge(err)
		if verdict != reconnect {
			refusals++
		}
		if verdict == giveUp || refusals == maxRefusals {
			n.refused = translate("subscribe to $all", err)
			close(n.gone)
			return
		}
		sleep(n.ctx, wait)
		wait = min(2*wait, maxBackoff)
	}
}

// follow receives over one client until that ends.
func (n *subscription) follow(g *generation) error {
	ctx, end := within(n.ctx, g.ctx)
	defer end()
	return guarded(func() error {
		sub, err := g.client.SubscribeToAll(ctx, n.options())
		if err != nil {
			return err
		}
		defer sub.Close()
		n.accepted.Store(true)
		for {
			switch e := sub.Recv(); {
			case e.SubscriptionDropped != nil:
				if e.SubscriptionDropped.Error == nil {
					return errLost
				}
				return e.SubscriptionDropped.Error
			case e.CheckPointReached != nil:
				n.queue.pass(*e.CheckPointReached)
			case e.EventAppeared != nil && e.EventAppeared.Event != nil:
				if err := n.accept(ctx, e.EventAppeared.Event); err != nil {
					return err
				}
			}
		}
	})
}

func (n *subscription) options() esdb.SubscribeToAllOptions {
	o := esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: n.filter, MaxSearchWindow: searchWindow, CheckpointInterval: 1}
	if at := n.queue.at(); at.Commit > 0 {
		o.From = at
	}
	return o
}

// accept queues an event that is for this subscription and was not received before.
func (n *subscription) accept(ctx context.Context, e *esdb.RecordedEvent) error {
	if at := n.queue.at(); e.Position.Commit <= at.Commit {
		if e.Position.Commit == at.Commit || at.Commit == 0 {
			return nil
		}
		return fmt.Errorf("the server handed out position %d after %d", e.Position.Commit, at.Commit)
	}
	if !n.wants(unescape(e.StreamID)) {
		n.queue.pass(e.Position)
		return nil
	}
	return n.queue.push(ctx, toRecord(e), e.Position)
}

// Hasten is projections.Hastener's. Of a subscription that events keep coming to nothing is to be found out: it is where they are.
func (n *subscription) Hasten() {
	select {
	case n.hastened <- struct{}{}:
	default:
	}
}

// lookAhead finds out whether there is nothing for this subscription between what it has received and the store's end,
// when it hears nothing, or when somebody waits and no event has come for a while. One that the server has not accepted does not get anywhere.
func (n *subscription) lookAhead() {
	idle := time.NewTimer(minIdle)
	defer idle.Stop()
	for next := minIdle; n.ctx.Err() == nil; {
		before, hastened := n.queue.at(), false
		idle.Reset(next)
		select {
		case <-idle.C:
		case <-n.hastened:
			if hastened = true; n.queue.fed(minIdle) {
				continue
			}
		case <-n.ctx.Done():
		}
		switch at := n.queue.at(); {
		case !n.accepted.Load():
			next = minIdle
			continue
		case hastened:
			before = at
		case at != before:
			next = minIdle
			continue
		default:
			next = min(2*next, maxIdle)
		}
		end, nothing, err := n.nothingUntilEnd(before)
		if err == nil && nothing {
			n.queue.passFrom(before, end)
		}
	}
}

// nothingUntilEnd looks at the newest events of $all, at most lookBack of them: the server says how far it is more often
// than that. With one at or before a position among them, and none after it that this subscription wants, there is nothing
// until the end.
func (n *subscription) nothingUntilEnd(after esdb.Position) (end esdb.Position, nothing bool, err error) {
	var from esdb.AllPosition = esdb.End{}
	for seen, limit := 0, lookFirst; seen < lookBack; limit = lookBack - seen {
		p, err := call(n.ctx, n.store, "look for the end of $all", func(ctx context.Context, c *esdb.Client) (page, error) {
			return newest(ctx, c, from, limit)
		})
		if err != nil {
			return end, false, err
		}
		for _, e := range p.events {
			if end.Commit == 0 {
				end = e.Position
			}
			if e.Position.Commit <= after.Commit {
				return end, true, nil
			}
			if n.wants(unescape(e.StreamID)) {
				return end, false, nil
			}
			from = e.Position
			seen++
		}
		if !p.full {
			return end, true, nil
		}
	}
	return end, false, nil
}
