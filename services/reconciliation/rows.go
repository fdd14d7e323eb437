package reconciliation

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/validation"
)

// currencyCode is the form of ISO 4217. A cost of nothing may have one, too.
var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// conditions by the name that snapshots give them.
var conditions = map[string]stock.Condition{
	"": stock.Sellable, "sellable": stock.Sellable, "inspection": stock.Inspection, "damaged": stock.Damaged, "quarantined": stock.Quarantined,
}

var conditionNames = [...]string{"sellable", "inspection", "damaged", "quarantined"}

// rowRule says which rule a row breaks, "" when none. It fills in what the header says of all rows.
func rowRule(h *reconciliation.Header, r *reconciliation.Row) string {
	var c validation.Checker
	c.ID("sku", r.SKU)
	switch {
	case h.Channel != "" && r.Location != "":
		c.Fail("location", "must be empty in a snapshot of what a channel shows")
	case h.Location != "" && r.Location != "" && r.Location != h.Location:
		c.Fail("location", "must be %q as in the header, or empty", h.Location)
	case h.Channel == "" && r.Location == "" && h.Location != "":
		r.Location = h.Location
	case h.Channel == "":
		c.ID("location", r.Location)
	}
	if _, ok := conditions[r.Condition]; !ok || h.Channel != "" && r.Condition != "" {
		c.Fail("condition", "must be empty, sellable, inspection, damaged or quarantined; empty in a snapshot of a channel")
	} else if h.Channel == "" {
		r.Condition = conditionNames[conditions[r.Condition]]
	}
	c.Amount(r.Quantity, r.Decimal, -validation.MaxQuantity)
	if r.Decimal != "" {
		if _, err := stock.ParseDecimal(r.Decimal, &stock.Item{Decimals: maxDecimals}); err != nil {
			c.Fail("decimal", "%s", err.Error())
		}
	}
	c.Range("unit_cost", r.UnitCost, 0, validation.MaxQuantity)
	if r.Currency == "" && r.UnitCost != 0 || r.Currency != "" && !currencyCode.MatchString(r.Currency) {
		c.Fail("currency", "must be a code of three capital letters beside a unit cost")
	}
	err := c.Err()
	if err == nil {
		return ""
	}
	return clip(strings.TrimSpace(err.Error()))
}

// maxDecimals is the most that an item may have.
const maxDecimals = 9

// maxReason bounds the text about a row.
const maxReason = 300

// clip cuts a text from outside to a length that can be kept, as UTF-8.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// quantity is what a row says, in base units.
func quantity(r *reconciliation.Row, item *stock.Item) (int64, error) {
	if r.Decimal == "" {
		return r.Quantity, nil
	}
	q, err := stock.ParseDecimal(r.Decimal, item)
	if err != nil {
		return 0, fmt.Errorf("decimal: %w", err)
	}
	return q, nil
}
