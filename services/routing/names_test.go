package routing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
)

// known are the names of the other replicas.
func (r *Router) known() (names []string) {
	for _, p := range *r.others.Load() {
		names = append(names, p.name)
	}
	slices.Sort(names)
	return names
}

// A name's addresses come and go; while it cannot be looked up those from before count, and ways that stay are not made anew.
func TestReplicasComeAndGo(t *testing.T) {
	var found []string
	var fails error
	r := newReplica(t, &desk{}, Config{Self: "10.0.0.1:9191", Peers: []string{"dns:replicas:9191", "other:9192"},
		Lookup: func(_ context.Context, host string) ([]string, error) {
			if host != "replicas" {
				return nil, fmt.Errorf("asked for %s", host)
			}
			return found, fails
		}}).router
	if got := r.known(); !slices.Equal(got, []string{"other:9192"}) {
		t.Errorf("before the first look: %q", got)
	}
	ways := map[string]*peer{}
	for _, c := range []struct {
		found []string
		fails error
		want  []string
	}{
		{[]string{"10.0.0.2", "10.0.0.1"}, nil, []string{"10.0.0.2:9191", "other:9192"}},
		{[]string{"10.0.0.3", "10.0.0.2", "10.0.0.2", "fd00::1"}, nil, []string{"10.0.0.2:9191", "10.0.0.3:9191", "[fd00::1]:9191", "other:9192"}},
		{nil, errors.New("no answer"), []string{"10.0.0.2:9191", "10.0.0.3:9191", "[fd00::1]:9191", "other:9192"}},
		{[]string{"10.0.0.3"}, nil, []string{"10.0.0.3:9191", "other:9192"}},
	} {
		found, fails = c.found, c.fails
		if err := r.look(t.Context()); !errors.Is(err, c.fails) {
			t.Errorf("got %v, want %v", err, c.fails)
		}
		if got := r.known(); !slices.Equal(got, c.want) {
			t.Errorf("%q: replicas are %q, want %q", c.found, got, c.want)
		}
		now := map[string]*peer{}
		for _, p := range *r.others.Load() {
			if before := ways[p.name]; before != nil && before != p {
				t.Errorf("the way to %s was made anew", p.name)
			}
			now[p.name] = p
		}
		ways = now
	}
}

func TestReplicasAreBounded(t *testing.T) {
	var many []string
	for i := range 2 * MaxPeers {
		many = append(many, fmt.Sprintf("10.0.1.%d", 255-i))
	}
	r := newReplica(t, &desk{}, Config{Self: "10.0.0.1:9191", Peers: []string{"dns:replicas:9191"},
		Lookup: func(context.Context, string) ([]string, error) { return many, nil }}).router
	if err := r.look(t.Context()); err != nil || len(r.known()) != MaxPeers {
		t.Errorf("%d replicas, %v", len(r.known()), err)
	}
}

func TestAddressesAreChecked(t *testing.T) {
	for _, text := range []string{"", "host", "host:", ":9191", "dns:host", "host:0", "dns::9191"} {
		if _, err := New(Config{Peers: []string{text}, Log: slog.Default()}); err == nil {
			t.Errorf("%q is taken for a replica", text)
		}
	}
}
