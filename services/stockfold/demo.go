package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stockfold/stockfold/deploy/demo"
	"github.com/stockfold/stockfold/services/stockfold/load"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// demoSKU is an item of the demonstration data that everybody knows: bananas.
const demoSKU = "1082185"

// unfinishedDemo is a file in the data directory that is there until the demonstration data is loaded.
const unfinishedDemo = "demo-unfinished"

// runDemo loads the demonstration data when there is no other, or when an earlier try was interrupted, and says what to
// try. data is the node's directory.
func runDemo(ctx context.Context, n *node.Node, data string, std streams, log *slog.Logger) error {
	mark := filepath.Join(data, unfinishedDemo)
	_, err := os.Stat(mark)
	switch {
	case n.Fresh():
		fmt.Fprintln(std.out, "Loading till receipts of twelve stores over two weeks, through Kafka.")
	case err == nil:
		fmt.Fprintln(std.out, "Loading the demonstration data was interrupted: it goes on.")
	default:
		fmt.Fprintln(std.out, "The data directory is not empty: the demonstration data is not loaded again.")
		_, err = fmt.Fprint(std.out, tryIt(n))
		return err
	}
	if err := os.WriteFile(mark, []byte("serve --demo removes this file when all of its data is loaded.\n"), 0o600); err != nil {
		return err
	}
	if err := loadDemo(ctx, n, std, log); err != nil {
		return err
	}
	if err := os.Remove(mark); err != nil {
		return err
	}
	_, err = fmt.Fprint(std.out, tryIt(n))
	return err
}

func loadDemo(ctx context.Context, n *node.Node, std streams, log *slog.Logger) error {
	conn, err := dial(n.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	opening, err := load.ParseOpening(load.DefaultOpening)
	if err != nil {
		return err
	}
	items := load.Bytes("deploy/demo/items.csv.gz", demo.Items)
	summary, err := load.Run(ctx, load.Options{POS: load.Bytes("deploy/demo/pos-sales.csv.gz", demo.Sales), Items: &items,
		Opening: opening, Verify: true, Conn: conn, Brokers: load.Brokers{Addresses: n.Brokers}, Log: log, Progress: progress(std.out)})
	if err != nil {
		return err
	}
	return summary.Print(std.out)
}

// tryIt names one command for each of the doors.
func tryIt(n *node.Node) string {
	grpc, kafka := "", ""
	if n.GRPC != defaultGRPC {
		grpc = " --grpc " + n.GRPC
	}
	if n.Brokers[0] != defaultBroker {
		kafka = " --kafka-brokers " + n.Brokers[0]
	}
	return fmt.Sprintf(`
Try it, in another terminal. How many bananas can the web shop sell?

  curl 'http://%[1]s/v1/availability/%[4]s?channel=web'

Promise three of them to a cart for 15 minutes, over gRPC:

  ./stockfold call%[2]s ReservationService/Reserve '{"reservation_id":"cart-1","sku":"%[4]s","channel":"web","quantity":3}'

A pallet arrives at store 367, through Kafka; then ask again:

  ./stockfold publish%[3]s movement '{"sku":"%[4]s","location":"367","quantity":48,"received":{}}'

More: http://%[1]s/ shows every call. Stop with Ctrl-C.
`, n.REST, grpc, kafka, demoSKU)
}
