package routing

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

const (
	// MaxPeers bounds the replicas that calls are handed to. Of more addresses the first in bytewise order count, which are the
	// same for all.
	MaxPeers = 64
	// lookEvery is how often a name is asked for its addresses.
	lookEvery = 5 * time.Second
	// lookTimeout is how long one such question may take.
	lookTimeout = 2 * time.Second
)

// dnsPrefix begins an entry that stands for every address of a name.
const dnsPrefix = "dns:"

// address of replicas.
type address struct {
	host, port string
	name       string // to be found in their certificates
	look       bool   // host is a name, each of whose addresses is a replica's
}

func (a address) String() string { return net.JoinHostPort(a.host, a.port) }

func parse(text string) (address, error) {
	rest, look := strings.CutPrefix(text, dnsPrefix)
	host, port, err := net.SplitHostPort(rest)
	if err != nil || host == "" || port == "" || port == "0" {
		return address{}, fmt.Errorf("replica %q must be HOST:PORT, or dns:HOST:PORT for every address that a name has", text)
	}
	return address{host: host, port: port, name: host, look: look}, nil
}

// Hosts are the names by which a list of replicas names them, without ports, and whether each stands for all addresses
// that it has.
func Hosts(peers []string) (hosts map[string]bool, err error) {
	hosts = map[string]bool{}
	for _, text := range peers {
		a, err := parse(text)
		if err != nil {
			return nil, err
		}
		hosts[a.host] = hosts[a.host] || a.look
	}
	return hosts, nil
}

// lookup asks the system.
func lookup(ctx context.Context, host string) ([]string, error) {
	return net.DefaultResolver.LookupHost(ctx, host)
}

// Run keeps the addresses of names current until ctx ends. While a name cannot be looked up, what it had counts.
func (r *Router) Run(ctx context.Context) error {
	said := ""
	for {
		err := r.look(ctx)
		if err != nil && ctx.Err() == nil && err.Error() != said {
			r.config.Log.Warn("other replicas cannot be looked up; those known before count", "error", err)
		}
		if said = ""; err != nil {
			said = err.Error()
		}
		timer := time.NewTimer(lookEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// look asks every name for its addresses, and uses them.
func (r *Router) look(ctx context.Context) error {
	var all []address
	named := false
	for _, text := range r.config.Peers {
		a, err := parse(text)
		if err != nil {
			return err
		}
		if !a.look {
			all = append(all, a)
			continue
		}
		named = true
		asking, cancel := context.WithTimeout(ctx, lookTimeout)
		found, err := r.config.Lookup(asking, a.host)
		cancel()
		if err != nil {
			return err
		}
		for _, ip := range found {
			all = append(all, address{host: ip, port: a.port, name: a.host})
		}
	}
	if !named {
		return nil
	}
	slices.SortFunc(all, func(a, b address) int { return strings.Compare(a.String(), b.String()) })
	all = slices.CompactFunc(all, func(a, b address) bool { return a.String() == b.String() })
	return r.use(all[:min(len(all), MaxPeers)])
}
