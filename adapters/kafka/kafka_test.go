package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stockfold/stockfold/adapters/broker"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/publication"
)

const topic = "t"

// patience bounds waiting for what must come; no test depends on how long it takes.
const patience = 30 * time.Second

func startBroker(t *testing.T, partitions int) Config {
	t.Helper()
	b, err := broker.Start(broker.Options{
		Dir: t.TempDir(), Addr: "127.0.0.1:0", NoSync: true, Topics: []broker.Topic{{Name: topic, Partitions: partitions}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return Config{Brokers: []string{b.Addr()}}
}

func newConsumer(t *testing.T, c Config) *Consumer {
	t.Helper()
	x, err := NewConsumer(c, "g", topic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func newProducer(t *testing.T, c Config) *Producer {
	t.Helper()
	p, err := NewProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func publish(t *testing.T, p *Producer, key string, values ...string) {
	t.Helper()
	var messages []Message
	for _, v := range values {
		messages = append(messages, Message{Topic: topic, Key: []byte(key), Value: []byte(v)})
	}
	if err := p.Publish(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
}

// fetchAll reads n messages of a partition from an offset on.
func fetchAll(t *testing.T, x *Consumer, id int32, offset int64, n int) ([]ingest.Message, ingest.Fetched) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p := &partition{consumer: x, topic: topic, id: id}
	var all []ingest.Message
	for {
		f, err := p.Fetch(ctx, offset)
		if err != nil {
			t.Fatalf("fetch from %d: %v", offset, err)
		}
		all, offset = append(all, f.Messages...), f.Next
		if len(all) >= n {
			return all, f
		}
	}
}

func TestMessagesComeAsTheyWerePublished(t *testing.T) {
	c := startBroker(t, 1)
	p, x := newProducer(t, c), newConsumer(t, c)
	before := time.Now().Add(-time.Minute)
	want := []Message{
		{Topic: topic, Key: []byte("k"), Value: []byte("v1")},
		{Topic: topic, Key: []byte("k"), Value: []byte("v2"), Headers: []publication.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}}},
		{Topic: topic, Key: []byte("k")},
	}
	if err := p.Publish(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, f := fetchAll(t, x, 0, 0, len(want))
	for i, m := range got {
		if m.Offset != int64(i) || m.Topic != topic || string(m.Key) != "k" || string(m.Value) != string(want[i].Value) {
			t.Errorf("message %d is %+v", i, m)
		}
		if len(m.Headers) != len(want[i].Headers) {
			t.Errorf("message %d has headers %v", i, m.Headers)
		}
		if m.Time.Time().Before(before) {
			t.Errorf("message %d has time %v", i, m.Time.Time())
		}
	}
	if got[1].Headers[1].Key != "h" || string(got[1].Headers[1].Value) != "2" {
		t.Errorf("headers %v", got[1].Headers)
	}
	if f.Next != 3 || f.Start != 0 || f.End != 3 {
		t.Errorf("ends of the log: %+v", f)
	}
	if rest, _ := fetchAll(t, x, 0, 1, 2); rest[0].Offset != 1 {
		t.Errorf("from offset 1 on the first is %d: the start of a batch must be left out", rest[0].Offset)
	}
}

func TestOneKeyGoesToOnePartitionAndKeepsItsOrder(t *testing.T) {
	c := startBroker(t, 4)
	p, x := newProducer(t, c), newConsumer(t, c)
	counts := map[string]int{}
	for i := range 30 {
		key := fmt.Sprint("sku", i%10)
		publish(t, p, key, fmt.Sprint(counts[key]))
		counts[key]++
	}
	seen, total := map[string]int{}, 0
	for id := range int32(4) {
		b, err := (&partition{consumer: x, topic: topic, id: id}).Bounds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		messages, _ := fetchAllIf(t, x, id, int(b.End))
		for _, m := range messages {
			if string(m.Value) != fmt.Sprint(seen[string(m.Key)]) {
				t.Errorf("message %s of key %s comes after %d others of it", m.Value, m.Key, seen[string(m.Key)])
			}
			seen[string(m.Key)]++
			total++
		}
	}
	if total != 30 {
		t.Errorf("%d messages, want 30", total)
	}
	// What Java's clients do: the hash without its sign, modulo the number of partitions. These are vectors of
	// org.apache.kafka.common.utils.UtilsTest.
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-longer-string": -1486304829} {
		want := int(uint32(hash) & 0x7fffffff % 4)
		if got := (kafkago.Murmur2Balancer{}).Balance(kafkago.Message{Key: []byte(key)}, 0, 1, 2, 3); got != want {
			t.Errorf("key %q goes to partition %d, want %d", key, got, want)
		}
	}
}

func fetchAllIf(t *testing.T, x *Consumer, id int32, n int) ([]ingest.Message, ingest.Fetched) {
	if n == 0 {
		return nil, ingest.Fetched{}
	}
	return fetchAll(t, x, id, 0, n)
}

func TestOffsetsOutsideTheLogAreErrors(t *testing.T) {
	c := startBroker(t, 1)
	p, x := newProducer(t, c), newConsumer(t, c)
	publish(t, p, "k", "a", "b", "c")
	deleteBefore(t, c, 2)
	part := &partition{consumer: x, topic: topic}
	for _, offset := range []int64{0, 1, 4, 100} {
		if _, err := part.Fetch(t.Context(), offset); !errors.Is(err, ingest.ErrOffsetOutOfRange) {
			t.Errorf("fetch from %d: %v, want ErrOffsetOutOfRange", offset, err)
		}
	}
	b, err := part.Bounds(t.Context())
	if err != nil || b.Start != 2 || b.End != 3 || b.LogID == "" {
		t.Errorf("bounds %+v, %v", b, err)
	}
	if got, _ := fetchAll(t, x, 0, 2, 1); string(got[0].Value) != "c" {
		t.Errorf("first message left is %s", got[0].Value)
	}
}

func TestAnotherTopicOfTheNameHasAnotherIdentity(t *testing.T) {
	c := startBroker(t, 1)
	x := newConsumer(t, c)
	part := &partition{consumer: x, topic: topic}
	before, err := part.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := part.Bounds(t.Context())
	if err != nil || again.LogID != before.LogID {
		t.Errorf("identity %q, then %q: %v", before.LogID, again.LogID, err)
	}
	recreate(t, c)
	after := boundsOf(t, part)
	if after.LogID == before.LogID || after.LogID == "" {
		t.Errorf("identity %q before and %q after the topic was created anew", before.LogID, after.LogID)
	}
}

// boundsOf asks until the client has learnt of a topic that was just made.
// A topic that is just being made anew has no identity for a moment; that is not the same as a broker that tells none.
func TestATopicThatIsNotThereHasNoIdentity(t *testing.T) {
	x := newConsumer(t, startBroker(t, 1))
	if id, err := x.identity.topic(t.Context(), "gone"); err == nil {
		t.Errorf("got %q", id)
	}
}

func boundsOf(t *testing.T, p *partition) ingest.Bounds {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		b, err := p.Bounds(ctx)
		if err == nil {
			return b
		}
		if ctx.Err() != nil {
			t.Fatalf("bounds: %v", err)
		}
	}
}

func TestMessagesOfAbortedTransactionsAreLeftOut(t *testing.T) {
	c := startBroker(t, 1)
	tx, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for i, try := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			if err := tx.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i, n))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.EndTransaction(t.Context(), try); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, newProducer(t, c), "k", "plain")

	got, f := fetchAll(t, newConsumer(t, c), 0, 0, 5)
	var text []string
	for _, m := range got {
		text = append(text, string(m.Value))
	}
	if want := "[0 0 0 1 2 0 2 1 plain]"; fmt.Sprint(text) != want {
		t.Errorf("got %v, want %s", text, want)
	}
	if f.Next != f.End || f.End != 13 {
		t.Errorf("read to %d of %d: 9 messages and 4 markers", f.Next, f.End)
	}
}

