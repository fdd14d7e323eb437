package snapshots

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"

	"github.com/stockfold/stockfold/projections/ledger"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// digest is that of rows in canonical form, in the making.
type digest struct {
	sum  hash.Hash
	rows int64
	line []byte
}

func newDigest() *digest { return &digest{sum: sha256.New()} }

func (d *digest) trailer(r ledger.Result) *pb.SnapshotTrailer {
	return &pb.SnapshotTrailer{Position: r.Position, Events: r.Events, Rows: d.rows, Sha256: hex.EncodeToString(d.sum.Sum(nil)), Settled: r.Settled}
}

func (d *digest) row(r *pb.SnapshotRow) {
	d.line = AppendRow(d.line[:0], r)
	d.add()
}

func (d *digest) add() {
	d.rows++
	_, _ = d.sum.Write(d.line)
}

// RowHeader names the columns of a row in canonical form.
const RowHeader = "sku,location,condition,department,unit,decimals,on_hand,reserved,in_transit,incoming,currency,value,in_transit_value,uncosted\n"

// AppendRow appends the canonical form of a row: a line of CSV.
func AppendRow(b []byte, r *pb.SnapshotRow) []byte {
	b = appendText(b, r.Sku)
	b = appendText(b, r.Location)
	b = appendText(b, Condition(r.Condition))
	b = appendText(b, r.Department)
	b = appendText(b, r.Unit)
	b = appendNumbers(b, int64(r.Decimals), r.OnHand, r.Reserved, r.InTransit, r.Incoming)
	b = appendText(b, r.Currency)
	b = appendNumbers(b, r.Value, r.InTransitValue, r.Uncosted)
	b[len(b)-1] = '\n'
	return b
}

// LineHeader names the columns of a line of a roll-forward in canonical form.
const LineHeader = "sku,location,department,unit,decimals,currency,opening_units,opening_value,received_units,received_value,sold_units,sold_value," +
	"returned_units,returned_value,adjusted_units,adjusted_value,transferred_units,transferred_value,closing_units,closing_value\n"

// AppendLine appends the canonical form of a line of a roll-forward.
func AppendLine(b []byte, l *pb.RollForwardLine) []byte {
	b = appendText(b, l.Sku)
	b = appendText(b, l.Location)
	b = appendText(b, l.Department)
	b = appendText(b, l.Unit)
	b = appendNumbers(b, int64(l.Decimals))
	b = appendText(b, l.Currency)
	for _, a := range Amounts(l) {
		b = appendNumbers(b, a.GetUnits(), a.GetValue())
	}
	b[len(b)-1] = '\n'
	return b
}

// Amounts of a line, in order.
func Amounts(l *pb.RollForwardLine) []*pb.StockAmount {
	return []*pb.StockAmount{l.Opening, l.Received, l.Sold, l.Returned, l.Adjusted, l.Transferred, l.Closing}
}

// Condition is the text of a condition, "" when unset.
func Condition(c pb.Condition) string {
	if c == pb.Condition_CONDITION_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(c.String(), "CONDITION_"))
}

// appendText appends a field, quoted where RFC 4180 wants it.
func appendText(b []byte, s string) []byte {
	if !strings.ContainsAny(s, "\",\r\n") {
		return append(append(b, s...), ',')
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"', ',')
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = append(strconv.AppendInt(b, n, 10), ',')
	}
	return b
}
