//go:build !race

package eventstoredb

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// A client that finds no server gives up, and forgets who else has asked it: they would wait for ever, and with them whoever
// closes the store.
// It is not for the race detector: freeing them closes a channel that the client still sends on.
func TestCallsThatTheClientForgetsAreFreed(t *testing.T) {
	opts := Options{Timeout: time.Second}
	opts.setDefaults()
	config, err := configure("esdb://127.0.0.1:1?tls=false", opts)
	if err != nil {
		t.Fatal(err)
	}
	client, err := esdb.NewClient(&config)
	if err != nil {
		t.Fatal(err)
	}
	closing, stop := context.WithCancel(t.Context())
	g := newGeneration(closing)
	g.client = client
	var calls sync.WaitGroup
	for range 10 {
		if !g.enter() {
			t.Fatal("a new client takes no calls")
		}
		calls.Go(func() {
			defer g.leave()
			if err := guarded(func() error { _, err := last(g.calls, client, "sku-a"); return err }); err == nil {
				t.Error("read from nowhere")
			}
		})
	}
	stop()
	buried := make(chan struct{})
	go func() { g.bury(opts.Timeout); calls.Wait(); close(buried) }()
	select {
	case <-buried:
	case <-time.After(5 * time.Second):
		t.Fatal("calls wait for ever")
	}
}
