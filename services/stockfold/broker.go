package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/stockfold/stockfold/adapters/broker"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/publication"
)

// brokerFolder is where serve keeps the embedded broker's log within its data directory; this subcommand keeps its own
// there too, so that either can open what the other wrote.
const brokerFolder = "broker"

// brokerCmd runs the embedded broker as a server of its own.
type brokerCmd struct {
	Data   string `default:"./stockfold-data" placeholder:"DIR" type:"path" group:"storage" help:"Keep messages in this directory (default: ${default})."`
	Broker string `default:"127.0.0.1:9092" placeholder:"ADDR" group:"addresses" help:"Serve Kafka's protocol here (default: ${default})."`
	Keep   int64  `default:"1024" placeholder:"MIB" group:"storage" help:"Messages that a partition keeps, in MiB; its older half is deleted beyond that, read or not (default: ${default})."`
}

// maxKeepMiB bounds what a partition keeps.
const maxKeepMiB = 1 << 20

// Help is shown below the flags.
func (*brokerCmd) Help() string {
	return `For development and tests of several replicas: any client of Kafka connects to it, and serve does with --kafka-brokers. It
has the topics that Stockfold needs, of ` + fmt.Sprint(broker.DefaultPartitions) + ` partitions each, and no authentication. Every batch is on disk before it is acknowledged.
It stops on an interrupt.

Examples:
  stockfold broker
  stockfold broker --data /var/lib/stockfold --broker 127.0.0.1:9092`
}

// Run serves until ctx ends.
func (c *brokerCmd) Run(ctx context.Context, parsed *kong.Context, log *slog.Logger) error {
	logSettings(log, parsed)
	if c.Keep < 1 || c.Keep > maxKeepMiB {
		return fmt.Errorf("--keep must be 1 to %d MiB, is %d", maxKeepMiB, c.Keep)
	}
	b, err := broker.Start(broker.Options{Dir: filepath.Join(c.Data, brokerFolder), Addr: c.Broker, KeepBytes: c.Keep << 20, Log: log,
		Topics: []broker.Topic{{Name: ingest.TopicMovements}, {Name: ingest.TopicSales}, {Name: ingest.TopicOrders}, {Name: ingest.TopicPolicy}, {Name: ingest.TopicSnapshots}, {Name: publication.Topic}}})
	if err != nil {
		return err
	}
	log.Info("ready", "kafka-brokers", b.Addr())
	<-ctx.Done()
	log.Info("stopping")
	if err := b.Close(); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}
