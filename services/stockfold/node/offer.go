package node

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/adapters/esdbserver"
)

// offerFlag is the setting that says where the events are offered.
const offerFlag = "offer-eventstore"

// offerEvents lets official clients of EventStoreDB read and follow the embedded event store, where that is asked for.
func (n *Node) offerEvents(ctx context.Context) error {
	if n.config.OfferEventStore == "" {
		return nil
	}
	l, err := ListenOnLoopback(ctx, offerFlag, n.config.OfferEventStore)
	if err != nil {
		return err
	}
	server, err := esdbserver.New(ctx, n.local, esdbserver.Options{ReadOnly: true, Health: n.local.Health, Log: n.log})
	if err != nil {
		return fmt.Errorf("offer the events: %w", err)
	}
	n.EventStore = l.Addr().String()
	n.parts.serve("event store for others", n.fail, func() error { return server.Serve(l) }, server.Shutdown)
	return nil
}
