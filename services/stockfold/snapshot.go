package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// pastFlags are what questions about the past have alike.
type pastFlags struct {
	GRPC    string        `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Timeout time.Duration `default:"5m" help:"How long to wait for the answer (default: ${default})."`

	Axis     string `default:"occurred" enum:"occurred,recorded" help:"occurred: what was true, as far as it is known; recorded: what was known then (default: ${default})."`
	Position uint64 `placeholder:"N" help:"As known at this position of the store, as a former answer told it; everything by default."`
	Value    string `name:"value-by" default:"" enum:",average,fifo" placeholder:"METHOD" help:"average or fifo; by default as the service's setting valuation says."`
	Out      string `default:"-" placeholder:"FILE" type:"path" help:"Write to this file; by default to standard output."`
}

func (f *pastFlags) axis() pb.TimeAxis {
	if f.Axis == "recorded" {
		return pb.TimeAxis_TIME_AXIS_RECORDED
	}
	return pb.TimeAxis_TIME_AXIS_OCCURRED
}

func (f *pastFlags) valuation() pb.Valuation {
	return pb.Valuation(pb.Valuation_value["VALUATION_"+strings.ToUpper(f.Value)])
}

// ask calls f with a connection and where to write.
func (f *pastFlags) ask(ctx context.Context, std streams, call func(context.Context, pb.SnapshotServiceClient, io.Writer) error) (err error) {
	conn, err := grpc.NewClient(f.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	return writeWhole(f.Out, std.out, func(out io.Writer) error {
		return explain(call(ctx, pb.NewSnapshotServiceClient(conn), out), f.GRPC)
	})
}

// writeWhole has an answer written to a file, which takes the place of the one that is there once it is whole: half of an answer looks like one. To what is no
// file, such as a pipe, it is written as it comes.
func writeWhole(name string, std io.Writer, write func(io.Writer) error) error {
	if name == stdoutFile {
		return write(std)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		return errors.Join(write(file), file.Close())
	}
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	defer os.Remove(file.Name())
	err = write(file)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}

// tell says what an answer was built from.
func tell(out io.Writer, t *pb.SnapshotTrailer) {
	settled := "; repeat it with --position to get the same again"
	if t.Settled {
		settled = "; it stays the same for ever"
	}
	fmt.Fprintf(out, "position %d, %d events, %d rows, sha256 %s%s\n", t.Position, t.Events, t.Rows, t.Sha256, settled)
}

// snapshotCmd tells finance what lay where.
type snapshotCmd struct {
	pastFlags `embed:""`

	At     time.Time `required:"" help:"The instant, such as 2017-03-31T23:59:59-05:00." format:"2006-01-02T15:04:05Z07:00"`
	By     []string  `default:"sku,location" enum:"sku,location,condition,department" placeholder:"WHAT,…" help:"What rows are told apart by: sku, location, condition, department (default: ${default})."`
	Format string    `default:"csv" enum:"csv,jsonl,parquet" help:"csv, jsonl or parquet (default: ${default})."`
}

// Help is shown below the flags.
func (*snapshotCmd) Help() string {
	return `On hand, reserved, in transit and incoming in base units, and values in minor units of their currency, at an instant. The position that it was
built at, how many events are behind it, and the SHA-256 of its rows in canonical form (the lines of CSV, without the head) go to standard error. Asked
again with that position the answer is the same, byte for byte; on the recorded axis without it as well, once it is settled.

Examples:
  stockfold snapshot --at 2017-03-31T23:59:59-05:00
  stockfold snapshot --at 2017-03-31T23:59:59-05:00 --by department --axis recorded
  stockfold snapshot --at 2017-03-31T23:59:59-05:00 --by sku,location,condition --value-by fifo --format parquet --out q1.parquet`
}

// Run asks and writes.
func (c *snapshotCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	request := &pb.TakeSnapshotRequest{At: timestamppb.New(c.At), Axis: c.axis(), Position: c.Position, Valuation: c.valuation()}
	for _, by := range c.By {
		request.By = append(request.By, pb.SnapshotDimension(pb.SnapshotDimension_value["SNAPSHOT_DIMENSION_"+strings.ToUpper(by)]))
	}
	return c.ask(ctx, std, func(ctx context.Context, client pb.SnapshotServiceClient, out io.Writer) error {
		stream, err := client.TakeSnapshot(ctx, request)
		if err != nil {
			return err
		}
		w := newRows(c.Format, out)
		for {
			answer, err := stream.Recv()
			if err != nil {
				return err
			}
			if err := w.write(answer.Rows); err != nil {
				return err
			}
			if t := answer.Trailer; t != nil {
				tell(std.err, t)
				return w.close(t)
			}
		}
	})
}
