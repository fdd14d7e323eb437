package stock

import (
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// MaxSaleLines is the most lines of one sale.
const MaxSaleLines = 1_000

// checkSale checks every field of a sale, and what its message says of it.
func checkSale(c *validation.Checker, s *pb.Sale, origin *aggregates.Metadata) {
	c.ID("id", origin.Source.MessageID)
	c.ID("source", origin.Source.System)
	checkOccurred(c, "time", origin.OccurredAt)
	c.ID("document", s.Document)
	c.ID("location", s.Location)
	c.Text("channel", s.Channel, validation.MaxID)
	c.Text("actor", s.Actor, validation.MaxID)
	c.Count("lines", len(s.Lines), 1, MaxSaleLines)
	if len(s.Lines) > MaxSaleLines {
		return
	}
	for i, line := range s.Lines {
		var quick validation.Checker
		if checkLine(&quick, line); quick.Err() != nil {
			prefix := c.Prefix
			c.Prefix = index(prefix+"lines", i)
			checkLine(c, line)
			c.Prefix = prefix
		}
	}
}

func checkLine(c *validation.Checker, l *pb.SaleLine) {
	c.ID("sku", l.GetSku())
	checkAmount(c, l.GetQuantity(), l.GetDecimal(), false)
	c.Text("line", l.GetLine(), validation.MaxID)
	c.Text("reservation_id", l.GetReservationId(), validation.MaxID)
	if l.GetReturned() && l.GetReservationId() != "" {
		c.Fail("reservation_id", "must be empty for units that come back")
	}
}

// factsOf makes the facts of a sale that passed the checks, one per line, in their order.
func factsOf(s *pb.Sale, origin aggregates.Metadata) []Fact {
	origin.Actor = s.Actor
	origin.Source.Document = s.Document
	origin.Fingerprint = saleFingerprint(s, origin.OccurredAt)
	facts := make([]Fact, len(s.Lines))
	for i, line := range s.Lines {
		f := &facts[i]
		f.SKU, f.Metadata = line.Sku, origin
		f.Movement = domain.Movement{
			Kind: domain.KindSold, Location: s.Location, Quantity: line.Quantity, Decimal: line.Decimal,
			Channel: s.Channel, ReservationID: line.ReservationId,
		}
		if line.Returned {
			f.Movement.Kind = domain.KindReturned
		}
		if f.Metadata.Source.Line = line.Line; line.Line == "" {
			f.Metadata.Source.Line = strconv.Itoa(i + 1)
		}
		f.Metadata.IdempotencyKey = idempotencyKey(origin.Source.System, origin.Source.MessageID, i+1)
	}
	return facts
}

// saleFingerprint condenses the whole sale: every line carries it, so that a sale told again with any line changed
// conflicts in every line.
func saleFingerprint(s *pb.Sale, at aggregates.Instant) uint64 {
	var room [64]string
	parts := append(room[:0], s.Document, s.Location, s.Channel, timeText(at))
	for _, l := range s.Lines {
		returned := ""
		if l.Returned {
			returned = "returned"
		}
		parts = append(parts, l.Sku, quantityText(l.Quantity), l.Decimal, l.Line, l.ReservationId, returned)
	}
	return aggregates.Fingerprint(parts...)
}
