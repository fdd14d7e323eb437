package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stockfold/stockfold/adapters/kafka/kafkatest"
	"github.com/stockfold/stockfold/services/ingest"
)

// oneTopic is a configuration for a node that has the topic.
func oneTopic(t *testing.T, n *kafkatest.Node, partitions int) Config {
	t.Helper()
	c := Config{Brokers: []string{n.Addr}}
	if err := EnsureTopics(t.Context(), c, Topic{Name: topic, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIntegrationTLSAndSASL(t *testing.T) {
	n := kafkatest.StartSecure(t)
	oneTopic(t, n.Node, 1)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(kafkatest.MemberPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	user := Security{Username: kafkatest.Member, PasswordFile: password}
	sent := 0
	for _, c := range []struct {
		listener, mechanism string
		tls                 bool
	}{
		{kafkatest.SASL, MechanismPlain, false}, {kafkatest.SASL, MechanismScramSHA256, false}, {kafkatest.SASL, MechanismScramSHA512, false},
		{kafkatest.SASLTLS, MechanismPlain, true}, {kafkatest.SASLTLS, MechanismScramSHA256, true}, {kafkatest.SASLTLS, MechanismScramSHA512, true},
		{kafkatest.MutualTLS, "", true},
	} {
		s := Security{}
		if c.mechanism != "" {
			s = user
			s.Mechanism = c.mechanism
		} else {
			s.CertFile, s.KeyFile = n.Cert, n.Key
		}
		if c.tls {
			s.CAFile = n.CA
		}
		t.Run(c.listener+" "+c.mechanism, func(t *testing.T) {
			config := Config{Brokers: []string{n.Listener(c.listener)}}
			if err := config.Secure(s); err != nil {
				t.Fatal(err)
			}
			publish(t, newProducer(t, config), "k", c.mechanism)
			sent++
			all := &holders{by: map[int32]int{}}
			m := join(t, config, all) // the group's connections are made in another way than those of requests
			m.await(t, 1)
			m.stop()
			<-m.done
			x := newConsumer(t, config)
			if got, _ := fetchAll(t, x, 0, int64(sent-1), 1); string(got[0].Value) != c.mechanism {
				t.Errorf("got %s", got[0].Value)
			}
			if b, err := x.Partition(topic, 0).Bounds(t.Context()); err != nil || b.LogID == "" || b.End != int64(sent) {
				t.Errorf("bounds %+v, %v", b, err)
			}
		})
	}
}

// What is wrong is said, and the password is not.
func TestIntegrationRefusedConnectionsAreExplained(t *testing.T) {
	n := kafkatest.StartSecure(t)
	const wrong = "wrong horse"
	other := kafkatest.Authority(t)
	const hint = "do TLS and SASL fit its listener?"
	for _, c := range []struct {
		listener string
		Security
		says string
	}{
		{kafkatest.SASL, Security{Mechanism: MechanismScramSHA512, Username: kafkatest.Member, Password: wrong}, "SASL Authentication Failed"},
		{kafkatest.SASLTLS, Security{CAFile: other, Mechanism: MechanismPlain, Username: kafkatest.Member, Password: wrong}, "certificate signed by unknown authority"},
		{kafkatest.MutualTLS, Security{CAFile: n.CA}, "certificate"},
		{kafkatest.SASL, Security{TLS: true}, hint},
		{kafkatest.SASL, Security{}, hint},
		{kafkatest.SASLTLS, Security{}, hint},
	} {
		config := Config{Brokers: []string{n.Listener(c.listener)}}
		if err := config.Secure(c.Security); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		x := newConsumer(t, config)
		heard := make(chan error, 100)
		go func() {
			_ = x.Run(ctx, nil, func(err error) {
				select {
				case heard <- err:
				default:
				}
			})
			close(heard)
		}()
		err := <-heard
		cancel()
		for range heard {
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %+v: got %v, want %q", c.listener, c.Security, err, c.says)
		}
		if err := EnsureTopics(t.Context(), config, Topic{Name: topic}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %+v: topics: got %v, want %q", c.listener, c.Security, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), wrong) {
			t.Errorf("the password is told: %v", err)
		}
	}
}

func TestIntegrationTopicsAreCreatedWhereAllowed(t *testing.T) {
	n := kafkatest.StartSecure(t)
	log := &bytes.Buffer{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })

	guest := Config{Brokers: []string{n.Listener(kafkatest.SASL)}}
	if err := guest.Secure(Security{Mechanism: MechanismScramSHA256, Username: kafkatest.Guest, Password: kafkatest.GuestPassword}); err != nil {
		t.Fatal(err)
	}
	if err := EnsureTopics(t.Context(), guest, Topic{Name: topic, Retention: time.Hour}); err != nil {
		t.Errorf("not being allowed is no reason to fail: %v", err)
	}
	for _, want := range []string{"may not create it", "create it, and reading begins by itself", "topic=" + topic, "partitions=8", "replicas=1", "retention=1h0m0s"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
	owner := Config{Brokers: []string{n.Addr}}
	m := join(t, owner, &holders{by: map[int32]int{}}) // before there is anything to read
	for !m.heard("topics are missing: create t, and reading begins by itself") {
		<-m.changed
	}
	if err := EnsureTopics(t.Context(), owner, Topic{Name: topic, Retention: time.Hour}); err != nil {
		t.Fatal(err)
	}
	m.await(t, DefaultPartitions)
	if m.heard("missing") {
		t.Error("the trouble is over, but still told")
	}
	for name, want := range map[string]string{"cleanup.policy": "delete", "retention.ms": "3600000", "min.insync.replicas": "1"} {
		if got := settingOf(t, owner, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if err := EnsureTopics(t.Context(), owner, Topic{Name: "wide", Replication: 3}); err == nil || !strings.Contains(err.Error(), "with 3 replicas") {
		t.Errorf("more replicas than brokers: %v", err)
	}
}

func settingOf(t *testing.T, c Config, name string) string {
	t.Helper()
	r := kmsg.NewPtrDescribeConfigsRequest()
	of := kmsg.NewDescribeConfigsRequestResource()
	of.ResourceType, of.ResourceName, of.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{name}
	r.Resources = append(r.Resources, of)
	answer, err := r.RequestWith(t.Context(), admin(t, c))
	if err != nil || len(answer.Resources) != 1 || len(answer.Resources[0].Configs) != 1 {
		t.Fatalf("setting %s: %+v, %v", name, answer, err)
	}
	return *answer.Resources[0].Configs[0].Value
}

// A commit is for the tools of the log: it is refused for a member that lost its partition, and never waits beyond its
// context.
func TestIntegrationCommits(t *testing.T) {
	n := kafkatest.Start(t, kafkatest.Options{})
	c := oneTopic(t, n, 1)
	publish(t, newProducer(t, c), "k", "a", "b", "c")
	parts := make(chan ingest.Partition, 10)
	x := newConsumer(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- x.Run(ctx, func(ctx context.Context, p ingest.Partition) {
			parts <- p
			<-ctx.Done()
		}, func(error) {})
	}()
	p := <-parts
	if err := p.Commit(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	committed, err := x.client.OffsetFetch(t.Context(), &kafkago.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{topic: {0}}})
	if err != nil || committed.Topics[topic][0].CommittedOffset != 2 {
		t.Errorf("committed %+v, %v", committed, err)
	}
	n.Freeze()
	short, end := context.WithCancel(t.Context())
	refused := make(chan error)
	go func() { refused <- p.Commit(short, 3) }()
	end()
	if err := <-refused; !errors.Is(err, context.Canceled) {
		t.Errorf("commit to a frozen broker: %v", err)
	}
	n.Thaw()
	cancel()
	<-done
	if err := p.Commit(t.Context(), 3); err == nil {
		t.Error("a member that left could still commit")
	}
}

// A message counts as published once it is acknowledged: all of these are there after the broker was killed, those of one
// key in their order.
func TestIntegrationTheProducerOutlivesTheBroker(t *testing.T) {
	n := kafkatest.Start(t, kafkatest.Options{})
	c := oneTopic(t, n, 2)
	p, x := newProducer(t, c), newConsumer(t, c)
	failed := 0
	send := func(i int) {
		for {
			if err := p.Publish(t.Context(), []Message{{Topic: topic, Key: []byte("k"), Value: []byte(fmt.Sprint(i))}}); err == nil {
				return
			}
			failed++
		}
	}
	for i := range 300 {
		if i == 100 {
			n.Kill()
			if err := p.Publish(t.Context(), []Message{{Topic: topic, Key: []byte("k"), Value: []byte("100")}}); err == nil {
				t.Error("a message was acknowledged by a dead broker")
			}
			n.Restart()
		}
		send(i)
	}
	for id := range int32(2) {
		b, err := x.Partition(topic, id).Bounds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		messages, _ := fetchAllIf(t, x, id, int(b.End))
		next := 0
		for _, m := range messages {
			switch string(m.Value) {
			case fmt.Sprint(next):
				next++
			case fmt.Sprint(next - 1): // written twice: its acknowledgement was lost
			default:
				t.Fatalf("%s comes where %d was due", m.Value, next)
			}
		}
		if len(messages) > 0 && next != 300 {
			t.Errorf("%d messages, want 300", next)
		}
	}
}
