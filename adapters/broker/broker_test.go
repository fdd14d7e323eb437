package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const topic = "t"

func options(dir string) Options {
	return Options{Dir: dir, Addr: "127.0.0.1:0", Topics: []Topic{{Name: topic, Partitions: 2, Reader: "g"}, {Name: "out", Partitions: 1}}}
}

func start(t *testing.T, opts Options) *Broker {
	t.Helper()
	b, err := Start(opts)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func produce(t *testing.T, c *kgo.Client, partition int32, values ...string) {
	t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatalf("produce %q: %v", v, err)
		}
	}
}

// values reads n messages of a partition from the start of its log.
func values(t *testing.T, addr string, partition int32, n int) []string {
	t.Helper()
	c := client(t, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	var got []string
	for len(got) < n {
		f := c.PollFetches(t.Context())
		if err := f.Err(); err != nil {
			t.Fatalf("read: %v", err)
		}
		f.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}

func commit(t *testing.T, b *Broker, group string, offsets map[int32]int64) {
	t.Helper()
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.Generation = group, -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.TopicID = topic, b.cluster.TopicInfo(topic).TopicID
	for p, o := range offsets {
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset = p, o
		rt.Partitions = append(rt.Partitions, rp)
	}
	r.Topics = append(r.Topics, rt)
	answer, err := r.RequestWith(t.Context(), client(t, b.Addr()))
	if err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("commit: %v %+v", err, answer)
	}
}

func TestMessagesOffsetsAndIdentitySurviveARestart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, options(dir))
	produce(t, client(t, b.Addr()), 1, "a", "b", "c")
	commit(t, b, "g", map[int32]int64{1: 2})
	id := b.cluster.TopicInfo(topic).TopicID
	if err := b.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}

	b = start(t, options(dir))
	if got := values(t, b.Addr(), 1, 3); strings.Join(got, "") != "abc" {
		t.Errorf("messages after the restart: %q", got)
	}
	offsets, err := b.committed(t.Context(), b.opts.Topics[0])
	if err != nil || offsets[1] != 2 {
		t.Errorf("committed %v, %v; want 2 in partition 1", offsets, err)
	}
	if b.cluster.TopicInfo(topic).TopicID != id {
		t.Error("the topic has another id after the restart")
	}
}

func TestTopicsThatAreNewAreCreatedOnAnOldDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, options(dir)).Close()
	opts := options(dir)
	opts.Topics = append(opts.Topics, Topic{Name: "new"})
	b := start(t, opts)
	if n := len(b.cluster.PartitionInfos("new")); n != DefaultPartitions {
		t.Errorf("topic new has %d partitions, want %d", n, DefaultPartitions)
	}
	if n := len(b.cluster.PartitionInfos(topic)); n != 2 {
		t.Errorf("topic %s has %d partitions, want 2 as before", topic, n)
	}
}

// childDir makes the test binary a broker to be killed, on that directory.
const childDir = "BROKER_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		b, err := Start(options(dir))
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("addr", b.Addr())
		select {}
	}
	os.Exit(m.Run())
}

func TestKillLosesNothingThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "addr ")
	if err != nil || !ok {
		t.Fatalf("child says %q, %v", line, err)
	}
	c := client(t, addr)
	acked := 0
	for ; acked < 200; acked++ {
		produce(t, c, 0, fmt.Sprint(acked))
	}
	go func() { // some are under way when it dies
		for {
			if c.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: []byte("late")}).FirstErr() != nil {
				return
			}
		}
	}()
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()

	b := start(t, options(dir))
	got := values(t, b.Addr(), 0, acked)
	for i := range acked {
		if got[i] != fmt.Sprint(i) {
			t.Fatalf("message %d is %q after the kill", i, got[i])
		}
	}
}

func TestAnotherListenerIsNamed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	opts := options(t.TempDir())
	opts.Addr = ln.Addr().String()
	var inUse *InUseError
	if _, err := Start(opts); !errors.As(err, &inUse) || !strings.Contains(err.Error(), "--broker,") {
		t.Errorf("got %v, want an InUseError that says what to do", err)
	}
	ln.Close()
	if b, err := Start(opts); err != nil {
		t.Errorf("after the address is free: %v", err)
	} else {
		b.Close()
	}
}

