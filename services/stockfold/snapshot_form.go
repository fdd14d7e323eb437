package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/snapshots"
)

// rows writes a snapshot in some form. The same rows give the same bytes.
type rows interface {
	write([]*pb.SnapshotRow) error
	close(*pb.SnapshotTrailer) error
}

func newRows(format string, out io.Writer) rows {
	switch format {
	case "parquet":
		return newParquet(out)
	case "jsonl":
		w := bufio.NewWriter(out)
		return &jsonRows{out: w, to: json.NewEncoder(w)}
	default:
		return &csvRows{out: bufio.NewWriter(out)}
	}
}

// csvRows writes a head and the rows in canonical form.
type csvRows struct {
	out   *bufio.Writer
	begun bool
	line  []byte
}

func (w *csvRows) write(list []*pb.SnapshotRow) error {
	if !w.begun {
		w.begun = true
		if _, err := w.out.WriteString(snapshots.RowHeader); err != nil {
			return err
		}
	}
	for _, r := range list {
		w.line = snapshots.AppendRow(w.line[:0], r)
		if _, err := w.out.Write(w.line); err != nil {
			return err
		}
	}
	return nil
}

func (w *csvRows) close(*pb.SnapshotTrailer) error { return errors.Join(w.write(nil), w.out.Flush()) }

// fileRow is a row in files, with the names of the canonical form.
type fileRow struct {
	SKU            string `json:"sku" parquet:"sku,dict"`
	Location       string `json:"location" parquet:"location,dict"`
	Condition      string `json:"condition" parquet:"condition,dict"`
	Department     string `json:"department" parquet:"department,dict"`
	Unit           string `json:"unit" parquet:"unit,dict"`
	Decimals       int32  `json:"decimals" parquet:"decimals"`
	OnHand         int64  `json:"on_hand" parquet:"on_hand"`
	Reserved       int64  `json:"reserved" parquet:"reserved"`
	InTransit      int64  `json:"in_transit" parquet:"in_transit"`
	Incoming       int64  `json:"incoming" parquet:"incoming"`
	Currency       string `json:"currency" parquet:"currency,dict"`
	Value          int64  `json:"value" parquet:"value"`
	InTransitValue int64  `json:"in_transit_value" parquet:"in_transit_value"`
	Uncosted       int64  `json:"uncosted" parquet:"uncosted"`
}

func fileRowOf(r *pb.SnapshotRow) fileRow {
	return fileRow{SKU: r.Sku, Location: r.Location, Condition: snapshots.Condition(r.Condition), Department: r.Department, Unit: r.Unit,
		Decimals: r.Decimals, OnHand: r.OnHand, Reserved: r.Reserved, InTransit: r.InTransit, Incoming: r.Incoming, Currency: r.Currency,
		Value: r.Value, InTransitValue: r.InTransitValue, Uncosted: r.Uncosted}
}

// jsonRows writes a line of JSON for each row.
type jsonRows struct {
	out *bufio.Writer
	to  *json.Encoder
}

func (w *jsonRows) write(list []*pb.SnapshotRow) error {
	for _, r := range list {
		if err := w.to.Encode(fileRowOf(r)); err != nil {
			return err
		}
	}
	return nil
}

func (w *jsonRows) close(*pb.SnapshotTrailer) error { return w.out.Flush() }

// Settings of Parquet files; they decide about bytes and stay as they are.
const (
	parquetGroup = 100_000 // rows
	parquetPage  = 1 << 20 // bytes
)

// parquetRows writes a Parquet file, with the trailer in its metadata.
type parquetRows struct {
	*parquet.GenericWriter[fileRow]
}

func newParquet(out io.Writer) *parquetRows {
	return &parquetRows{parquet.NewGenericWriter[fileRow](out, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(parquetGroup),
		parquet.PageBufferSize(parquetPage), parquet.CreatedBy("stockfold", "1", ""))}
}

func (w *parquetRows) write(list []*pb.SnapshotRow) error {
	file := make([]fileRow, len(list))
	for i, r := range list {
		file[i] = fileRowOf(r)
	}
	_, err := w.Write(file)
	return err
}

func (w *parquetRows) close(t *pb.SnapshotTrailer) error {
	w.SetKeyValueMetadata("stockfold.position", strconv.FormatUint(t.Position, 10))
	w.SetKeyValueMetadata("stockfold.events", strconv.FormatUint(t.Events, 10))
	w.SetKeyValueMetadata("stockfold.sha256", t.Sha256)
	return w.Close()
}
