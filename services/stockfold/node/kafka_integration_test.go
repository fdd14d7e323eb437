package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/adapters/kafka/kafkatest"
	"github.com/stockfold/stockfold/services/ingest"
)

// patience bounds waiting for what must come; no test depends on how long it takes.
const patience = 30 * time.Second

// text is a log that tests look into.
type text struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.all.Write(p)
}

func (x *text) has(s string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Contains(x.all.String(), s)
}

// awaitMetric waits until the node's metrics have a line.
func awaitMetric(t *testing.T, n *Node, line string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		page, err := metricsOf(t.Context(), n)
		if err == nil && strings.Contains(page, "\n"+line+"\n") {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no line %q in the metrics (%v):\n%s", line, err, page)
		}
	}
}

func metricsOf(ctx context.Context, n *Node) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Metrics+"/metrics", nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	return string(page), err
}

// The whole process on a Kafka that wants TLS and a user: it creates its topics, takes in, tells of what the log deleted before
// it was read, and tells nobody the password.
func TestIntegrationAProcessOnASecureKafka(t *testing.T) {
	broker := kafkatest.StartSecure(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(kafkatest.MemberPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	c := valid(t)
	c.AcceptUnknownLocations = true
	c.KafkaBrokers, c.KafkaTLSCA = []string{broker.Listener(kafkatest.SASLTLS)}, broker.CA
	c.KafkaSASLMechanism, c.KafkaUsername, c.KafkaPasswordFile = kafka.MechanismScramSHA512, kafkatest.Member, password
	log := &text{}
	begin := func() (n *Node, stop func()) {
		t.Helper()
		n, err := Start(t.Context(), c, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		stop = func() {
			once.Do(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := n.Close(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		t.Cleanup(stop)
		return n, stop
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)

	n, stop := begin()
	for _, topic := range []string{ingest.TopicMovements, ingest.TopicSales, ingest.TopicOrders} {
		for partition := range kafka.DefaultPartitions {
			awaitMetric(t, n, fmt.Sprintf(`stockfold_ingest_lag_messages{partition="%d",topic="%s"} 0`, partition, topic))
		}
	}
	receive(t, client, "m1")
	awaitMetric(t, n, "stockfold_ingest_facts_total 1")
	stop()

	for _, id := range []string{"m2", "m3", "m4"} {
		receive(t, client, id)
	}
	deleteRecords(t, client, 3) // m2 and m3 are gone
	n, stop = begin()
	awaitMetric(t, n, "stockfold_ingest_facts_total 1") // m4
	awaitMetric(t, n, "stockfold_ingest_lost_total 2")
	awaitMetric(t, n, "stockfold_dead_letters_open 1")
	if !log.has("reason=MESSAGES_LOST") {
		t.Error("the log says nothing of the messages that are lost")
	}
	broker.Kill()
	stop() // while nobody answers
	if log.has(kafkatest.MemberPassword) {
		t.Error("the log tells the password")
	}
}

// receive publishes a receipt of one unit.
func receive(t *testing.T, client *kgo.Client, id string) {
	t.Helper()
	r := &kgo.Record{Topic: ingest.TopicMovements, Value: []byte(`{"sku":"milk","location":"berlin","quantity":1,"received":{}}`)}
	for key, value := range map[string]string{"ce_specversion": "1.0", "ce_id": id, "ce_source": "wms", "ce_type": ingest.TypeMovement,
		"ce_time": time.Now().UTC().Format(time.RFC3339), "content-type": "application/json"} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func deleteRecords(t *testing.T, client *kgo.Client, before int64) {
	t.Helper()
	r := kmsg.NewPtrDeleteRecordsRequest()
	of := kmsg.NewDeleteRecordsRequestTopic()
	of.Topic = ingest.TopicMovements
	at := kmsg.NewDeleteRecordsRequestTopicPartition()
	at.Offset = before
	of.Partitions = append(of.Partitions, at)
	r.Topics = append(r.Topics, of)
	if _, err := r.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}
