package node

import (
	"strings"
	"testing"
)

// valid is a configuration with every port free to choose.
func valid(t *testing.T) Config {
	return Config{GRPC: "127.0.0.1:0", REST: "127.0.0.1:0", Broker: "127.0.0.1:0", Metrics: "127.0.0.1:0", Roles: Roles, Data: t.TempDir(),
		StateMemory: 16, DocumentMemory: 16, EventCache: 8, ViewCache: 8, MemoryLimit: 1024}
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:9090", "127.8.9.10:9090", "[::1]:9090", "localhost:9090"} {
		c := valid(t)
		c.GRPC = addr
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"0.0.0.0:9090", ":9090", "[::]:9090", "192.168.1.10:9090", "warehouse:9090", "127.0.0.1.example.com:9090"} {
		for _, set := range []struct {
			flag string
			to   func(*Config)
		}{
			{"grpc", func(c *Config) { c.GRPC = addr }}, {"rest", func(c *Config) { c.REST = addr }},
			{"broker", func(c *Config) { c.Broker = addr }}, {"metrics", func(c *Config) { c.Metrics = addr }},
		} {
			c := valid(t)
			set.to(&c)
			err := c.Check()
			if err == nil || !strings.Contains(err.Error(), "--"+set.flag) || !strings.Contains(err.Error(), "no authentication is configured") ||
				!strings.Contains(err.Error(), "Listen on loopback") {
				t.Errorf("--%s %s: got %v", set.flag, addr, err)
			}
		}
	}
}

func TestBadSettingsAreExplained(t *testing.T) {
	for problem, change := range map[string]func(*Config){
		`--grpc "9090" must be HOST:PORT`:                 func(c *Config) { c.GRPC = "9090" },
		"--data is empty":                                 func(c *Config) { c.Data = "" },
		"--roles is empty; choose from api, ingest":       func(c *Config) { c.Roles = nil },
		`--roles has "sell"; choose from`:                 func(c *Config) { c.Roles = []string{"sell"} },
		"--roles has api without project":                 func(c *Config) { c.Roles = []string{RoleAPI, RoleIngest} },
		"--state-memory must be 8 to 1048576 MiB, is 7":   func(c *Config) { c.StateMemory = 7 },
		"--view-cache must be 8 to 1048576 MiB, is -1":    func(c *Config) { c.ViewCache = -1 },
		"--event-cache must be 8 to 1048576 MiB, is 9999": func(c *Config) { c.EventCache = 9_999_999 },
		"--self-check must be 0 to 60000 SKUs a minute":   func(c *Config) { c.SelfCheck = -1 },
		"are for brokers named with --kafka-brokers":      func(c *Config) { c.KafkaTLS = true },
		"--kafka-sasl-mechanism scram-sha-512 needs --kafka-username": func(c *Config) {
			c.KafkaBrokers, c.KafkaSASLMechanism = []string{"kafka-1:9092"}, "scram-sha-512"
		},
	} {
		c := valid(t)
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("got %v, want %q", err, problem)
		}
	}
}

func TestRolesThatStandAlone(t *testing.T) {
	for _, roles := range [][]string{{RoleIngest}, {RoleProject}, {RoleAPI, RoleProject}, {RoleExpire, RoleProject, RolePublish}} {
		c := valid(t)
		c.Roles = roles
		if err := c.Check(); err != nil {
			t.Errorf("%q: %v", roles, err)
		}
	}
}
