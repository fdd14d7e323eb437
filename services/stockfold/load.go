package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/stockfold/stockfold/services/stockfold/load"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// Where a service with default settings is.
const (
	defaultGRPC   = "127.0.0.1:9090"
	defaultBroker = "127.0.0.1:9092"
)

// brokers says where messages are published: the same settings as those of serve.
type brokers struct {
	Broker       string   `default:"127.0.0.1:9092" placeholder:"ADDR" group:"service" help:"Address of the service's embedded broker (default: ${default})."`
	KafkaBrokers []string `placeholder:"ADDR" group:"service" help:"Publish to these Kafka brokers instead."`

	node.KafkaSecurity `embed:"" group:"service"`
}

// reach says where the brokers are, and how to speak to them.
func (b *brokers) reach() (load.Brokers, error) {
	k, err := b.Secure(b.KafkaBrokers)
	if err != nil {
		return load.Brokers{}, err
	}
	if len(b.KafkaBrokers) == 0 {
		return load.Brokers{Addresses: []string{b.Broker}}, nil
	}
	return load.Brokers{Addresses: b.KafkaBrokers, Transport: k.Transport()}, nil
}

// loadCmd publishes a file of till receipts.
type loadCmd struct {
	POS     string   `name:"pos" required:"" placeholder:"FILE" type:"existingfile" group:"data" help:"Till receipts: CSV, compressed by gzip or not, with the columns ts, store_id, basket_id, product_id and quantity, in order of time."`
	Items   string   `placeholder:"FILE" type:"existingfile" group:"data" help:"Descriptions: CSV with product_id, department, product_category, product_type and package_size."`
	Opening string   `default:"150%,9:100%,0:90%" placeholder:"RULE" group:"data" help:"Opening count of each SKU and store, as a share of what the file sells there, with other shares for SKUs with certain endings, or none (default: ${default})."`
	Verify  bool     `group:"data" help:"Compare every final balance with a sum of its own over the file."`
	GRPC    []string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service; of several replicas, all addresses: each takes in some of the partitions (default: ${default})."`
	brokers `embed:""`
}

// Help is shown below the flags.
func (*loadCmd) Help() string {
	return `Defines the file's stores, the channels "store" and "web", and the described items; then publishes an opening count per SKU and
store, and every basket, through Kafka, and waits until all of it is applied. Loading the same file again changes nothing.
With --verify the exit code is 1 when a balance differs.

Examples:
  stockfold load --pos pos-sales.csv.gz --items items.csv.gz --verify
  stockfold load --pos pos-sales.csv.gz --opening 120%
  stockfold load --pos pos-sales.csv.gz --opening none --kafka-brokers kafka-1:9092
  stockfold load --pos pos-sales.csv.gz --grpc 127.0.0.1:9091,127.0.0.1:9092,127.0.0.1:9093 --kafka-brokers 127.0.0.1:9099
  stockfold load --pos pos-sales.csv.gz --kafka-brokers kafka-1:9094 --kafka-tls-ca ca.pem \
    --kafka-sasl-mechanism scram-sha-512 --kafka-username pos --kafka-password-file password`
}

// Run loads the file and says what became of it.
func (c *loadCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	opening, err := load.ParseOpening(c.Opening)
	if err != nil {
		return err
	}
	to, err := c.reach()
	if err != nil {
		return err
	}
	replicas, err := c.dial()
	if err != nil {
		return err
	}
	defer closeAll(replicas)
	o := load.Options{POS: load.Disk(c.POS), Opening: opening, Verify: c.Verify, Conn: replicas[0], Others: replicas[1:], Brokers: to,
		Log: log, Progress: progress(std.out)}
	if c.Items != "" {
		items := load.Disk(c.Items)
		o.Items = &items
	}
	summary, err := load.Run(ctx, o)
	if err != nil {
		return explain(err, strings.Join(c.GRPC, ","))
	}
	if err := summary.Print(std.out); err != nil {
		return err
	}
	if summary.Failed() {
		return &silentError{1}
	}
	return nil
}

// dial prepares connections to all replicas, of which there is one at least.
func (c *loadCmd) dial() (replicas []*grpc.ClientConn, err error) {
	if len(c.GRPC) == 0 {
		return nil, errors.New("--grpc is empty; name the address of the service")
	}
	for _, addr := range c.GRPC {
		conn, err := dial(addr)
		if err != nil {
			closeAll(replicas)
			return nil, err
		}
		replicas = append(replicas, conn)
	}
	return replicas, nil
}

func closeAll(conns []*grpc.ClientConn) {
	for _, c := range conns {
		c.Close()
	}
}

// progress shows bars on a terminal, and lines otherwise.
func progress(out io.Writer) load.Progress {
	if isTerminal(out) {
		return load.NewBars(out)
	}
	return load.NewLines(out)
}

// retryRefused makes a client repeat what the service refused for the moment, with growing pauses.
const retryRefused = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s","maxBackoff":"2s",
	"backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE","RESOURCE_EXHAUSTED"]}}]}`

// dial prepares a connection to a service on this machine.
func dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(retryRefused))
}