func TestADirectoryHasOneProcess(t *testing.T) {
	dir := t.TempDir()
	b := start(t, options(dir))
	var locked *LockedError
	if _, err := Start(options(dir)); !errors.As(err, &locked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want a LockedError that names the directory", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, options(dir))
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:9092", ":9092", "example.com:9092", "nonsense"} {
		opts := options(t.TempDir())
		opts.Addr = addr
		if b, err := Start(opts); err == nil {
			b.Close()
			t.Errorf("address %q was accepted", addr)
		}
	}
	for _, addr := range []string{"localhost:0", "[::1]:0"} {
		if err := checkLoopback(addr); err != nil {
			t.Errorf("address %q: %v", addr, err)
		}
	}
}

func TestSpaceIsGivenBackButNothingUnread(t *testing.T) {
	opts := options(t.TempDir())
	opts.KeepBytes = 4_000
	b := start(t, opts)
	c := client(t, b.Addr())
	for i := range 20 { // each about 570 bytes
		produce(t, c, 0, fmt.Sprintf("%d%0500d", i, 0))
		produce(t, c, 1, "small")
	}
	sweep := func() []*kfake.PartitionInfo {
		t.Helper()
		if err := b.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return b.cluster.PartitionInfos(topic)
	}
	if got := sweep()[0].LogStartOffset; got != 0 {
		t.Fatalf("messages before offset %d were deleted, nothing is read yet", got)
	}
	commit(t, b, "g", map[int32]int64{0: 5, 1: 20})
	if got := sweep()[0].LogStartOffset; got != 5 {
		t.Fatalf("log starts at %d, want 5: the reader's offset", got)
	}
	commit(t, b, "g", map[int32]int64{0: 20})
	sweep()
	infos := sweep()
	if p := infos[0]; p.NumBytes > opts.KeepBytes || p.HighWatermark != 20 || p.LogStartOffset == 20 {
		t.Errorf("partition 0 after all is read: %+v", *p)
	}
	if p := infos[1]; p.LogStartOffset != 0 {
		t.Errorf("partition 1 holds little, but starts at %d", p.LogStartOffset)
	}
	first := infos[0].LogStartOffset
	if got := values(t, b.Addr(), 0, int(20-first)); !strings.HasPrefix(got[0], fmt.Sprint(first)) {
		t.Errorf("first message left is %.10q, want that of offset %d", got[0], first)
	}
}

// The library looks for messages that are too old as soon as any topic, be it somebody else's, asks for that; messages may carry
// the time of a till receipt of years ago.
func TestNoMessageIsTooOld(t *testing.T) {
	b := start(t, options(t.TempDir()))
	r := &kgo.Record{Topic: topic, Partition: 0, Value: []byte("a"), Timestamp: time.Date(2017, 1, 2, 0, 0, 0, 0, time.UTC)}
	if err := client(t, b.Addr()).ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.cluster.ApplyRetention()
	if p := b.cluster.PartitionInfo(topic, 0); p.LogStartOffset != 0 {
		t.Errorf("the log starts at %d: a message that nobody read is gone", p.LogStartOffset)
	}
}

func TestATopicWithoutReaderKeepsItsNewest(t *testing.T) {
	opts := options(t.TempDir())
	opts.KeepBytes = 1_000
	b := start(t, opts)
	c := client(t, b.Addr())
	for range 10 {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "out", Value: make([]byte, 500)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		if err := b.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if p := b.cluster.PartitionInfos("out")[0]; p.NumBytes > opts.KeepBytes || p.HighWatermark != 10 || p.LogStartOffset == 10 {
		t.Errorf("topic without a reader: %+v", *p)
	}
}

func TestADamagedDirectoryIsAnError(t *testing.T) {
	dir := t.TempDir()
	start(t, options(dir)).Close()
	if err := os.WriteFile(filepath.Join(dir, logName, "meta.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := Start(options(dir)); err == nil {
		b.Close()
		t.Error("a damaged directory was accepted")
	}
}

func TestCloseStopsEverything(t *testing.T) {
	b := start(t, options(t.TempDir()))
	addr := b.Addr()
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}