func TestCompressedBatchesAreRead(t *testing.T) {
	c := startBroker(t, 1)
	x := newConsumer(t, c)
	codecs := []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for i, codec := range codecs {
		w, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codec))
		if err != nil {
			t.Fatal(err)
		}
		value := fmt.Sprintf("%d%01000d", i, 0)
		if err := w.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if got, _ := fetchAll(t, x, 0, int64(i), 1); string(got[0].Value) != value {
			t.Errorf("codec %d: got %.20s…", i, got[0].Value)
		}
	}
}

func TestAnAbortedTransactionEndsAtItsMarker(t *testing.T) {
	batch := func(producer int64, base int64, values ...string) *protocol.RecordBatch {
		var records []protocol.Record
		for i, v := range values {
			records = append(records, protocol.Record{Offset: base + int64(i), Value: protocol.NewBytes([]byte(v))})
		}
		return &protocol.RecordBatch{Attributes: protocol.Transactional, ProducerID: producer, BaseOffset: base,
			Records: protocol.NewRecordReader(records...)}
	}
	marker := func(producer, offset int64, kind int16) *protocol.ControlBatch {
		m := protocol.NewControlBatch(protocol.ControlRecord{Offset: offset, Type: kind})
		m.ProducerID = producer
		return m
	}
	r := &fetch.ResponsePartition{
		AbortedTransactions: []fetch.ResponseTransaction{{ProducerID: 1, FirstOffset: 0}, {ProducerID: 1, FirstOffset: 7}},
		RecordSet: protocol.RecordSet{Records: &protocol.RecordStream{Records: []protocol.RecordReader{
			batch(1, 0, "aborted"), batch(2, 1, "of another"), batch(1, 2, "aborted too"), marker(1, 3, 0),
			batch(1, 4, "later"), marker(1, 5, 1), marker(2, 6, 1), batch(1, 7, "aborted again"), marker(1, 8, 0),
		}}},
	}
	f := ingest.Fetched{}
	if err := readRecords(r, &f, topic, 0); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range f.Messages {
		got = append(got, string(m.Value))
	}
	if fmt.Sprint(got) != "[of another later]" || f.Next != 9 {
		t.Errorf("got %v, next %d", got, f.Next)
	}
}

