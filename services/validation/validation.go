// Package validation checks what comes in from outside, field by field, by hand: no reflection on the hot path.
// It collects every violation of a request, so that a caller mends all of them at once. It leaves rules
// that need state (does the SKU exist?) to the services and the aggregates.
package validation

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stockfold/stockfold/aggregates"
)

// Bounds that hold for every request, wherever it comes from.
const (
	MaxID       = 100                   // bytes of a SKU, location, channel, reservation or other id
	MaxNote     = 200                   // bytes of a name, reason or note
	MaxQuantity = 1_000_000_000_000_000 // base units of one movement or reservation
	MaxHold     = 30 * 24 * time.Hour   // longest hold
	MaxAhead    = 5 * time.Minute       // how far ahead of our clock a fact may claim to be
)

// Violation says which field breaks which rule.
type Violation struct {
	Field string // path in the request, e.g. "movements[3].sku"
	Rule  string // what was expected and what came, e.g. "must be 1-100 bytes, has 140"
}

// Error lists what is wrong with a request. Nothing of it was applied.
type Error struct{ Violations []Violation }

func (e *Error) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Field + " " + v.Rule
	}
	return "invalid request: " + strings.Join(parts, "; ")
}

// ClockSkewError says that a fact claims to have occurred too far in the future.
type ClockSkewError struct {
	Field      string
	OccurredAt aggregates.Instant
	Now        aggregates.Instant
}

func (e *ClockSkewError) Error() string {
	return fmt.Sprintf("%s is %s, more than %s ahead of the service's clock (%s); check the source's clock",
		e.Field, e.OccurredAt.Time().Format(time.RFC3339), MaxAhead, e.Now.Time().Format(time.RFC3339))
}

// maxViolations bounds the size of an error; more are counted, not listed.
const maxViolations = 20

// Checker collects violations. The zero value is ready; Prefix is put before every field.
type Checker struct {
	Prefix     string
	violations []Violation
	more       int
}

// Fail notes a violation.
func (c *Checker) Fail(field, rule string, args ...any) {
	if len(c.violations) == maxViolations {
		c.more++
		return
	}
	c.violations = append(c.violations, Violation{Field: c.Prefix + field, Rule: fmt.Sprintf(rule, args...)})
}

// ID checks an id that must be there: 1-100 bytes of printable UTF-8.
func (c *Checker) ID(field, v string) {
	if v == "" {
		c.Fail(field, "must be 1-%d bytes, is empty", MaxID)
		return
	}
	c.Text(field, v, MaxID)
}

// Text checks a text that may be empty: at most limit bytes of printable UTF-8.
func (c *Checker) Text(field, v string, limit int) {
	if len(v) > limit {
		c.Fail(field, "must be at most %d bytes, has %d", limit, len(v))
		return
	}
	for i := 0; i < len(v); {
		if b := v[i]; b < utf8.RuneSelf {
			if b < 0x20 || b == 0x7f {
				c.Fail(field, "must be printable, has control character 0x%02x at byte %d", b, i)
				return
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(v[i:])
		if r == utf8.RuneError && n == 1 {
			c.Fail(field, "must be UTF-8, byte %d is not", i)
			return
		}
		if !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && !joins(v, i, n) {
			c.Fail(field, "must be printable, has U+%04X at byte %d", r, i)
			return
		}
		i += n
	}
}

// Persian, the scripts of India and many emoji are written with a joiner between two characters. Anywhere else it
// shows nothing, and would only tell ids apart that look the same.
const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// joins tells whether the n bytes of v from i on are a joiner between two characters that can be joined.
func joins(v string, i, n int) bool {
	if r, _ := utf8.DecodeRuneInString(v[i:]); r != zeroWidthNonJoiner && r != zeroWidthJoiner || i == 0 || i+n == len(v) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(v[:i])
	after, _ := utf8.DecodeRuneInString(v[i+n:])
	return min(before, after) >= utf8.RuneSelf && unicode.IsPrint(before) && unicode.IsPrint(after)
}

// Range checks that v lies in [low, high].
func (c *Checker) Range(field string, v, low, high int64) {
	if v < low || v > high {
		c.Fail(field, "must be %d to %d, is %d", low, high, v)
	}
}

// Count checks the number of elements of a list.
func (c *Checker) Count(field string, n, low, high int) {
	if n < low || n > high {
		c.Fail(field, "must have %d to %d elements, has %d", low, high, n)
	}
}

// Amount checks a quantity that may be given in base units or as a decimal number, not both.
func (c *Checker) Amount(quantity int64, decimal string, low int64) {
	if decimal != "" {
		if quantity != 0 {
			c.Fail("decimal", "must be empty when quantity is given")
		}
		c.Text("decimal", decimal, 40)
		return
	}
	c.Range("quantity", quantity, low, MaxQuantity)
}

// Err returns nil, or *Error with all violations.
func (c *Checker) Err() error {
	if len(c.violations) == 0 {
		return nil
	}
	if c.more > 0 {
		c.violations = append(c.violations, Violation{Field: c.Prefix, Rule: fmt.Sprintf("and %d more violations", c.more)})
	}
	return &Error{Violations: c.violations}
}

// CheckAhead refuses an instant more than MaxAhead in the future with *ClockSkewError.
func CheckAhead(field string, occurred, now aggregates.Instant) error {
	if occurred > now.Add(MaxAhead) {
		return &ClockSkewError{Field: field, OccurredAt: occurred, Now: now}
	}
	return nil
}
