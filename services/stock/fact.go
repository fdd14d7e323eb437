package stock

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// Fact is one physical change of one SKU, validated and ready to be recorded.
type Fact struct {
	SKU      string
	Movement domain.Movement
	Metadata aggregates.Metadata
}

// keyBytes is how much of a SHA-256 makes an idempotency key: enough that no two facts ever share one by chance, and
// short, because every event carries it.
const keyBytes = 16

// idempotencyKey names a fact of a source: 22 characters that follow from the system's name, its own id of the fact,
// and the line, from 1, of a fact that has lines (0 otherwise).
func idempotencyKey(system, id string, line int) string {
	var room [512]byte
	b := binary.AppendUvarint(room[:0], uint64(len(system)))
	b = append(b, system...)
	b = binary.AppendUvarint(b, uint64(len(id)))
	b = append(b, id...)
	b = binary.AppendUvarint(b, uint64(line))
	sum := sha256.Sum256(b)
	var text [(keyBytes*8 + 5) / 6]byte
	base64.RawURLEncoding.Encode(text[:], sum[:keyBytes])
	return string(text[:])
}

// instant cuts a timestamp to microseconds; unset gives 0.
func instant(t *timestamppb.Timestamp) aggregates.Instant {
	if t == nil {
		return 0
	}
	return aggregates.Instant(t.Seconds)*aggregates.Second + aggregates.Instant(t.Nanos/1000)
}

// timeText writes an instant for a fingerprint.
func timeText(i aggregates.Instant) string { return strconv.FormatInt(int64(i), 10) }

func quantityText(q int64) string { return strconv.FormatInt(q, 10) }

// condition reads the contract's conditions, which start at 1; left out means sellable.
func condition(c pb.Condition) domain.Condition {
	if c == pb.Condition_CONDITION_UNSPECIFIED {
		return domain.Sellable
	}
	return domain.Condition(c - pb.Condition_CONDITION_SELLABLE)
}

func checkCondition(c *validation.Checker, field string, v pb.Condition) {
	if v < pb.Condition_CONDITION_UNSPECIFIED || v > pb.Condition_CONDITION_QUARANTINED {
		c.Fail(field, "must be a known condition, is %d", int32(v))
	}
}

// checkOccurred checks that a time is given and lies after 1970.
func checkOccurred(c *validation.Checker, field string, at aggregates.Instant) {
	if at <= 0 {
		c.Fail(field, "must be given, as a time after 1970")
	}
}

// checkAmount checks a quantity in base units or as a decimal number; the item's own decimals are checked when the
// fact is decided.
func checkAmount(c *validation.Checker, quantity int64, decimal string, signed bool) {
	low := int64(0)
	if signed {
		low = -validation.MaxQuantity
	}
	c.Amount(quantity, decimal, low)
	if decimal == "" || len(decimal) > maxDecimalBytes {
		return
	}
	if rule := decimalRule(decimal, signed); rule != "" {
		c.Fail("decimal", "%s, is %q", rule, decimal)
	}
}

// maxDecimalBytes is the longest decimal number; package validation refuses longer ones.
const maxDecimalBytes = 40

// decimalRule says which rule of "[+-]digits[.digits]" a text breaks, or "".
func decimalRule(text string, signed bool) string {
	digits := text
	if digits[0] == '-' || digits[0] == '+' {
		if digits[0] == '-' && !signed {
			return "must not be negative"
		}
		digits = digits[1:]
	}
	point := -1
	for i := range len(digits) {
		switch c := digits[i]; {
		case c == '.' && point < 0:
			point = i
		case c < '0' || c > '9':
			return "must be a decimal number such as 5 or 5.25"
		}
	}
	if digits == "" || point == 0 || point == len(digits)-1 {
		return "must be a decimal number such as 5 or 5.25"
	}
	return ""
}

// checkAhead refuses what claims to have occurred too far ahead of now.
func checkAhead(field string, at, now aggregates.Instant) error {
	if at <= now {
		return nil
	}
	return validation.CheckAhead(field, at, now)
}

func index(prefix string, i int) string { return fmt.Sprintf("%s[%d].", prefix, i) }
