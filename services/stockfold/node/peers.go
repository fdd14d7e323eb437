package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/api"
	"github.com/stockfold/stockfold/services/reservation"
	"github.com/stockfold/stockfold/services/routing"
)

// peerFlag is the setting that says where other replicas call.
const peerFlag = "peer-listen"

// PeerSecurity says how replicas make sure of each other.
type PeerSecurity struct {
	PeerTLSCA   string `name:"peer-tls-ca" placeholder:"FILE" type:"path" help:"Check other replicas' certificates against those in this PEM file; files are read anew for each connection."`
	PeerTLSCert string `name:"peer-tls-cert" placeholder:"FILE" type:"path" help:"Show other replicas this certificate, a PEM file, whether they call or are called."`
	PeerTLSKey  string `name:"peer-tls-key" placeholder:"FILE" type:"path" help:"The private key of that certificate, a PEM file."`
	PeerTLSName string `name:"peer-tls-name" placeholder:"NAME" help:"Replicas' certificates have this name; by default the host by which --peers names them."`
}

const howToSecure = "set --peer-listen, --peer-tls-ca, --peer-tls-cert and --peer-tls-key, so that replicas make sure of each other"

// secured tells whether certificates are named.
func (s *PeerSecurity) secured() bool { return s.PeerTLSCert != "" }

// checkPeers refuses what would let others than replicas in, and lists that other replicas cannot have as well.
func (c *Config) checkPeers() error {
	if len(c.Peers) == 0 {
		if c.PeerListen != "" || c.PeerName != "" || c.PeerSecurity != (PeerSecurity{}) {
			return errors.New("--peer-listen, --peer-name and --peer-tls-… are for replicas that hand calls to each other: name those with --peers")
		}
		return nil
	}
	if !c.shared() {
		return errors.New("--peers are replicas that share their events: name those with --eventstore")
	}
	hosts, err := routing.Hosts(c.Peers)
	if err != nil {
		return fmt.Errorf("--peers: %w", err)
	}
	if err := c.checkPeerSecurity(hosts); err != nil {
		return err
	}
	return c.checkOwnName(hosts)
}

// checkPeerSecurity refuses to speak to other machines, or to be reached by them, without certificates.
func (c *Config) checkPeerSecurity(hosts map[string]bool) error {
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		if !onLoopback(host) && (!c.secured() || c.PeerListen == "") {
			return fmt.Errorf("--peers has %s, and replicas that call each other from machine to machine would be reachable from other machines "+
				"for everybody: %s", host, howToSecure)
		}
	}
	given := 0
	for _, file := range []string{c.PeerTLSCA, c.PeerTLSCert, c.PeerTLSKey} {
		if file != "" {
			given++
		}
	}
	if given%3 != 0 || given == 0 && c.PeerTLSName != "" {
		return errors.New("--peer-tls-ca, --peer-tls-cert and --peer-tls-key go together, and --peer-tls-name needs them; set all three, or none")
	}
	if c.PeerListen == "" {
		if c.secured() {
			return errors.New("--peer-tls-… is for a port of its own on which other replicas call: set --peer-listen")
		}
		return nil
	}
	host, _, err := net.SplitHostPort(c.PeerListen)
	if err != nil {
		return fmt.Errorf("--%s %q must be HOST:PORT, e.g. 10.0.0.7:9191: %w", peerFlag, c.PeerListen, err)
	}
	if !onLoopback(host) && !c.secured() {
		return fmt.Errorf("--%s %q would be reachable from other machines, and anybody there could change your stock: %s", peerFlag, c.PeerListen, howToSecure)
	}
	if c.secured() {
		_, err = c.identity(nil)
	}
	return err
}

// checkOwnName refuses a list in which this replica does not find itself: then two would decide what belongs to it.
func (c *Config) checkOwnName(hosts map[string]bool) error {
	own := c.peerName()
	host, _, err := net.SplitHostPort(own)
	if err != nil {
		return fmt.Errorf("--peer-name %q must be HOST:PORT, as in --peers: %w", own, err)
	}
	if slices.Contains(c.Peers, own) {
		return nil
	}
	if !slices.Contains(slices.Collect(maps.Values(hosts)), true) {
		flag := "grpc"
		if c.PeerListen != "" {
			flag = peerFlag
		}
		return fmt.Errorf("--peers %s lacks this replica's own --%s %s; give every replica the same list, and --peer-name where others know it by another address",
			strings.Join(c.Peers, ","), flag, own)
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		return fmt.Errorf("--peers has a name that stands for addresses, and %q is none of these: say with --peer-name, or --%s, at which IP address others reach this replica",
			own, peerFlag)
	}
	return nil
}

// peerName is the address by which other replicas know this one.
func (c *Config) peerName() string {
	switch {
	case c.PeerName != "":
		return c.PeerName
	case c.PeerListen != "":
		return c.PeerListen
	}
	return c.GRPC
}

// identity is what this replica shows to others; nil without certificates.
func (c *Config) identity(n *Node) (*routing.Identity, error) {
	if !c.secured() {
		return nil, nil
	}
	hosts, err := routing.Hosts(c.Peers)
	if err != nil {
		return nil, err
	}
	i := routing.IdentityConfig{Files: routing.Files{CA: c.PeerTLSCA, Cert: c.PeerTLSCert, Key: c.PeerTLSKey}, Name: c.PeerTLSName,
		Hosts: slices.Sorted(maps.Keys(hosts))}
	if n != nil {
		i.Log = n.log
	}
	return routing.NewIdentity(i)
}

// way is how this node and other replicas hand calls to each other; all of it is nil when no replicas are named.
type way struct {
	router   *routing.Router
	identity *routing.Identity // nil without certificates
}

// openWay prepares the ways to other replicas.
func (n *Node) openWay(context.Context) (err error) {
	if len(n.config.Peers) == 0 || !n.config.has(RoleAPI) {
		return nil
	}
	if n.identity, err = n.config.identity(n); err != nil {
		return err
	}
	n.router, err = routing.New(routing.Config{StoreID: n.events.ID(), Self: n.config.peerName(), Peers: n.config.Peers,
		Identity: n.identity, Log: n.log})
	if err != nil {
		return err
	}
	n.parts.add("ways to other replicas", func(context.Context) error { return n.router.Close() })
	n.parts.loop("addresses of other replicas", n.fail, n.router.Run)
	return nil
}

// route has the services hand on what belongs to other replicas, and serve what those hand on, where replicas are named.
func (n *Node) route(c *api.Config, reservations *reservation.Service, stock pb.StockServiceServer) {
	c.Reservation, c.Stock = reservations, stock
	if n.router == nil {
		return
	}
	c.Reservation, c.Stock = n.router.Reservations(reservations, reservations), n.router.Stock(stock)
	if n.config.PeerListen == "" {
		return
	}
	c.Handed = &api.Handed{Reservation: routing.DeskFor(reservations, n.events.ID()), Stock: routing.StockDeskFor(stock, n.events.ID()),
		Credentials: n.identity.Server()}
}
