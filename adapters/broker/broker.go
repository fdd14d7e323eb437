package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Defaults and bounds.
const (
	DefaultAddr       = "127.0.0.1:9092"
	DefaultPartitions = 8
	DefaultKeepBytes  = 64 << 20 // of one partition

	segmentBytes = 8 << 20 // of one file; space is given back file by file
	sweepEvery   = time.Minute
	startTimeout = 10 * time.Second
	lockName     = "LOCK"
	logName      = "log" // the directory's part that is the broker's own
)

// Topic is one that the broker has from the start.
type Topic struct {
	Name       string
	Partitions int    // DefaultPartitions when 0
	Reader     string // consumer group whose unread messages are never deleted; "" when there is none
}

// Options of a broker. Dir must be set.
type Options struct {
	Dir       string
	Addr      string // loopback host:port; DefaultAddr when empty; port 0 takes any
	Topics    []Topic
	KeepBytes int64        // of one partition; DefaultKeepBytes when 0
	NoSync    bool         // leave syncing to the operating system: a crash of the machine may lose the newest messages
	Log       *slog.Logger // the default logger when nil
}

// InUseError says that another program listens at the address.
type InUseError struct{ Addr string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("address %s is in use, perhaps by another Kafka or stockfold: choose another one with --broker, "+
		"or use the brokers that are there with --kafka-brokers", e.Addr)
}

// LockedError says that another process uses the directory.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("broker directory %s is used by another process: stop it, or choose another directory with --data", e.Dir)
}

// Broker is a running broker.
type Broker struct {
	opts    Options
	cluster *kfake.Cluster
	client  *kgo.Client
	lock    io.Closer

	stop    context.CancelFunc
	running sync.WaitGroup
}

// Start starts the broker on what its directory holds. It returns *InUseError or *LockedError when it cannot have its
// address or directory for itself. Close it.
func Start(opts Options) (*Broker, error) {
	opts.setDefaults()
	if err := checkLoopback(opts.Addr); err != nil {
		return nil, err
	}
	lock, err := lockDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{opts: opts, lock: lock}
	if err := b.start(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (o *Options) setDefaults() {
	if o.Addr == "" {
		o.Addr = DefaultAddr
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = DefaultKeepBytes
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// checkLoopback refuses addresses that others could reach: there is no authentication.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("broker address %q is not host:port: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("broker address %q is not on loopback; the embedded broker has no authentication and serves this machine only", addr)
	}
	return nil
}

func lockDir(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("broker directory: %w", err)
	}
	lock, err := vfs.Default.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", &LockedError{Dir: dir}, err)
	}
	return lock, nil
}

func (b *Broker) start() error {
	cluster, err := kfake.NewCluster(b.clusterOptions()...)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &InUseError{Addr: b.opts.Addr}
	}
	if err != nil {
		return fmt.Errorf("start the broker on %s: %w", b.opts.Dir, err)
	}
	b.cluster = cluster
	if b.client, err = kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ClientID("stockfold-broker")); err != nil {
		return fmt.Errorf("client of the broker: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := b.createTopics(ctx); err != nil {
		return err
	}
	ctx, b.stop = context.WithCancel(context.Background())
	b.running.Go(func() { b.sweepOn(ctx) })
	return nil
}

func (b *Broker) clusterOptions() []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.Ports(0), kfake.ClusterID("stockfold-embedded"), kfake.WithLogger(logger{b.opts.Log}),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, b.opts.Addr) }),
		kfake.DataDir(filepath.Join(b.opts.Dir, logName)),
		kfake.BrokerConfigs(map[string]string{"log.segment.bytes": strconv.Itoa(segmentBytes),
			"log.retention.ms": "-1", "log.retention.bytes": "-1"}), // no age and no size deletes what is not read yet
	}
	if !b.opts.NoSync {
		opts = append(opts, kfake.SyncWrites())
	}
	return opts
}

// createTopics creates those topics that are missing. A topic that is there keeps its number of partitions.
func (b *Broker) createTopics(ctx context.Context) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	for _, t := range b.opts.Topics {
		if b.cluster.TopicInfo(t.Name) != nil {
			continue
		}
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = t.Name, DefaultPartitions, 1
		if t.Partitions > 0 {
			topic.NumPartitions = int32(t.Partitions)
		}
		request.Topics = append(request.Topics, topic)
	}
	if len(request.Topics) == 0 {
		return nil
	}
	answer, err := request.RequestWith(ctx, b.client)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, t := range answer.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return fmt.Errorf("create topic %q: %w", t.Topic, err)
		}
	}
	return nil
}

// Addr is where the broker listens, as host:port.
func (b *Broker) Addr() string { return b.cluster.ListenAddrs()[0] }

// Close writes what is left to write and stops the broker. It may be called again.
func (b *Broker) Close() error {
	if b.stop != nil {
		b.stop()
		b.running.Wait()
	}
	if b.client != nil {
		b.client.Close()
	}
	if b.cluster != nil {
		b.cluster.Close()
	}
	lock := b.lock
	if b.lock = nil; lock == nil {
		return nil
	}
	return lock.Close()
}
