package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/adapters/kafka/kafkatest"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stock"
)

// realKafka is a node with the service's topics.
func realKafka(t *testing.T, properties map[string]string) *kafkatest.Node {
	t.Helper()
	n := kafkatest.Start(t, kafkatest.Options{Properties: properties})
	err := kafka.EnsureTopics(t.Context(), kafka.Config{Brokers: []string{n.Addr}},
		kafka.Topic{Name: ingest.TopicMovements, Partitions: partitions}, kafka.Topic{Name: ingest.TopicSales, Partitions: partitions},
		kafka.Topic{Name: ingest.TopicOrders, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// replica is a service that shares the store with others, as a process of its own would: it knows of what they write from
// the store alone.
func (w *world) replica(t *testing.T, addr string) *ingest.Service {
	t.Helper()
	streams := commands.NewStreams(w.outage, commands.SKUs(), commands.Options{Now: w.clock.now})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := streams.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	recorder := stock.NewRecorder(streams, w.places, stock.Options{Now: w.clock.now})
	return ingest.New(ingest.Config{Consumer: consumer(t, addr), Recorder: recorder, Offsets: w.ledger, Now: w.clock.now, Log: quiet,
		Desk: ingest.NewDeadLetterDesk(w.store.DeadLetters(), recorder, w.clock.now, quiet)})
}

// traffic is a shipment on its way.
type traffic struct {
	shipment *shipment
	sent     atomic.Int64
	done     chan error
}

// publish sends the shipment, in small parts, while the test goes on. Whatever happens to the brokers, a message counts as
// published once it is acknowledged, and is tried again until it is.
func (s *shipment) publish(t *testing.T, addr string) *traffic {
	t.Helper()
	const part = 100
	x := &traffic{shipment: s, done: make(chan error, 1)}
	client := admin(t, addr)
	go func() {
		for from := 0; from < len(s.records); from += part {
			to := min(from+part, len(s.records))
			if err := client.ProduceSync(t.Context(), s.records[from:to]...).FirstErr(); err != nil {
				x.done <- err
				return
			}
			x.sent.Store(int64(to))
		}
		x.done <- nil
	}()
	return x
}

// reach waits until a share of the shipment is published.
func (x *traffic) reach(t *testing.T, share float64) {
	t.Helper()
	until(t, fmt.Sprintf("%.0f %% to be published", 100*share), func() bool {
		return float64(x.sent.Load()) >= share*float64(len(x.shipment.records))
	})
}

// end waits until all of it is published.
func (x *traffic) end(t *testing.T) {
	t.Helper()
	if err := <-x.done; err != nil {
		t.Fatal(err)
	}
}

// spoil adds messages that cannot be applied.
func (s *shipment) spoil(n int) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		m := movement(fmt.Sprint("bad", i), "sku1", "berlin", i, "beamed")
		at := r.IntN(len(s.records))
		s.records = append(s.records, s.records[at])
		s.records[at] = record(ingest.TopicMovements, int32(r.IntN(partitions)), m)
	}
}

// settled waits until the progress of each partition has come to the end of what was published, and compares every
// balance.
func (s *shipment) settled(t *testing.T, w *world) {
	t.Helper()
	end := map[place]int64{}
	for _, r := range s.records {
		at := place{r.Topic, r.Partition}
		end[at] = max(end[at], r.Offset+1)
	}
	for at, want := range end {
		until(t, fmt.Sprintf("%s[%d] to be taken in up to %d", at.topic, at.partition, want), func() bool {
			p, _, err := w.store.LoadOffset(t.Context(), at.topic, at.partition)
			return err == nil && p.Next >= want
		})
	}
	for sku, want := range s.units {
		if got, _ := w.sellable(t, sku, "berlin"); got != want {
			t.Errorf("%s: %d units, want %d", sku, got, want)
		}
	}
}

func TestIntegrationConsumersComeAndGoUnderLoad(t *testing.T) {
	n := realKafka(t, nil)
	w := newWorld(t)
	s := makeShipment(11, 4000)
	s.spoil(40)
	holding := func(x ...*ingest.Service) func() bool { // all of them something, together everything
		return func() bool {
			total := 0
			for _, one := range x {
				held := len(one.Status())
				if held == 0 {
					return false
				}
				total += held
			}
			return total == 2*partitions
		}
	}
	a, b, c := w.replica(t, n.Addr), w.replica(t, n.Addr), w.replica(t, n.Addr)
	x := s.publish(t, n.Addr)
	stopA := run(t, a)
	until(t, "the first to hold everything", holding(a))
	stopB := run(t, b)
	until(t, "two to share", holding(a, b))
	run(t, c)
	until(t, "three to share", holding(a, b, c))
	stopA()
	until(t, "the other two to share", holding(b, c))
	again := w.replica(t, n.Addr)
	run(t, again)
	until(t, "a newcomer to have its share", holding(b, c, again))
	stopB()
	x.end(t)
	s.settled(t, w)
	audit(t, w, s.records).expect(t, 4000, 4000, 40)
}

func TestIntegrationABrokerThatIsKilledFrozenAndRestarted(t *testing.T) {
	n := realKafka(t, nil)
	w := newWorld(t)
	s := makeShipment(12, 4000)
	s.spoil(20)
	first, second := w.replica(t, n.Addr), w.replica(t, n.Addr)
	run(t, first)
	stop := run(t, second)
	x := s.publish(t, n.Addr)
	x.reach(t, 0.2)
	n.Kill()
	until(t, "the trouble to be shown", func() bool { return shown(first, "") })
	n.Restart()
	x.reach(t, 0.5)
	n.Freeze()
	until(t, "the trouble to be shown", func() bool { return shown(first, "") || shown(second, "") })
	n.Thaw()
	x.reach(t, 0.8)
	n.Kill()
	stop() // while there is nobody to leave
	n.Restart()
	x.end(t)
	s.settled(t, w)
	audit(t, w, s.records).expect(t, 4000, 4000, 20)
	until(t, "the trouble to be over", func() bool { return !shown(first, "") })
}

// shown tells whether the status shows trouble, or a certain one.
func shown(s *ingest.Service, text string) bool {
	if trouble := s.Trouble(); trouble != "" && strings.Contains(trouble, text) {
		return true
	}
	for _, p := range s.Status() {
		if p.Error != "" && strings.Contains(p.Error, text) {
			return true
		}
	}
	return false
}

// shrinking makes a node that deletes early: a segment is closed at 1 MiB, and the older ones of a partition go at once.
var shrinking = map[string]string{"log.segment.bytes": "1048576", "log.retention.bytes": "1048576", "log.retention.check.interval.ms": "200",
	"log.initial.task.delay.ms": "100"}

// lines is a log that tests look into.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// heavy are receipts of one unit each, of 64 KiB.
func heavy(prefix string, n int) (list []*kgo.Record) {
	padding := ingest.Header{Key: "padding", Value: []byte(strings.Repeat("x", 64<<10))}
	for i := range n {
		m := received(fmt.Sprint(prefix, i), "a", 1)
		m.Headers = append(m.Headers, padding)
		list = append(list, record(topic, 0, m))
	}
	return list
}

// heavyClient sends messages one by one, uncompressed, so that segments fill.
func heavyClient(t *testing.T, addr string) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(100<<10))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestIntegrationRetentionThatRanPastUs lets the broker delete what was not read yet, once while the service is away and
// once while it runs and its store does not take anything.
func TestIntegrationRetentionThatRanPastUs(t *testing.T) {
	n := realKafka(t, shrinking)
	w := newWorld(t)
	client := heavyClient(t, n.Addr)
	var all []*kgo.Record
	send := func(prefix string, count int) {
		t.Helper()
		list := heavy(prefix, count)
		if err := client.ProduceSync(t.Context(), list...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	probe := consumer(t, n.Addr)
	gone := func() int64 { return startOf(t, probe) }

	send("seen", 1)
	stop := run(t, w.service(consumer(t, n.Addr)))
	w.ledger.await(t, topic, 0, 1)
	stop()
	send("away", 100)
	until(t, "the broker to delete some", func() bool { return gone() > 20 })

	log := &lines{}
	s := ingest.New(ingest.Config{Consumer: consumer(t, n.Addr), Recorder: w.recorder, Desk: w.desk, Offsets: w.ledger, Now: w.clock.now,
		Log: slog.New(slog.NewTextHandler(log, nil))})
	run(t, s)
	w.ledger.await(t, topic, 0, 101)
	first := s.Stats().Lost
	if first == 0 || !log.has("message log is not as it was left") || !log.has("MESSAGES_LOST") {
		t.Errorf("lost %d, log %s", first, log.text.String())
	}
	if !shown(s, "were deleted from the log before they were read") {
		t.Errorf("status %+v", s.Status())
	}

	w.outage.down.Store(true)
	send("stuck", 400)
	w.awaitRefusals(t, 3)
	until(t, "the broker to delete beyond what is under way", func() bool { return gone() > 101+300 })
	until(t, "the loss to be shown while it happens", func() bool { return shown(s, "are being deleted from the log") })
	w.outage.down.Store(false)
	w.ledger.await(t, topic, 0, 501)
	if !log.has("message log deletes what was not read") {
		t.Error("the log says nothing of the loss while it happens")
	}
	lost := int(s.Stats().Lost)
	if lost <= int(first) {
		t.Errorf("%d lost while running, want more than the %d before", lost, first)
	}
	reports := 0
	for _, l := range w.letters(t) {
		if l.Reason == ingest.ReasonMessagesLost {
			reports++
		}
	}
	x := audit(t, w, all)
	t.Logf("%v, of which reported as lost %d, in %d letters", x, lost, reports)
	if x.lost+x.letters != lost || x.doubled > 0 || reports < 2 { // a report stands at the first offset that is lost, and the broker may delete on behind it
		t.Errorf("%d messages are not recorded, the alarm says %d in %d reports", x.lost+x.letters, lost, reports)
	}
}

// startOf is where the log of the first partition of movements starts.
func startOf(t *testing.T, c *kafka.Consumer) int64 {
	t.Helper()
	b, err := c.Partition(topic, 0).Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b.Start
}

func TestIntegrationBackPressure(t *testing.T) {
	n := realKafka(t, nil)
	w := newWorld(t)
	client := heavyClient(t, n.Addr)
	s := w.service(consumer(t, n.Addr))
	run(t, s)
	until(t, "the partitions to be held", func() bool { return len(s.Status()) == 2*partitions })
	w.outage.down.Store(true)
	var all []*kgo.Record
	before, lag := heap(), int64(0)
	for round := range 4 { // 16 MiB each
		list := heavy(fmt.Sprint(round, "-"), 256)
		if err := client.ProduceSync(t.Context(), list...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		for _, r := range list { // what is asked for here is not the test's own memory
			r.Headers = r.Headers[:len(r.Headers)-1]
		}
		all = append(all, list...)
		if round == 0 {
			w.awaitRefusals(t, 1)
		}
	}
	until(t, "all of it to show as lag", func() bool { lag = lagOf(s); return lag == int64(len(all)) })
	grown := heap() - before
	t.Logf("lag %d of %d messages, heap grown by %d MiB of %d", lag, len(all), grown>>20, len(all)>>4)
	if bound := int64(ingest.MaxInFlightBytes + 24<<20); grown > bound {
		t.Errorf("heap has grown by %d bytes, want at most %d", grown, bound)
	}
	if !shown(s, "waits, and tries again") {
		t.Errorf("status %+v", s.Status())
	}
	w.outage.down.Store(false)
	w.ledger.await(t, topic, 0, int64(len(all)))
	audit(t, w, all).expect(t, len(all), 0, 0)
}

func lagOf(s *ingest.Service) (lag int64) {
	for _, p := range s.Status() {
		lag += p.End - p.Next
	}
	return lag
}

// heap is what is alive.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIntegrationTransactionsAndCompression publishes by every codec, in transactions that are committed and aborted, side by
// side in the same partitions, and one that stays open for a while.
func TestIntegrationTransactionsAndCompression(t *testing.T) {
	n := realKafka(t, nil)
	w := newWorld(t)
	s := w.service(consumer(t, n.Addr))
	run(t, s)
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	var producers []*kgo.Client
	for i, codec := range codecs {
		c, err := kgo.NewClient(kgo.SeedBrokers(n.Addr), kgo.TransactionalID(fmt.Sprint("x", i)), kgo.ProducerBatchCompression(codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		producers = append(producers, c)
	}
	var committed, aborted []*kgo.Record
	send := func(i, round int, list *[]*kgo.Record) {
		t.Helper()
		var batch []*kgo.Record
		for j := range 20 {
			batch = append(batch, record(topic, int32(j%partitions), received(fmt.Sprint(i, "-", round, "-", j), "a", 1)))
		}
		if err := producers[i].ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		*list = append(*list, batch...)
	}
	for round := range 6 {
		for i, p := range producers { // all of them are open at a time
			if err := p.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if (i+round)%2 == 0 {
				send(i, round, &committed)
			} else {
				send(i, round, &aborted)
			}
		}
		for i, p := range producers {
			if err := p.EndTransaction(t.Context(), kgo.TransactionEndTry((i+round)%2 == 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.awaitUnits(t, "a", int64(len(committed)))

	if err := producers[0].BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	send(0, 100, &committed)
	plain := record(topic, 0, received("plain", "b", 1))
	if err := admin(t, n.Addr).ProduceSync(t.Context(), plain).FirstErr(); err != nil {
		t.Fatal(err)
	}
	committed = append(committed, plain)
	until(t, "what the open transaction holds up to show as lag", func() bool { return lagOf(s) > 20 })
	if units, _ := w.sellable(t, "b", "berlin"); units != 0 {
		t.Error("a message behind an open transaction was taken in before it")
	}
	if err := producers[0].EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	w.awaitUnits(t, "a", int64(len(committed)-1))
	w.awaitUnits(t, "b", 1)
	until(t, "no lag to be left", func() bool { return lagOf(s) == 0 })
	audit(t, w, committed).expect(t, len(committed), 0, 0)
	if x := audit(t, w, aborted); x.lost != len(aborted) {
		t.Errorf("of %d messages of aborted transactions %v", len(aborted), x)
	}
	if len(w.letters(t)) > 0 {
		t.Errorf("letters %+v", w.letters(t))
	}
}