// member runs a consumer and keeps which partitions it holds.
type member struct {
	stop context.CancelFunc
	done chan error

	mu      sync.Mutex
	changed chan struct{}
	holds   map[int32]bool
	trouble string
}

// holders counts who holds each partition, over all members.
type holders struct {
	mu     sync.Mutex
	by     map[int32]int
	shared []int32 // partitions that two held at a time
}

func (h *holders) take(id int32, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by[id] += n; h.by[id] > 1 {
		h.shared = append(h.shared, id)
	}
}

func join(t *testing.T, c Config, all *holders) *member {
	t.Helper()
	x := newConsumer(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	m := &member{stop: cancel, done: make(chan error, 1), changed: make(chan struct{}, 1), holds: map[int32]bool{}}
	go func() {
		m.done <- x.Run(ctx, func(ctx context.Context, p ingest.Partition) {
			all.take(p.ID(), 1)
			m.set(p.ID(), true)
			<-ctx.Done()
			m.set(p.ID(), false)
			all.take(p.ID(), -1)
		}, m.hear)
	}()
	t.Cleanup(cancel)
	return m
}

func (m *member) set(id int32, holds bool) {
	m.mu.Lock()
	if holds {
		m.holds[id] = true
	} else {
		delete(m.holds, id)
	}
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *member) hear(err error) {
	m.mu.Lock()
	m.trouble = fmt.Sprint(err)
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// heard tells whether the newest trouble is of that kind.
func (m *member) heard(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Contains(m.trouble, text)
}

func (m *member) await(t *testing.T, n int) {
	t.Helper()
	limit := time.After(patience)
	for {
		m.mu.Lock()
		now := len(m.holds)
		m.mu.Unlock()
		if now == n {
			return
		}
		select {
		case <-m.changed:
		case <-limit:
			t.Fatalf("member holds %d partitions, want %d", now, n)
		}
	}
}

func TestMembersShareThePartitionsAndNeverOneOfThem(t *testing.T) {
	c := startBroker(t, 4)
	all := &holders{by: map[int32]int{}}
	a := join(t, c, all)
	a.await(t, 4)
	b := join(t, c, all)
	b.await(t, 2)
	a.await(t, 2)
	a.stop()
	if err := <-a.done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	b.await(t, 4)
	b.stop()
	<-b.done
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.shared) > 0 {
		t.Errorf("two members held %v at a time", all.shared)
	}
}

func TestNewPartitionsAreAssigned(t *testing.T) {
	c := startBroker(t, 1)
	m := join(t, c, &holders{by: map[int32]int{}})
	m.await(t, 1)
	r := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, 3
	r.Topics = append(r.Topics, rt)
	if _, err := r.RequestWith(t.Context(), admin(t, c)); err != nil {
		t.Fatal(err)
	}
	m.await(t, 3)
}

func TestEnsureTopicsCreatesWhatIsMissing(t *testing.T) {
	c := startBroker(t, 1)
	for range 2 { // again changes nothing
		if err := EnsureTopics(t.Context(), c, Topic{Name: topic, Partitions: 5}, Topic{Name: "new", Partitions: 3, Replication: 1, Retention: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	x, err := NewConsumer(c, "g", topic, "new")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	n, err := x.partitions(t.Context())
	if err != nil || n[topic] != 1 || n["new"] != 3 {
		t.Errorf("partitions %v, %v; want 1 as it was, and 3", n, err)
	}
}

// What is done to the brokers is said where the service says everything.
func TestACreatedTopicIsInTheServicesLog(t *testing.T) {
	c := startBroker(t, 1)
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := EnsureTopics(t.Context(), c, Topic{Name: "new", Partitions: 3, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), `msg="topic created" topic=new partitions=3`) {
		t.Errorf("the log is %q", &log)
	}
}

// refuseJoins has a broker refuse some tries to join a group, as it does while other members come and go.
func refuseJoins(t *testing.T, times int) Config {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	refused := 0 // the cluster asks one request after the other
	cluster.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if refused++; refused > times {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.JoinGroupResponse)
		answer.ErrorCode = kerr.RebalanceInProgress.Code
		return answer, nil, true
	})
	return Config{Brokers: cluster.ListenAddrs()}
}

// troubles runs a consumer until it has a partition, or heard of trouble, and returns what it heard.
func troubles(t *testing.T, c Config) (heard []error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held := false
	err := newConsumer(t, c).Run(ctx, func(context.Context, ingest.Partition) {
		held = true
		cancel()
	}, func(err error) {
		if err != nil {
			heard = append(heard, err)
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !held && heard == nil {
		t.Fatalf("neither a partition nor trouble came: %v", err)
	}
	return heard
}

func TestMembersThatComeAndGoAreNoTrouble(t *testing.T) {
	if heard := troubles(t, refuseJoins(t, 3)); heard != nil {
		t.Errorf("heard of %v", heard)
	}
}

func TestAGroupThatGoesOnRefusingIsTrouble(t *testing.T) {
	if heard := troubles(t, refuseJoins(t, 3*maxPassing)); len(heard) != 1 || !errors.Is(heard[0], kafkago.RebalanceInProgress) {
		t.Errorf("heard of %v", heard)
	}
}

func TestTroubleIsReportedAndEnds(t *testing.T) {
	dead := Config{Brokers: []string{"127.0.0.1:1"}}
	x := newConsumer(t, dead)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := x.Run(ctx, nil, func(err error) {
		if err == nil {
			t.Error("no trouble with a broker that is not there")
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	if err := newProducer(t, dead).Publish(t.Context(), []Message{{Topic: topic, Value: []byte("v")}}); err == nil {
		t.Error("a message was published to a broker that is not there")
	}
	if _, err := NewConsumer(Config{}, "g", topic); err == nil {
		t.Error("a consumer without brokers was accepted")
	}
	if _, err := NewProducer(Config{Brokers: []string{"nonsense"}}); err == nil {
		t.Error("a broker without port was accepted")
	}
}

func admin(t *testing.T, c Config) *kgo.Client {
	t.Helper()
	a, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func deleteBefore(t *testing.T, c Config, offset int64) {
	t.Helper()
	r := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	r.Topics = append(r.Topics, rt)
	if _, err := r.RequestWith(t.Context(), admin(t, c)); err != nil {
		t.Fatal(err)
	}
}

func recreate(t *testing.T, c Config) {
	t.Helper()
	a := admin(t, c)
	drop := kmsg.NewPtrDeleteTopicsRequest()
	dt := kmsg.NewDeleteTopicsRequestTopic()
	dt.Topic = kmsg.StringPtr(topic)
	drop.Topics, drop.TopicNames = append(drop.Topics, dt), []string{topic}
	if _, err := drop.RequestWith(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	make := kmsg.NewPtrCreateTopicsRequest()
	mt := kmsg.NewCreateTopicsRequestTopic()
	mt.Topic, mt.NumPartitions, mt.ReplicationFactor = topic, 1, 1
	make.Topics = append(make.Topics, mt)
	if _, err := make.RequestWith(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}
