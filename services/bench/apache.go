package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// NoApacheKafka as Options.KafkaLibs has the embedded broker used even where Apache Kafka is to be had.
const NoApacheKafka = "-"

// apacheKafka is where an Apache Kafka is.
type apacheKafka struct{ java, libs, version string }

const (
	kafkaCore      = "kafka_2.13-" // the jar whose name tells the version
	kafkaClusterID = "c3RvY2tmb2xkLWJlbmNoLTE"
	kafkaHeap      = "-Xmx512m"
)

// findApacheKafka finds Kafka's jars in a directory, or without one where make test-integration keeps what it fetched.
func findApacheKafka(libs string) (a apacheKafka, err error) {
	if libs == NoApacheKafka {
		return a, errors.New("the run was to do without")
	}
	if a.java, err = exec.LookPath("java"); err != nil {
		return a, errors.New("java is not installed here")
	}
	places := []string{libs}
	if libs == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return a, err
		}
		places, _ = filepath.Glob(filepath.Join(cache, "stockfold", "kafka-*"))
		slices.Sort(places)
	}
	for _, p := range places {
		found, _ := filepath.Glob(filepath.Join(p, kafkaCore+"*.jar"))
		if len(found) > 0 {
			a.libs = p
			a.version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), kafkaCore), ".jar")
		}
	}
	if a.libs == "" {
		return a, fmt.Errorf("its jars are not in %s; make test-integration fetches them", strings.Join(append(places, ""), " "))
	}
	return a, nil
}

// prepare makes the directory of one node, broker and controller in one, and returns how it is started.
func (a apacheKafka) prepare(ctx context.Context, dir, address, controller string) (args []string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	properties := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(properties, []byte(kafkaProperties(dir, address, controller)), 0o600); err != nil {
		return nil, err
	}
	format := exec.CommandContext(ctx, a.java, a.run("kafka.tools.StorageTool", "format", "-t", kafkaClusterID, "-c", properties)...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format Apache Kafka's directory: %w: %s", err, out)
	}
	return a.run("kafka.Kafka", properties), nil
}

// run are the arguments of a Java machine that runs one of Kafka's programs.
func (a apacheKafka) run(args ...string) []string {
	return append([]string{kafkaHeap, "-XX:+UseSerialGC", "-Xshare:auto", "-Dlog4j2.level=WARN", "-cp", filepath.Join(a.libs, "*")}, args...)
}

// kafkaProperties are a node's own settings but for where it is: acknowledged is what all replicas have, of which there is one.
func kafkaProperties(dir, address, controller string) string {
	return strings.Join([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@" + controller,
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAIN",
		"listeners=PLAIN://" + address + ",CONTROLLER://" + controller,
		"listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "log"), "auto.create.topics.enable=false", "group.initial.rebalance.delay.ms=0",
		"offsets.topic.num.partitions=1", "offsets.topic.replication.factor=1",
		"transaction.state.log.num.partitions=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "",
	}, "\n")
}
