package node

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/adapters/redis"
)

// Roles of a process. By default it has all of them.
const (
	RoleAPI     = "api"     // answers gRPC and REST
	RoleIngest  = "ingest"  // records what comes by Kafka
	RoleProject = "project" // keeps the read models
	RoleExpire  = "expire"  // records that holds have ended
	RolePublish = "publish" // publishes changes of availability
	RoleLedger  = "ledger"  // keeps the past, for snapshots
)

// Roles lists every role.
var Roles = []string{RoleAPI, RoleIngest, RoleProject, RoleExpire, RolePublish, RoleLedger}

// Config says where a process listens and keeps its data, and what it does. The tags are those of the command line,
// whose names are also the names in a settings file and in the environment.
type Config struct {
	GRPC            string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"addresses" help:"Serve gRPC here (default: ${default})."`
	REST            string `name:"rest" default:"127.0.0.1:8080" placeholder:"ADDR" group:"addresses" help:"Serve REST, the OpenAPI page, /healthz and /readyz here (default: ${default})."`
	Broker          string `default:"127.0.0.1:9092" placeholder:"ADDR" group:"addresses" help:"The embedded Kafka broker listens here (default: ${default})."`
	Metrics         string `default:"127.0.0.1:9464" placeholder:"ADDR" group:"addresses" help:"Serve Prometheus metrics and profiles here (default: ${default})."`
	OfferEventStore string `name:"offer-eventstore" placeholder:"ADDR" group:"addresses" help:"Offer the events read-only here, over EventStoreDB's gRPC protocol; by default nowhere."`

	PeerListen string `placeholder:"ADDR" group:"addresses" help:"Other replicas hand calls on to here; needs the certificates of --peer-tls-… unless it is on loopback. By default they use --grpc, which must be on loopback."`

	Roles                  []string `default:"api,ingest,project,expire,publish,ledger" enum:"api,ingest,project,expire,publish,ledger" placeholder:"ROLE" group:"work" help:"What this process does (default: ${default})."`
	KafkaBrokers           []string `placeholder:"ADDR" group:"work" help:"Use these Kafka brokers; without them, the embedded one."`
	KafkaSecurity          `embed:"" group:"work"`
	Peers                  []string `placeholder:"ADDR" group:"work" help:"Where all replicas listen for each other (--peer-listen, or --grpc without it), this one included: what concerns one SKU is then decided by one of them. dns:HOST:PORT stands for every address that a name has."`
	PeerName               string   `placeholder:"ADDR" group:"work" help:"This replica's own address in --peers, when it is not --peer-listen."`
	PeerSecurity           `embed:"" group:"work"`
	Valuation              string `default:"average" enum:"average,fifo" placeholder:"METHOD" group:"work" help:"How the company values its stock: average (moving average) or fifo (default: ${default})."`
	AcceptUnknownLocations bool   `group:"work" help:"Record movements at locations that nobody defined, instead of keeping them as dead letters."`

	AuditEvery      time.Duration `default:"10m" placeholder:"TIME" group:"work" help:"Sign and record a head of the tree over all events this often, when there are new ones; 0 for never (default: ${default})."`
	AuditKeyFile    string        `placeholder:"FILE" type:"path" group:"work" help:"Sign with the key in this file; without it, with the environment's STOCKFOLD_AUDIT_KEY, or else, with embedded events, a key of its own in --data."`
	PublicationKept time.Duration `default:"168h" placeholder:"TIME" group:"work" help:"Keep for this long what was published when, for traces (default: ${default})."`

	CondenseAfter time.Duration `default:"0s" placeholder:"TIME" group:"work" help:"Once a day take out of events this old what is not needed for numbers: names of documents, reservations and orders, who acted and why (see stockfold condense --help); such as 17520h, 0 for never (default: ${default})."`

	SelfCheck int `default:"600" placeholder:"SKUS" group:"work" help:"Fold so many SKUs a minute afresh from their events, round and round, and mend the availability of those that differ; 0 for none (default: ${default})."`

	ReconcileDir string `name:"reconcile-dir" placeholder:"DIR" type:"path" group:"work" help:"Compare the snapshots that other systems put into this directory, each beside a file NAME.run.json that says what it is (see stockfold reconcile --help); by default none."`

	Version string `kong:"-"` // of the program, for GetStatus

	Data           string           `default:"./stockfold-data" placeholder:"DIR" type:"path" group:"storage" help:"Keep events, read models and the embedded broker's log in this directory (default: ${default})."`
	StateMemory    int64            `default:"160" placeholder:"MIB" group:"storage" help:"Memory for the states of SKUs that commands decide on, in MiB (default: ${default})."`
	DocumentMemory int64            `default:"96" placeholder:"MIB" group:"storage" help:"Memory for the availability of SKUs that are read, in MiB (default: ${default})."`
	EventCache     int64            `default:"64" placeholder:"MIB" group:"storage" help:"Cache of the event store, in MiB (default: ${default})."`
	EventStore     eventstoredb.URL `name:"eventstore" placeholder:"URL" group:"storage" help:"Keep events in this EventStoreDB, shared with other replicas, who share --kafka-brokers as well, e.g. esdb://127.0.0.1:2113?tls=false; without it, in --data."`
	Redis          redis.URL        `placeholder:"URL" group:"storage" help:"Keep availability in this Redis, shared with other replicas, e.g. redis://127.0.0.1:6379 (see deploy/redis.md); without it, in --data."`
	ViewCache      int64            `default:"64" placeholder:"MIB" group:"storage" help:"Cache of the read models, in MiB (default: ${default})."`
	MemoryLimit    int64            `default:"736" placeholder:"MIB" group:"storage" help:"Soft limit of the heap, in MiB, the databases' caches not included: near it, garbage is collected harder (default: ${default})."`
}

// Check finds what is wrong with the settings before anything is started.
func (c *Config) Check() error {
	for _, a := range []struct{ flag, addr string }{
		{"grpc", c.GRPC}, {"rest", c.REST}, {"broker", c.Broker}, {"metrics", c.Metrics}, {offerFlag, c.OfferEventStore}} {
		if a.flag == offerFlag && a.addr == "" {
			continue
		}
		if err := checkLoopback(a.flag, a.addr); err != nil {
			return err
		}
	}
	if c.Data == "" {
		return fmt.Errorf("--data is empty; name the directory to keep data in")
	}
	for _, m := range []struct {
		flag string
		mib  int64
	}{{"state-memory", c.StateMemory}, {"document-memory", c.DocumentMemory}, {"event-cache", c.EventCache}, {"view-cache", c.ViewCache},
		{"memory-limit", c.MemoryLimit}} {
		if m.mib < minMemory || m.mib > maxMemory {
			return fmt.Errorf("--%s must be %d to %d MiB, is %d", m.flag, minMemory, maxMemory, m.mib)
		}
	}
	if err := c.checkShared(); err != nil {
		return err
	}
	if err := c.checkPeers(); err != nil {
		return err
	}
	if c.Redis != "" {
		if err := c.Redis.Check(); err != nil {
			return fmt.Errorf("--redis: %w", err)
		}
	}
	if _, err := c.kafka(); err != nil {
		return err
	}
	if err := c.checkAudit(); err != nil {
		return err
	}
	if c.SelfCheck < 0 || c.SelfCheck > maxSelfCheck {
		return fmt.Errorf("--self-check must be 0 to %d SKUs a minute, is %d", maxSelfCheck, c.SelfCheck)
	}
	return c.checkRoles()
}

// shared tells whether other processes write the same events.
func (c *Config) shared() bool { return c.EventStore != "" }

// checkShared refuses what cannot be had of a shared event store.
func (c *Config) checkShared() error {
	if !c.shared() {
		return nil
	}
	if err := c.EventStore.Check(); err != nil {
		return fmt.Errorf("--eventstore: %w", err)
	}
	if c.OfferEventStore != "" {
		return fmt.Errorf("--%s offers the embedded event store, and --eventstore names another: point the client there", offerFlag)
	}
	if len(c.KafkaBrokers) == 0 && (c.has(RoleIngest) || c.has(RolePublish)) {
		return fmt.Errorf("--eventstore is for replicas that share their brokers as well: name them with --kafka-brokers, or leave out the roles %s and %s",
			RoleIngest, RolePublish)
	}
	return nil
}

// kafka says how to reach the brokers that are named.
func (c *Config) kafka() (kafka.Config, error) { return c.Secure(c.KafkaBrokers) }

// maxSelfCheck is the most SKUs checked in a minute.
const maxSelfCheck = 60_000

// Bounds of each memory setting, in MiB.
const (
	minMemory = 8
	maxMemory = 1 << 20
)

// checkRoles refuses roles that are nothing without each other: the read models are in this process.
func (c *Config) checkRoles() error {
	if len(c.Roles) == 0 {
		return fmt.Errorf("--roles is empty; choose from %s", strings.Join(Roles, ", "))
	}
	for _, r := range c.Roles {
		if !slices.Contains(Roles, r) {
			return fmt.Errorf("--roles has %q; choose from %s", r, strings.Join(Roles, ", "))
		}
		if r != RoleIngest && !c.has(RoleProject) {
			return fmt.Errorf("--roles has %s without %s; its read models are kept in this process, add %s", r, RoleProject, RoleProject)
		}
	}
	return nil
}

func (c *Config) has(role string) bool { return slices.Contains(c.Roles, role) }

// checkLoopback refuses an address that other machines could reach: nobody who calls is asked who he is.
func checkLoopback(flag, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--%s %q must be HOST:PORT, e.g. 127.0.0.1:9090: %w", flag, addr, err)
	}
	if onLoopback(host) {
		return nil
	}
	return fmt.Errorf("--%s %q would be reachable from other machines, and no authentication is configured: anybody there could "+
		"change your stock. Listen on loopback, e.g. 127.0.0.1, and let a proxy or tunnel that asks who is calling reach it there", flag, addr)
}

// onLoopback tells whether only this machine can reach a host.
func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
