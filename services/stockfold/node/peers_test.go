package node

import (
	"strings"
	"testing"
)

func TestPeersAreTheSameListEverywhere(t *testing.T) {
	c := valid(t)
	c.EventStore, c.KafkaBrokers = "esdb://127.0.0.1:2113?tls=false", []string{"127.0.0.1:9092"}
	c.GRPC, c.Peers = "127.0.0.1:9090", []string{"127.0.0.1:9090", "127.0.0.1:9091"}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for problem, change := range map[string]func(*Config){
		"own --grpc": func(c *Config) { c.GRPC = "127.0.0.1:9099" },
		"reachable from other machines": func(c *Config) {
			c.Peers = append(c.Peers[:2:2], "10.0.0.1:9090")
		},
		"--eventstore": func(c *Config) { c.EventStore = "" },
	} {
		other := c
		change(&other)
		if err := other.Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: got %v", problem, err)
		}
	}
}
