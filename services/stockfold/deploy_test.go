package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

const (
	composeFile = "deploy/compose.yaml"
	k8sFolder   = "deploy/kubernetes"
	proxyFile   = k8sFolder + "/config/nginx.conf"
)

// object is a part of a manifest.
type object = map[string]any

// documents reads every YAML document of a file.
func documents(t *testing.T, file string) []object {
	t.Helper()
	f, err := os.Open(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []object
	for d := yaml.NewDecoder(f); ; {
		var o object
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, o)
	}
}

// manifests are all objects for Kubernetes that the kustomization names.
func manifests(t *testing.T) []object {
	t.Helper()
	var all []object
	for _, file := range texts(documents(t, k8sFolder+"/kustomization.yaml")[0]["resources"]) {
		all = append(all, documents(t, k8sFolder+"/"+file)...)
	}
	if len(all) < 20 {
		t.Fatalf("only %d objects found", len(all))
	}
	return all
}

// dig follows keys and indexes into a manifest; nil when there is nothing.
func dig(v any, keys ...any) any {
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			o, _ := v.(object)
			v = o[k]
		case int:
			list, _ := v.([]any)
			if k >= len(list) {
				return nil
			}
			v = list[k]
		}
	}
	return v
}

func items(v any) []any { list, _ := v.([]any); return list }

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func texts(v any) (list []string) {
	for _, x := range items(v) {
		list = append(list, text(x))
	}
	return list
}

