package availability_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stockfold/stockfold/projections/availability"
)

// shop is a scenario with a channel that sells from one location.
func shop(t testing.TB) *scenario {
	s := prepare(t)
	s.heartbeat = time.Hour
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	s.seen()
	return s
}

// viewer is what a client of a watch knows.
type viewer struct {
	*scenario
	*availability.Watcher
	channel  string
	skus     []string
	values   map[string]availability.Availability // by SKU and channel
	position uint64
	caughtUp bool
	messages int
}

func (s *scenario) watch(channel string, after uint64, skus ...string) *viewer {
	s.Helper()
	w, err := s.Watch(s.Context(), channel, skus, after)
	if err != nil {
		s.Fatal(err)
	}
	v := &viewer{scenario: s, Watcher: w, channel: channel, skus: skus, values: map[string]availability.Availability{}}
	s.Cleanup(w.Close)
	return v
}

// next takes one message. While the projection begins anew after a failure a read may be refused; the watch goes on after it.
func (v *viewer) next() []availability.Availability {
	v.Helper()
	ctx, done := v.patience()
	defer done()
	changes, position, caughtUp, err := v.Next(ctx)
	for errors.Is(err, availability.ErrUnreadable) && ctx.Err() == nil {
		changes, position, caughtUp, err = v.Next(ctx)
	}
	if err != nil {
		v.Fatalf("%v; has %v", err, v.values)
	}
	if position < v.position && v.position != 0 {
		v.Fatalf("position went back from %d to %d", v.position, position)
	}
	if v.caughtUp && !caughtUp {
		v.Fatal("no longer caught up")
	}
	if len(changes) > 1000 {
		v.Fatalf("%d changes at once", len(changes))
	}
	v.position, v.caughtUp = position, caughtUp
	v.messages++
	for _, a := range changes {
		if was := v.values[a.Channel+" "+a.SKU]; was.Position > a.Position {
			v.Fatalf("went back from %+v to %+v", was, a)
		}
		v.values[a.Channel+" "+a.SKU] = a
	}
	return slices.Clone(changes)
}

// until takes messages until a SKU has an ATS.
func (v *viewer) until(sku string, ats int64) {
	v.Helper()
	for v.values[v.channel+" "+sku].ATS != ats {
		v.next()
	}
}

// resume ends the watch and begins one after the last position.
func (v *viewer) resume() {
	v.Helper()
	v.Close()
	w, err := v.Watch(v.Context(), v.channel, v.skus, v.position)
	if err != nil {
		v.Fatal(err)
	}
	v.Watcher, v.caughtUp = w, false
	v.Cleanup(w.Close)
}

// settled takes messages until the viewer knows what can be read of all SKUs of the history.
func (v *viewer) settled() {
	v.Helper()
	v.seen()
	wanted := v.oracle()
	for {
		missing := ""
		for sku, channels := range wanted {
			if len(v.skus) > 0 && !slices.Contains(v.skus, sku) {
				continue
			}
			for channel, ats := range channels {
				a, ok := v.values[channel+" "+sku]
				if (v.channel == "" || v.channel == channel) && (!ok || a.ATS != ats) {
					missing = fmt.Sprintf("%q on %q: has %+v, want ATS %d", sku, channel, a, ats)
				}
			}
		}
		if missing == "" {
			return
		}
		ctx, done := v.patience()
		if _, err := v.nextWithin(ctx); err != nil {
			v.Fatalf("%s: %v; at %d; status %+v", missing, err, v.position, v.Status(v.Context()))
		}
		done()
	}
}

func (v *viewer) nextWithin(ctx context.Context) (int, error) {
	changes, position, caughtUp, err := v.Next(ctx)
	if err != nil {
		return 0, err
	}
	v.position, v.caughtUp = position, caughtUp
	for _, a := range changes {
		v.values[a.Channel+" "+a.SKU] = a
	}
	return len(changes), nil
}
