package load

import (
	"io"
	"strconv"
	"time"

	"github.com/stockfold/stockfold/services/validation"
)

// Bounds of a file of till receipts.
const (
	maxBasketLines = 1_000                                // lines of one basket, as the contract allows for a sale
	maxStoreBytes  = validation.MaxID - len(sourcePrefix) // the store is part of the source's name
)

// Basket is one till transaction.
type Basket struct {
	At    time.Time
	Store string
	ID    string
	Lines []Line
}

// Line is one line of a basket.
type Line struct {
	SKU      string
	Quantity int64 // base units; 0 for a coupon or void, negative for units that the customer brought back
}

// POS reads a file of till receipts: the columns ts (RFC 3339), store_id, basket_id, product_id and quantity, in order of time,
// the lines of a basket together.
type POS struct {
	table  *table
	at     time.Time // of the last line, to see that time does not run backwards
	ahead  bool      // a line was read that belongs to the next basket
	first  posLine
	basket Basket
}

type posLine struct {
	at            time.Time
	store, basket string
	Line
}

// OpenPOS reads the header of a file of till receipts.
func OpenPOS(f File) (*POS, error) {
	t, err := openTable(f, "ts", "store_id", "basket_id", "product_id", "quantity")
	if err != nil {
		return nil, err
	}
	return &POS{table: t}, nil
}

// Next returns the next basket, or io.EOF. It is valid until the next call. What is wrong with the file is a
// *LineError.
func (p *POS) Next() (*Basket, error) {
	if !p.ahead {
		line, err := p.line()
		if err != nil {
			return nil, err
		}
		p.first = line
	}
	p.ahead = false
	b := &p.basket
	b.At, b.Store, b.ID, b.Lines = p.first.at, p.first.store, p.first.basket, append(b.Lines[:0], p.first.Line)
	for {
		line, err := p.line()
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if !line.at.Equal(b.At) || line.store != b.Store || line.basket != b.ID {
			p.first, p.ahead = line, true
			return b, nil
		}
		if len(b.Lines) == maxBasketLines {
			return nil, p.table.fail("basket %s has more than %d lines", b.ID, maxBasketLines)
		}
		b.Lines = append(b.Lines, line.Line)
	}
}

// LineNumber is the number of the last line read.
func (p *POS) LineNumber() int { return p.table.line }

// Close closes the file.
func (p *POS) Close() error { return p.table.Close() }

func (p *POS) line() (posLine, error) {
	f, err := p.table.next()
	if err != nil {
		return posLine{}, err
	}
	line := posLine{store: f[1], basket: f[2], Line: Line{SKU: f[3]}}
	if line.at, err = time.Parse(time.RFC3339, f[0]); err != nil {
		return line, p.table.fail("ts %q must be a time like 2017-01-02T15:04:05Z", f[0])
	}
	if line.at.Before(p.at) {
		return line, p.table.fail("ts %s is before that of the line above; sort the file by time", f[0])
	}
	if line.Quantity, err = strconv.ParseInt(f[4], 10, 64); err != nil {
		return line, p.table.fail("quantity %q must be a whole number of base units", f[4])
	}
	if line.Quantity > validation.MaxQuantity || line.Quantity < -validation.MaxQuantity {
		return line, p.table.fail("quantity %d must be at most %d either way", line.Quantity, int64(validation.MaxQuantity))
	}
	p.at = line.at
	return line, p.checkIDs(line)
}

func (p *POS) checkIDs(line posLine) error {
	var c validation.Checker
	c.ID("store_id", line.store)
	c.ID("basket_id", line.basket)
	c.ID("product_id", line.SKU)
	if len(line.store) > maxStoreBytes {
		c.Fail("store_id", "must be at most %d bytes, has %d", maxStoreBytes, len(line.store))
	}
	if err := c.Err(); err != nil {
		v := err.(*validation.Error).Violations[0]
		return p.table.fail("%s %s", v.Field, v.Rule)
	}
	return nil
}