func find(t *testing.T, all []object, kind, name string) object {
	t.Helper()
	for _, o := range all {
		if o["kind"] == kind && dig(o, "metadata", "name") == name {
			return o
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// container is one of Compose or of Kubernetes.
type container struct {
	where, image string
	args         []string
	env          map[string]string // a value from a secret is "$(secret)"
	files        []string          // what is mounted
}

const fromSecret = "$(secret)"

// ownAddress stands for that of a pod.
const ownAddress = "10.0.0.7"

func composed(t *testing.T) map[string]container {
	t.Helper()
	all := map[string]container{}
	for name, s := range documents(t, composeFile)[0]["services"].(object) {
		c := container{where: composeFile + " " + name, image: text(dig(s, "image")), args: texts(dig(s, "command")), env: map[string]string{}}
		for k, v := range asObject(dig(s, "environment")) {
			c.env[k] = text(v)
		}
		for _, x := range items(dig(s, "secrets")) {
			if o, long := x.(object); long {
				c.files = append(c.files, text(o["target"]))
			} else {
				c.files = append(c.files, "/run/secrets/"+text(x))
			}
		}
		all[name] = c
	}
	return all
}

func asObject(v any) object { o, _ := v.(object); return o }

// podded gives the containers of a workload for Kubernetes, with the environment as it will be.
func podded(o object) []container {
	pod := podOf(o)
	var all []container
	for _, list := range []string{"initContainers", "containers"} {
		for _, x := range items(dig(pod, list)) {
			c := container{where: fmt.Sprintf("%s %s, container %s", o["kind"], dig(o, "metadata", "name"), dig(x, "name")),
				image: text(dig(x, "image")), args: append(texts(dig(x, "command")), texts(dig(x, "args"))...), env: map[string]string{}}
			for _, e := range items(dig(x, "env")) {
				value := text(dig(e, "value"))
				switch {
				case dig(e, "valueFrom", "secretKeyRef") != nil:
					value = fromSecret
				case dig(e, "valueFrom", "fieldRef", "fieldPath") == "status.podIP":
					value = ownAddress
				case dig(e, "valueFrom", "fieldRef") != nil:
					value = dig(o, "metadata", "name").(string) + "-0"
				}
				for name, v := range c.env {
					value = strings.ReplaceAll(value, "$("+name+")", v)
				}
				c.env[text(dig(e, "name"))] = value
			}
			for _, m := range items(dig(x, "volumeMounts")) {
				c.files = append(c.files, text(dig(m, "mountPath")))
			}
			all = append(all, c)
		}
	}
	return all
}

func podOf(o object) object {
	for _, keys := range [][]any{{"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}} {
		if pod, ok := dig(o, keys...).(object); ok {
			return pod
		}
	}
	return nil
}

// nodes are the containers of both deployments that run the binary.
func nodes(t *testing.T) []container {
	t.Helper()
	var all []container
	for _, c := range composed(t) {
		all = append(all, c)
	}
	for _, o := range manifests(t) {
		all = append(all, podded(o)...)
	}
	all = slices.DeleteFunc(all, func(c container) bool { return !strings.HasPrefix(c.image, "stockfold") })
	if len(all) != 4 { // three of Compose, and what the Deployment repeats
		t.Fatalf("%d containers run the binary", len(all))
	}
	return all
}

var (
	interpolated = regexp.MustCompile(`\$\{[A-Z_]+:\?[^}]*\}|\$\(secret\)`)
	mounted      = regexp.MustCompile(`/(?:run/secrets|etc/stockfold)/[A-Za-z0-9./_-]+`)
)

// Every setting that a deployment gives is one that the binary has, and all of them together pass its own check.
func TestDeploymentsSettingsAreTheBinarysOwn(t *testing.T) {
	_, parser := newParser(streams{io.Discard, io.Discard})
	known := settingNames(parser.Model.Node)
	pair, peers := redistest.NewCertificates(t), redistest.NewCertificates(t, "stockfold-peers.stockfold.svc.cluster.local", "stockfold-1", "stockfold-2", "stockfold-3")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stands := map[string]string{"ca.crt": pair.CA, "stores-ca.crt": pair.CA, "tls.crt": pair.Cert, "node.crt": pair.Cert,
		"tls.key": pair.Key, "node.key": pair.Key, "password": password, "redis-password": password,
		"peers-ca.crt": peers.CA, "peers.crt": peers.Cert, "peers.key": peers.Key,
		"peers/ca.crt": peers.CA, "peers/tls.crt": peers.Cert, "peers/tls.key": peers.Key}
	for _, c := range nodes(t) {
		t.Run(c.where, func(t *testing.T) {
			for name, value := range c.env {
				setting, ours := strings.CutPrefix(name, "STOCKFOLD_")
				if !ours {
					continue
				}
				if flag := strings.ToLower(strings.ReplaceAll(setting, "_", "-")); !slices.Contains(known, flag) {
					t.Errorf("sets %s, and there is no setting %s", name, flag)
				}
				value = interpolated.ReplaceAllString(value, "0123456789abcdef")
				value = mounted.ReplaceAllStringFunc(value, func(file string) string {
					if !slices.Contains(c.files, file) && !slices.Contains(c.files, path.Dir(file)) {
						t.Errorf("%s names %s, which is not mounted", name, file)
					}
					if there := stands[path.Join(path.Base(path.Dir(file)), path.Base(file))]; there != "" {
						return there
					}
					if stands[path.Base(file)] == "" {
						t.Errorf("%s names %s, and the test has nothing to put there", name, file)
					}
					return stands[path.Base(file)]
				})
				t.Setenv(name, value)
			}
			if !slices.Equal(c.args, []string{"serve"}) {
				t.Errorf("runs %q", c.args)
			}
			config, err := settingsOf(t)
			if err != nil {
				t.Fatal(err)
			}
			if err := config.Check(); err != nil {
				t.Error(err)
			}
			if config.EventStore == "" || config.Redis == "" || len(config.KafkaBrokers) != 3 || config.Data != "/var/lib/stockfold" {
				t.Errorf("events in %q, availability in %q, brokers %q, data in %s", config.EventStore, config.Redis, config.KafkaBrokers, config.Data)
			}
			const limit, outside = 2048, 256 // MiB: the container's, and what Go does not know of
			if config.MemoryLimit+config.ViewCache+outside > limit {
				t.Errorf("memory of %d MiB and views of %d do not fit into %d MiB", config.MemoryLimit, config.ViewCache, limit)
			}
		})
	}
}

// What the settings name is in the same deployment, on the port that it listens on there.
func TestDeploymentsNameStoresThatAreThere(t *testing.T) {
	there := map[string]bool{}
	for name, c := range composed(t) {
		switch {
		case strings.HasPrefix(name, "kafka-"):
			there[name+":9092"] = c.env["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://"+name+":9092"
		case strings.HasPrefix(name, "eventstore-"):
			there[name+":2113"] = c.env["EVENTSTORE_NODE_HOST_ADVERTISE_AS"] == name && c.env["EVENTSTORE_NODE_PORT"] == "2113"
		case strings.HasPrefix(name, "redis-") && slices.Contains(c.args, "redis-server"):
			there[name+":"+redisPort(t)] = slices.Contains(c.args, name) // which it tells clients
		}
	}
	all := manifests(t)
	for name, port := range map[string]string{"eventstore": "2113", "kafka": "9092", "redis": redisPort(t)} {
		set := find(t, all, "StatefulSet", name)
		service := find(t, all, "Service", text(dig(set, "spec", "serviceName")))
		if !slices.ContainsFunc(items(dig(service, "spec", "ports")), func(p any) bool { return text(dig(p, "port")) == port }) {
			t.Errorf("Service %s has no port %s", name, port)
		}
		for i := range dig(set, "spec", "replicas").(int) {
			there[fmt.Sprintf("%s-%d.%s.stockfold.svc.cluster.local:%s", name, i, name, port)] = true
		}
	}
	for name := range peersThere(t) {
		there[name] = true
	}
	host := regexp.MustCompile(`[a-z0-9.-]+:[0-9]+`)
	for _, c := range nodes(t) {
		for name, value := range c.env {
			if !strings.HasPrefix(name, "STOCKFOLD_") || name == "STOCKFOLD_PEER_LISTEN" {
				continue
			}
			for _, h := range host.FindAllString(interpolated.ReplaceAllString(value, ""), -1) {
				if !there[h] {
					t.Errorf("%s: %s names %s, which is not in the deployment", c.where, name, h)
				}
			}
		}
	}
}

func redisPort(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^tls-port (\d+)$`).FindStringSubmatch(strings.Join(pageLines(t, k8sFolder+"/config/redis.conf"), "\n"))
	if found == nil {
		t.Fatal("redis.conf has no tls-port")
	}
	return found[1]
}

// The server takes what Stockfold may append at once, and Redis is not allowed to throw away.
func TestStoresAreSetAsStockfoldNeedsThem(t *testing.T) {
	sizes := 0
	check := func(c container) {
		if size, ok := c.env["EVENTSTORE_MAX_APPEND_SIZE"]; ok {
			sizes++
			if n, err := strconv.Atoi(size); err != nil || n < 16<<20 {
				t.Errorf("%s takes appends of %s bytes", c.where, size)
			}
		}
		if replicas, ok := c.env["KAFKA_DEFAULT_REPLICATION_FACTOR"]; ok && (replicas != "3" || c.env["KAFKA_MIN_INSYNC_REPLICAS"] != "2") {
			t.Errorf("%s keeps %s copies", c.where, replicas)
		}
	}
	for _, c := range composed(t) {
		check(c)
	}
	for _, o := range manifests(t) {
		for _, c := range podded(o) {
			check(c)
		}
	}
	if sizes != 4 {
		t.Errorf("%d of 4 say how much an append may hold", sizes)
	}
	conf := pageLines(t, k8sFolder+"/config/redis.conf")
	for _, line := range []string{"maxmemory-policy noeviction", "cluster-enabled yes", "port 0"} {
		if !slices.Contains(conf, line) {
			t.Errorf("redis.conf lacks %q", line)
		}
	}
}

// proxy is what nginx.conf says: where it listens, and the paths that it hands on there, to which address.
type proxy struct {
	listens map[string]map[string]string
}

func readProxy(t *testing.T) proxy {
	t.Helper()
	conf := strings.Join(pageLines(t, proxyFile), "\n")
	upstreams := map[string]string{}
	for _, m := range regexp.MustCompile(`upstream (\w+) \{\s+server ([0-9.:]+)`).FindAllStringSubmatch(conf, -1) {
		upstreams[m[1]] = m[2]
	}
	p := proxy{listens: map[string]map[string]string{}}
	for _, server := range strings.Split(conf, "\n  server {\n")[1:] {
		port := regexp.MustCompile(`listen (\d+)`).FindStringSubmatch(server)[1]
		p.listens[port] = map[string]string{}
		for _, m := range regexp.MustCompile(`location (?:= )?(\S+) \{[^}]*?(?:proxy_pass|grpc_pass) (?:http|grpc)://([\w.:]+)`).FindAllStringSubmatch(server, -1) {
			to := m[2]
			if upstreams[to] != "" {
				to = upstreams[to]
			}
			p.listens[port][m[1]] = to
		}
		if guarded := strings.Contains(server, "ssl_verify_client on"); guarded != (port == "9443" || port == "8443") {
			t.Errorf("port %s asks for a certificate: %v", port, guarded)
		}
	}
	return p
}

// The proxy stands in front of the addresses that the binary listens on by itself, and hands on what others need.
func TestTheProxyStandsInFrontOfTheBinary(t *testing.T) {
	c, err := settingsOf(t)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{
		"9443": {"/": c.GRPC}, "8443": {"/": c.REST}, "8081": {"/healthz": c.REST, "/readyz": c.REST}, "9465": {"/metrics": c.Metrics}}
	if got := readProxy(t).listens; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the proxy hands on %v, want %v", got, want)
	}
}

// Probes, Services, scrapes and policies name ports and paths that answer.
func TestPortsAndPathsAreServed(t *testing.T) {
	p, all := readProxy(t), manifests(t)
	n := startNode(t, testConfig(t))
	deployment := find(t, all, "Deployment", "stockfold")
	probed := 0
	for _, list := range []string{"initContainers", "containers"} {
		for _, x := range items(dig(podOf(deployment), list)) {
			for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
				get := dig(x, probe, "httpGet")
				if get == nil {
					continue
				}
				file, port := text(dig(get, "path")), text(dig(get, "port"))
				probed++
				if file == "/proxy-healthz" && port == "8081" {
					continue // the proxy itself answers
				}
				if p.listens[port][file] == "" {
					t.Errorf("%s asks for %s on port %s, which the proxy does not hand on", probe, file, port)
				}
				getURL(t, "http://"+n.REST+file)
			}
		}
	}
	if probed != 5 {
		t.Errorf("%d probes found", probed)
	}
	notes := dig(deployment, "spec", "template", "metadata", "annotations")
	port, file := text(dig(notes, "prometheus.io/port")), text(dig(notes, "prometheus.io/path"))
	if p.listens[port][file] == "" {
		t.Errorf("Prometheus is told of %s on port %s, which the proxy does not hand on", file, port)
	}
	getURL(t, "http://"+n.Metrics+file)

	ports := map[string]string{}
	for _, x := range items(dig(podOf(deployment), "initContainers", 0, "ports")) {
		number := text(dig(x, "containerPort"))
		if p.listens[number] == nil {
			t.Errorf("the proxy does not listen on port %s", number)
		}
		ports[text(dig(x, "name"))] = number
	}
	for _, x := range items(dig(podOf(deployment), "containers", 0, "ports")) {
		ports[text(dig(x, "name"))] = text(dig(x, "containerPort"))
	}
	for _, name := range []string{"stockfold", "stockfold-each", "stockfold-peers"} {
		for _, x := range items(dig(find(t, all, "Service", name), "spec", "ports")) {
			if ports[text(dig(x, "targetPort"))] != text(dig(x, "port")) {
				t.Errorf("Service %s: port %v leads to %v", name, dig(x, "port"), dig(x, "targetPort"))
			}
		}
	}
	for _, rule := range items(dig(find(t, all, "NetworkPolicy", "stockfold"), "spec", "ingress")) {
		for _, x := range items(dig(rule, "ports")) {
			if port := text(dig(x, "port")); p.listens[port] == nil && port != ports["peers"] {
				t.Errorf("the policy lets in port %v, on which nothing listens", dig(x, "port"))
			}
		}
	}
	for _, x := range items(dig(documents(t, composeFile)[0], "services", "pod-1", "ports")) {
		if _, inside, _ := strings.Cut(text(x), ":"); p.listens[inside] == nil {
			t.Errorf("Compose offers port %s, on which nothing listens", inside)
		}
	}
}

func getURL(t *testing.T, url string) { t.Helper(); get(t, url) }

// Whoever stops a replica gives it the time that it takes.
func TestReplicasHaveTimeToStop(t *testing.T) {
	pod := podOf(find(t, manifests(t), "Deployment", "stockfold"))
	sleep, _ := dig(pod, "containers", 0, "lifecycle", "preStop", "sleep", "seconds").(int)
	grace := time.Duration(dig(pod, "terminationGracePeriodSeconds").(int)) * time.Second
	if need := time.Duration(sleep)*time.Second + stopTimeout + 10*time.Second; sleep == 0 || grace < need {
		t.Errorf("Kubernetes gives %v, needed are %v", grace, need)
	}
	for name, s := range documents(t, composeFile)[0]["services"].(object) {
		if grace, err := time.ParseDuration(text(dig(s, "stop_grace_period"))); strings.HasPrefix(name, "stockfold-") && (err != nil || grace <= stopTimeout) {
			t.Errorf("Compose gives %s %v: %v", name, grace, err)
		}
	}
	for _, c := range composed(t) {
		if strings.HasPrefix(c.image, "stockfold") && c.env["STOCKFOLD_KAFKA_BROKERS"] == "" {
			t.Errorf("%s has no brokers", c.where)
		}
	}
}

// The health check of Compose calls a method that there is, and that is refused until the node is ready.
func TestComposeAsksWhetherANodeIsReady(t *testing.T) {
	for name, s := range documents(t, composeFile)[0]["services"].(object) {
		if !strings.HasPrefix(name, "stockfold-") {
			continue
		}
		check := texts(dig(s, "healthcheck", "test"))
		if len(check) < 4 || check[1] != "/stockfold" || check[2] != "call" || strings.HasPrefix(check[3], "Operations") {
			t.Fatalf("%s is asked by %q", name, check)
		}
		n := startNode(t, testConfig(t))
		var out strings.Builder
		args := slices.Insert(slices.Clone(check[2:]), 1, "--grpc", n.GRPC)
		if code := run(t.Context(), args, streams{&out, &out}); code != 0 {
			t.Errorf("%q ends with %d: %s", check, code, &out)
		}
		return
	}
	t.Error("Compose has no replicas")
}

// pinned is an image whose tag names one version, not what is newest.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?([.-][a-z0-9.-]+)?$`)

func TestImagesArePinned(t *testing.T) {
	images := map[string]string{}
	for _, c := range composed(t) {
		images[c.where] = c.image
	}
	tags := documents(t, k8sFolder+"/kustomization.yaml")[0]["images"]
	for _, o := range manifests(t) {
		for _, c := range podded(o) {
			for _, x := range items(tags) {
				if dig(x, "name") == c.image {
					c.image += ":" + text(dig(x, "newTag"))
				}
			}
			images[c.where] = c.image
		}
	}
	build := pageLines(t, "deploy/Containerfile")
	for _, line := range build {
		if from, ok := strings.CutPrefix(line, "FROM "); ok && from != "scratch" {
			images["Containerfile"], _, _ = strings.Cut(from, " ")
		}
	}
	for where, image := range images {
		if !pinned.MatchString(image) {
			t.Errorf("%s: image %q is not of one version", where, image)
		}
	}
	if len(images) < 25 || !strings.HasPrefix(images["Containerfile"], "golang:1.26.") || !slices.Contains(build, "USER 65532:65532") {
		t.Errorf("images are %v", images)
	}
	_, parser := newParser(streams{io.Discard, io.Discard})
	for _, m := range regexp.MustCompile(`STOCKFOLD_([A-Z_]+)=`).FindAllStringSubmatch(strings.Join(build, "\n"), -1) {
		if flag := strings.ToLower(strings.ReplaceAll(m[1], "_", "-")); !slices.Contains(settingNames(parser.Model.Node), flag) {
			t.Errorf("Containerfile sets %s, and there is no such setting", flag)
		}
	}
}

// A secret is named, never written down.
func TestNoSecretIsInAManifest(t *testing.T) {
	named, inURL := regexp.MustCompile(`PASSWORD|SECRET|TOKEN|CREDENTIAL|CLUSTER_ID`), regexp.MustCompile(`//[^/@:]*:([^@/]*)@`)
	check := func(c container) {
		for name, value := range c.env {
			if named.MatchString(name) && !interpolated.MatchString(value) {
				t.Errorf("%s: %s is %q", c.where, name, value)
			}
			if m := inURL.FindStringSubmatch(value); m != nil && !interpolated.MatchString(m[1]) {
				t.Errorf("%s: %s has a password in it", c.where, name)
			}
		}
	}
	page := strings.Join(pageLines(t, "deploy/README.md"), "\n")
	for _, c := range composed(t) {
		check(c)
	}
	compose := documents(t, composeFile)[0]
	for name, s := range compose["secrets"].(object) {
		if file := text(dig(s, "file")); len(s.(object)) != 1 || !strings.HasPrefix(file, "${STOCKFOLD_SECRETS:?") {
			t.Errorf("secret %s is in %q", name, file)
		}
	}
	for _, o := range manifests(t) {
		if o["kind"] == "Secret" {
			t.Errorf("Secret %s is in a manifest", dig(o, "metadata", "name"))
		}
		for _, c := range podded(o) {
			check(c)
		}
		for _, v := range items(dig(podOf(o), "volumes")) {
			if name := text(dig(v, "secret", "secretName")); name != "" && !strings.Contains(page, "`"+name+"`") {
				t.Errorf("deploy/README.md does not say how secret %s is made", name)
			}
		}
	}
}

// Kubernetes tells containers of Services in the environment; STOCKFOLD_PORT is none of our settings, and EventStoreDB
// refuses what it does not know.
func TestServicesDoNotBecomeSettings(t *testing.T) {
	for _, o := range manifests(t) {
		if pod := podOf(o); pod != nil && pod["enableServiceLinks"] != false {
			t.Errorf("%s %s leaves enableServiceLinks on", o["kind"], dig(o, "metadata", "name"))
		}
	}
}

// Every pod runs without rights, and every one of a set has a budget.
func TestPodsAreContained(t *testing.T) {
	all := manifests(t)
	for _, o := range all {
		pod := podOf(o)
		if pod == nil {
			continue
		}
		name := text(dig(o, "metadata", "name"))
		if dig(pod, "securityContext", "runAsNonRoot") != true || pod["automountServiceAccountToken"] != false {
			t.Errorf("%s may run as root, or call Kubernetes", name)
		}
		for _, list := range []string{"initContainers", "containers"} {
			for _, x := range items(pod[list]) {
				if dig(x, "securityContext", "allowPrivilegeEscalation") != false || dig(x, "resources", "limits", "memory") == nil {
					t.Errorf("%s, container %v is not bounded", name, dig(x, "name"))
				}
			}
		}
		if o["kind"] != "CronJob" {
			budget := find(t, all, "PodDisruptionBudget", name)
			if dig(budget, "spec", "maxUnavailable") != 1 || dig(budget, "spec", "selector", "matchLabels", "app") != name {
				t.Errorf("the disruption budget of %s is %v", name, budget["spec"])
			}
		}
	}
}

// busyMetrics runs a node that keeps its own events, and one that shares an event store, gives both something of each kind to
// do, and returns the names of what each exports.
func busyMetrics(t *testing.T) (alone, shared map[string]bool) {
	t.Helper()
	first := testConfig(t)
	n := startNode(t, first)
	connection, _ := eventStore(t, "--data", t.TempDir())
	second := testConfig(t)
	second.EventStore, second.KafkaBrokers = eventstoredb.URL(connection), n.Brokers
	m := startNode(t, second)
	for i, x := range []*node.Node{n, m} {
		for _, args := range [][]string{
			{"call", "--grpc", x.GRPC, "PolicyService/PutLocation", `{"location": {"locationId": "berlin"}}`},
			{"publish", "--kafka-brokers", n.Brokers[0], "movement", "--source", "wms", "--id", fmt.Sprint("a", i), `{"sku": "milk", "location": "berlin", "quantity": 4, "received": {}}`},
			{"publish", "--kafka-brokers", n.Brokers[0], "movement", "--source", "wms", "--id", fmt.Sprint("b", i), `{"sku": "milk", "location": "nowhere", "quantity": 4, "received": {}}`},
		} {
			var out strings.Builder
			if code := run(t.Context(), args, streams{&out, &out}); code != 0 {
				t.Fatalf("%q ends with %d: %s", args, code, &out)
			}
		}
		snapshot := filepath.Join(t.TempDir(), "erp.csv")
		if err := os.WriteFile(snapshot, []byte("sku,location,quantity,unit_cost,currency\ntea,berlin,3,199,EUR\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if code := run(t.Context(), []string{"reconcile", snapshot, "--grpc", x.GRPC, "--source", fmt.Sprint("erp", i), "--as-of", "2017-01-01T00:00:00Z"},
			streams{&out, &out}); code != exitDiffers || !strings.Contains(out.String(), "tea at berlin: the source says 3, held 0: unexplained") {
			t.Fatalf("reconcile ends with %d: %s", code, &out)
		}
		get(t, "http://"+x.REST+"/v1/status")
	}
	return exported(t, n), exported(t, m)
}

// exported waits until a node has a series of every kind, and returns the names.
func exported(t *testing.T, n *node.Node) map[string]bool {
	t.Helper()
	name := regexp.MustCompile(`(?m)^([a-z_0-9]+)[ {]`)
	for began := time.Now(); ; {
		names := map[string]bool{}
		for _, m := range name.FindAllStringSubmatch(get(t, "http://"+n.Metrics+"/metrics"), -1) {
			names[m[1]] = true
		}
		if names["stockfold_dead_letters_kept_total"] && names["stockfold_source_facts_total"] && names["stockfold_ingest_lag_messages"] {
			return names
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("only these are exported: %q", slices.Sorted(maps.Keys(names)))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// spoken are the words of PromQL that the rules and the dashboard use; whatever else is a word is the name of a metric.
var spoken = strings.Fields(`sum min max count by without on and or absent rate increase changes deriv offset histogram_quantile max_over_time min_over_time`)

// metricsOf gives the names of the metrics in an expression.
func metricsOf(expression string) (names []string) {
	for _, gone := range []string{`\{[^}]*\}`, `\[[^\]]*\]`, `(by|on|without) *\([^)]*\)`, `\d+[smhd]\b`, `\b\d+e\d+`} {
		expression = regexp.MustCompile(gone).ReplaceAllString(expression, " ")
	}
	for _, word := range regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*`).FindAllString(expression, -1) {
		if !slices.Contains(spoken, word) {
			names = append(names, word)
		}
	}
	return names
}

func TestAlertsAndDashboardUseMetricsThatThereAre(t *testing.T) {
	alone, shared := busyMetrics(t)
	page := strings.Join(pageLines(t, "deploy/README.md"), "\n")
	alerts := 0
	for _, g := range items(documents(t, "deploy/alerts.yaml")[0]["groups"]) {
		embedded := dig(g, "name") == "stockfold-embedded"
		for _, rule := range items(dig(g, "rules")) {
			name := text(dig(rule, "alert"))
			alerts++
			used := metricsOf(text(dig(rule, "expr")))
			for _, metric := range used {
				if !alone[metric] || !embedded && !shared[metric] {
					t.Errorf("alert %s asks for %s, which is not exported", name, metric)
				}
			}
			if len(used) == 0 || dig(rule, "annotations", "summary") == nil || !slices.Contains([]string{"page", "ticket"}, text(dig(rule, "labels", "severity"))) {
				t.Errorf("alert %s lacks a metric, a summary or a severity", name)
			}
			if !strings.Contains(page, "| "+name+" |") {
				t.Errorf("deploy/README.md does not say what to do about %s", name)
			}
		}
	}
	var board struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(strings.Join(pageLines(t, "deploy/dashboard.json"), "\n")), &board); err != nil {
		t.Fatal(err)
	}
	embedded, shown, ids := false, map[string]bool{}, map[int]bool{}
	for _, p := range board.Panels {
		embedded = embedded || p.Type == "row" && strings.Contains(p.Title, "embedded")
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q has the id of another, or does not fit", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			for _, metric := range metricsOf(target.Expr) {
				shown[metric] = true
				if !alone[metric] || !embedded && !shared[metric] {
					t.Errorf("panel %q shows %s, which is not exported", p.Title, metric)
				}
			}
		}
	}
	if alerts < 20 || len(shown) < 30 {
		t.Errorf("%d alerts, and %d metrics shown", alerts, len(shown))
	}
}

// The URLs hide their passwords, also where they are in the environment of a container.
func TestDeployedURLsDoNotShowPasswords(t *testing.T) {
	for _, c := range nodes(t) {
		u := eventstoredb.URL(interpolated.ReplaceAllString(c.env["STOCKFOLD_EVENTSTORE"], "hush"))
		if parsed, err := url.Parse(string(u)); err != nil || parsed.User == nil || strings.Contains(u.String(), "hush") {
			t.Errorf("%s is printed as %s: %v", c.where, u, err)
		}
	}
}
