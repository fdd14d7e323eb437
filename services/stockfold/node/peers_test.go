package node

import (
	"strings"
	"testing"

	"github.com/stockfold/stockfold/adapters/redis/redistest"
)

// routed is a configuration with another replica on the same machine.
func routed(t *testing.T) Config {
	c := valid(t)
	c.EventStore, c.KafkaBrokers = "esdb://127.0.0.1:2113?tls=false", []string{"127.0.0.1:9092"}
	c.GRPC, c.Peers = "127.0.0.1:9090", []string{"127.0.0.1:9090", "127.0.0.1:9091"}
	return c
}

// secured is one with replicas on other machines.
func secured(t *testing.T) Config {
	c, files := routed(t), redistest.NewCertificates(t)
	c.PeerListen, c.Peers = "10.0.0.1:9191", []string{"10.0.0.1:9191", "10.0.0.2:9191"}
	c.PeerSecurity = PeerSecurity{PeerTLSCA: files.CA, PeerTLSCert: files.Cert, PeerTLSKey: files.Key, PeerTLSName: "127.0.0.1"}
	return c
}

func TestPeersAreTheSameListEverywhere(t *testing.T) {
	c := routed(t)
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for problem, change := range map[string]func(*Config){
		"own --grpc": func(c *Config) { c.GRPC = "127.0.0.1:9099" },
		"reachable from other machines": func(c *Config) {
			c.Peers = append(c.Peers[:2:2], "10.0.0.1:9090")
		},
		"--eventstore":        func(c *Config) { c.EventStore = "" },
		"name those with":     func(c *Config) { c.Peers, c.PeerListen = nil, "127.0.0.1:9191" },
		"must be HOST:PORT":   func(c *Config) { c.Peers = append(c.Peers[:2:2], "9092") },
		"own --peer-listen":   func(c *Config) { c.PeerListen = "127.0.0.1:9191" },
		"set --peer-listen":   func(c *Config) { c.PeerSecurity = secured(t).PeerSecurity },
		"--peer-name \"me\"":  func(c *Config) { c.PeerName = "me" },
		"need":                func(c *Config) { c.PeerTLSName = "replicas" },
		"--peer-listen \"x\"": func(c *Config) { c.PeerListen = "x" },
	} {
		other := c
		change(&other)
		if err := other.Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: got %v", problem, err)
		}
	}
}

// Without certificates nothing that other machines could reach is spoken to or listened on; the message says what to set.
func TestReplicasOnOtherMachinesNeedCertificates(t *testing.T) {
	c := secured(t)
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	all := []string{"--peer-listen", "--peer-tls-ca", "--peer-tls-cert", "--peer-tls-key"}
	for name, x := range map[string]struct {
		change func(*Config)
		says   []string
	}{
		"no certificates":    {func(c *Config) { c.PeerSecurity = PeerSecurity{} }, all},
		"no port of its own": {func(c *Config) { c.PeerListen = "" }, all},
		"a name of theirs":   {func(c *Config) { c.PeerSecurity, c.Peers = PeerSecurity{}, []string{"dns:replicas:9191"} }, all},
		"a port for all": {func(c *Config) {
			c.Peers, c.PeerListen, c.PeerSecurity = routed(t).Peers, "0.0.0.0:9191", PeerSecurity{}
		}, all},
		"no key":              {func(c *Config) { c.PeerTLSKey = "" }, []string{"go together"}},
		"no file":             {func(c *Config) { c.PeerTLSCA = "/nowhere" }, []string{"--peer-tls-ca", "/nowhere"}},
		"not its name":        {func(c *Config) { c.PeerTLSName = "" }, []string{"--peer-tls-cert", "10.0.0.1, 10.0.0.2"}},
		"not in the list":     {func(c *Config) { c.PeerListen = "10.0.0.3:9191" }, []string{"own --peer-listen 10.0.0.3:9191", "--peer-name"}},
		"none of the name's":  {func(c *Config) { c.Peers, c.PeerListen = []string{"dns:replicas:9191"}, "0.0.0.0:9191" }, []string{"--peer-name", "IP address"}},
		"a name for a number": {func(c *Config) { c.Peers, c.PeerName = []string{"dns:replicas:9191"}, "me:9191" }, []string{"--peer-name", "IP address"}},
	} {
		other := c
		x.change(&other)
		err := other.Check()
		for _, part := range x.says {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %v, want %q", name, err, part)
			}
		}
	}
	for name, change := range map[string]func(*Config){
		"by a name": func(c *Config) { c.Peers = []string{"dns:replicas:9191"} },
		"by another name": func(c *Config) {
			c.Peers, c.PeerListen, c.PeerName = []string{"a:9191", "b:9191"}, "0.0.0.0:9191", "a:9191"
		},
		"both": func(c *Config) {
			c.Peers, c.PeerListen, c.PeerName = []string{"dns:b:1", "10.0.0.1:9191"}, "0.0.0.0:9191", "10.0.0.1:9191"
		},
		"on loopback": func(c *Config) { c.PeerListen, c.Peers = "127.0.0.1:9191", []string{"127.0.0.1:9191"} },
		"and in the clear": func(c *Config) {
			c.PeerListen, c.Peers, c.PeerSecurity = "127.0.0.1:9191", []string{"127.0.0.1:9191"}, PeerSecurity{}
		},
	} {
		other := secured(t)
		change(&other)
		if err := other.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
