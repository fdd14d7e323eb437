package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stockfold/stockfold/adapters/broker"
	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/services/ingest"
)

const partitions = 4

var group = ingest.Group("test")

func startBroker(t testing.TB) string {
	t.Helper()
	b, err := broker.Start(broker.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0", NoSync: true, Log: quiet, Topics: []broker.Topic{
		{Name: ingest.TopicMovements, Partitions: partitions, Reader: group},
		{Name: ingest.TopicSales, Partitions: partitions, Reader: group},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b.Addr()
}

func consumer(t testing.TB, addr string) *kafka.Consumer {
	t.Helper()
	c, err := kafka.NewConsumer(kafka.Config{Brokers: []string{addr}}, group, ingest.TopicMovements, ingest.TopicSales)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func admin(t testing.TB, addr string) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// shipment is a day's messages, and what they amount to.
type shipment struct {
	records []*kgo.Record
	units   map[string]int64
}

// makeShipment makes movements and sales of 20 SKUs, each message twice, in any order and any partition.
func makeShipment(seed uint64, n int) *shipment {
	r := rand.New(rand.NewPCG(seed, seed))
	s := &shipment{units: map[string]int64{}}
	for i := range n {
		m, topic := s.message(r, fmt.Sprintf("%d-%d", seed, i))
		for range 2 {
			record := &kgo.Record{Topic: topic, Partition: int32(r.IntN(partitions)), Value: m.Value}
			for _, h := range m.Headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			s.records = append(s.records, record)
		}
	}
	r.Shuffle(len(s.records), func(i, j int) { s.records[i], s.records[j] = s.records[j], s.records[i] })
	return s
}

func (s *shipment) message(r *rand.Rand, id string) (ingest.Message, string) {
	sku := func() string { return fmt.Sprint("sku", r.IntN(20)) }
	quantity := r.IntN(50)
	switch r.IntN(4) {
	case 0:
		x := sku()
		s.units[x] += int64(quantity)
		return movement(id, x, "berlin", quantity, "received"), ingest.TopicMovements
	case 1:
		x := sku()
		s.units[x] -= int64(quantity)
		return movement(id, x, "berlin", -quantity, "adjusted"), ingest.TopicMovements
	default:
		var lines []string
		for range 1 + r.IntN(6) {
			x, q := sku(), r.IntN(5)
			if r.IntN(5) == 0 {
				s.units[x] += int64(q)
				lines = append(lines, fmt.Sprintf(`%s "returned":true,"quantity":%d`, x, q))
			} else {
				s.units[x] -= int64(q)
				lines = append(lines, fmt.Sprintf(`%s "quantity":"%d"`, x, q))
			}
		}
		return sale(id, lines...), ingest.TopicSales
	}
}

// send publishes a part of the shipment.
func (s *shipment) send(t *testing.T, addr string, from, to int) {
	t.Helper()
	if err := admin(t, addr).ProduceSync(t.Context(), s.records[from:to]...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// arrived waits until everything that was sent is durable, and compares every balance.
func (s *shipment) arrived(t *testing.T, w *world) {
	t.Helper()
	count := map[place]int64{}
	for _, r := range s.records {
		count[place{r.Topic, r.Partition}]++
	}
	for at, n := range count {
		until(t, fmt.Sprintf("%s[%d] to be taken in", at.topic, at.partition), func() bool {
			p, _, err := w.store.LoadOffset(t.Context(), at.topic, at.partition)
			return err == nil && p.Next >= n
		})
	}
	for sku, want := range s.units {
		if got, _ := w.sellable(t, sku, "berlin"); got != want {
			t.Errorf("%s: %d units, want %d", sku, got, want)
		}
	}
	if letters := w.letters(t); len(letters) > 0 {
		t.Errorf("%d dead letters, the first %+v", len(letters), letters[0])
	}
}

func TestARebalanceInBetweenChangesNothing(t *testing.T) {
	addr := startBroker(t)
	w := newWorld(t)
	s := makeShipment(1, 1500)
	third := len(s.records) / 3
	first, second := w.service(consumer(t, addr)), w.service(consumer(t, addr))
	holds := func(x *ingest.Service, n int) func() bool { return func() bool { return len(x.Status()) == n } }

	s.send(t, addr, 0, third)
	stop := run(t, first)
	until(t, "the first to hold all partitions", holds(first, 2*partitions))
	run(t, second)
	s.send(t, addr, third, 2*third)
	until(t, "the second to hold its half", holds(second, partitions))
	s.send(t, addr, 2*third, len(s.records))
	stop()
	until(t, "the second to hold all partitions", holds(second, 2*partitions))
	s.arrived(t, w)
	if a, b := first.Stats().Messages, second.Stats().Messages; a == 0 || b == 0 {
		t.Errorf("the first took in %d messages, the second %d", a, b)
	}
}

func TestATopicThatIsMadeAnewIsReadFromItsStart(t *testing.T) {
	addr := startBroker(t)
	w := newWorld(t)
	a, b := makeShipment(1, 200), makeShipment(2, 300)
	a.send(t, addr, 0, len(a.records))
	stop := run(t, w.service(consumer(t, addr)))
	a.arrived(t, w)
	stop()
	for _, topic := range []string{ingest.TopicMovements, ingest.TopicSales} {
		recreate(t, admin(t, addr), topic)
	}
	b.send(t, addr, 0, len(b.records))
	for sku, units := range a.units {
		b.units[sku] += units
	}
	s := w.service(consumer(t, addr))
	run(t, s)
	until(t, "the new logs to be noticed", func() bool { return s.Stats().Replaced == 2*partitions })
	for _, l := range w.letters(t) {
		if l.Reason != ingest.ReasonLogReplaced {
			t.Errorf("letter %+v", l)
		}
		if _, err := w.desk.Discard(t.Context(), l.ID, "done on purpose", "test"); err != nil {
			t.Fatal(err)
		}
	}
	b.arrived(t, w)
}

func TestRetentionOfTheBrokerIsNoticed(t *testing.T) {
	addr := startBroker(t)
	w := newWorld(t)
	log := admin(t, addr)
	send := func(id string, quantity int) {
		m := received(id, "a", quantity)
		r := &kgo.Record{Topic: topic, Value: m.Value}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		if err := log.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	send("m0", 1)
	stop := run(t, w.service(consumer(t, addr)))
	w.ledger.await(t, topic, 0, 1)
	stop()
	send("m1", 2)
	send("m2", 4)
	deleteBefore(t, log, topic, 2)
	s := w.service(consumer(t, addr))
	run(t, s)
	w.ledger.await(t, topic, 0, 3)
	w.awaitUnits(t, "a", 5)
	if x := s.Stats(); x.Lost != 1 {
		t.Errorf("stats %+v", x)
	}
	if letters := w.letters(t); len(letters) != 1 || letters[0].Reason != ingest.ReasonMessagesLost {
		t.Errorf("letters %+v", letters)
	}
}

func recreate(t *testing.T, c *kgo.Client, topic string) {
	t.Helper()
	drop := kmsg.NewPtrDeleteTopicsRequest()
	dt := kmsg.NewDeleteTopicsRequestTopic()
	dt.Topic = kmsg.StringPtr(topic)
	drop.Topics, drop.TopicNames = append(drop.Topics, dt), []string{topic}
	if _, err := drop.RequestWith(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	ct := kmsg.NewCreateTopicsRequestTopic()
	ct.Topic, ct.NumPartitions, ct.ReplicationFactor = topic, partitions, 1
	create.Topics = append(create.Topics, ct)
	if _, err := create.RequestWith(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func deleteBefore(t *testing.T, c *kgo.Client, topic string, offset int64) {
	t.Helper()
	r := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	r.Topics = append(r.Topics, rt)
	if _, err := r.RequestWith(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// The environment that makes the test binary a service to be killed, on a directory and a broker.
const (
	childDir    = "INGEST_TEST_CHILD_DIR"
	childBroker = "INGEST_TEST_CHILD_BROKER"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveUntilKilled(dir, os.Getenv(childBroker))
	}
	os.Exit(m.Run())
}

// serveUntilKilled takes messages in and prints a line for every save of progress.
func serveUntilKilled(dir, addr string) {
	t := &testing.T{}
	w := &world{dir: dir, places: &places{known: map[string]bool{"berlin": true}}, clock: newClock()}
	w.open(t)
	own := fmt.Sprint(group, "-", os.Getpid()) // so that nobody waits for the end of the dead one's session
	c, err := kafka.NewConsumer(kafka.Config{Brokers: []string{addr}}, own, ingest.TopicMovements, ingest.TopicSales)
	if err != nil {
		slog.Error("consumer", "error", err)
		os.Exit(1)
	}
	go func() {
		for range w.ledger.changed {
			fmt.Println("saved")
		}
	}()
	err = w.service(c).Run(context.Background())
	slog.Error("run", "error", err)
	os.Exit(1)
}

// killAfter runs the service in a process of its own and kills it after so many saves of progress.
func killAfter(t *testing.T, dir, addr string, saves int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir, childBroker+"="+addr)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range saves {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "saved") {
			t.Errorf("child says %q, %v", lines.Text(), lines.Err())
			break
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = child.Wait()
}

func TestAKillInTheMiddleLosesNothingAndDoublesNothing(t *testing.T) {
	addr := startBroker(t)
	s := makeShipment(3, 4000)
	s.send(t, addr, 0, len(s.records))
	w := newWorld(t)
	w.close(t)
	for _, saves := range []int{1, 3} {
		killAfter(t, w.dir, addr, saves)
	}
	w.open(t)
	run(t, w.service(consumer(t, addr)))
	s.arrived(t, w)
}

// Nothing tells a reader that the offset he goes on at is one of another log by now.
func TestATopicThatIsMadeAnewWhileItIsReadLosesNothing(t *testing.T) {
	addr := startBroker(t)
	w := newWorld(t)
	log := admin(t, addr)
	send := func(n int, first int) {
		var records []*kgo.Record
		for i := range n {
			m := received(fmt.Sprint("m", first+i), "a", 1)
			r := &kgo.Record{Topic: topic, Value: m.Value}
			for _, h := range m.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			records = append(records, r)
		}
		if err := log.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	send(2, 0)
	run(t, w.service(consumer(t, addr)))
	w.awaitUnits(t, "a", 2)
	recreate(t, log, topic)
	log = admin(t, addr)
	send(5, 2)
	w.awaitUnits(t, "a", 7)
}
