package main

import (
	"net"
	"slices"
	"strings"
	"testing"
)

const peersService = "stockfold-peers"

// peersThere are the addresses at which replicas of the deployments call each other, each with a replica that knows itself by
// it, or with a Service that has no address of its own, and so those of all replicas.
func peersThere(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	services := documents(t, composeFile)[0]["services"].(object)
	for name, c := range composed(t) {
		if !strings.HasPrefix(c.image, "stockfold") {
			continue
		}
		own := c.env["STOCKFOLD_PEER_NAME"]
		host, port, _ := net.SplitHostPort(own)
		pod := strings.TrimPrefix(text(dig(services, name, "network_mode")), "service:")
		if aliases := texts(dig(services, pod, "networks", "peers", "aliases")); !slices.Equal(aliases, []string{host}) {
			t.Errorf("Compose: others know %s as %s, and on their network it is %q", name, own, aliases)
		}
		if c.env["STOCKFOLD_PEER_LISTEN"] != "0.0.0.0:"+port {
			t.Errorf("Compose: %s listens on %s, others call %s", name, c.env["STOCKFOLD_PEER_LISTEN"], own)
		}
		there[own] = true
	}
	for _, x := range items(dig(find(t, manifests(t), "Service", peersService), "spec", "ports")) {
		there[peersService+".stockfold.svc.cluster.local:"+text(dig(x, "port"))] = true
	}
	return there
}

// In Kubernetes replicas find each other by a Service, listen where it leads, and are let through to each other, and to nothing
// else of one another; callers do not get there.
func TestReplicasReachEachOther(t *testing.T) {
	all := manifests(t)
	service := find(t, all, "Service", peersService)
	deployment := find(t, all, "Deployment", "stockfold")
	if dig(service, "spec", "clusterIP") != "None" || dig(service, "spec", "selector", "app") != dig(deployment, "spec", "template", "metadata", "labels", "app") {
		t.Errorf("%s does not have the addresses of all replicas: %v", peersService, service["spec"])
	}
	replica := podded(deployment)
	env := replica[len(replica)-1].env
	port := text(dig(service, "spec", "ports", 0, "port"))
	if want := "dns:" + peersService + ".stockfold.svc.cluster.local:" + port; env["STOCKFOLD_PEERS"] != want {
		t.Errorf("replicas are looked for at %s, want %s", env["STOCKFOLD_PEERS"], want)
	}
	if want := ownAddress + ":" + port; env["STOCKFOLD_PEER_LISTEN"] != want {
		t.Errorf("a replica listens on %s, want %s", env["STOCKFOLD_PEER_LISTEN"], want)
	}
	policy := find(t, all, "NetworkPolicy", "stockfold")
	for direction, other := range map[string]string{"ingress": "from", "egress": "to"} {
		found := 0
		for _, rule := range items(dig(policy, "spec", direction)) {
			if !slices.ContainsFunc(items(dig(rule, "ports")), func(p any) bool { return text(dig(p, "port")) == port }) {
				continue
			}
			found++
			if list := items(dig(rule, other)); len(list) != 1 || dig(list[0], "podSelector", "matchLabels", "app") != "stockfold" || len(items(dig(rule, "ports"))) != 1 {
				t.Errorf("port %s, %s: %v", port, direction, rule)
			}
		}
		if found != 1 {
			t.Errorf("%d rules let port %s through, %s", found, port, direction)
		}
	}
	for name, s := range documents(t, composeFile)[0]["services"].(object) {
		for _, published := range texts(dig(s, "ports")) {
			if strings.HasSuffix(published, ":"+port) {
				t.Errorf("Compose offers the port of replicas outside: %s %s", name, published)
			}
		}
	}
}
