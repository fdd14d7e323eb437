package validation

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
)

func TestIDsOfAnyPrintableTextPass(t *testing.T) {
	for _, id := range []string{"a", "a/b", "100%", "blue shirt", "кофе", "咖啡", "ñ:{}?#", "می\u200cخواهم", "👩\u200d🍳", "❤\ufe0f\u200d🔥", "a\u00a0b", strings.Repeat("x", MaxID)} {
		var c Checker
		if c.ID("sku", id); c.Err() != nil {
			t.Errorf("id %q: %v", id, c.Err())
		}
	}
}

func TestViolationsNameFieldAndRule(t *testing.T) {
	cases := map[string]struct {
		check func(*Checker)
		want  string
	}{
		"empty":       {func(c *Checker) { c.ID("sku", "") }, "lines[2].sku must be 1-100 bytes, is empty"},
		"long":        {func(c *Checker) { c.ID("sku", strings.Repeat("x", 101)) }, "lines[2].sku must be at most 100 bytes, has 101"},
		"long umlaut": {func(c *Checker) { c.ID("sku", strings.Repeat("ü", 51)) }, "lines[2].sku must be at most 100 bytes, has 102"},
		"control":     {func(c *Checker) { c.ID("sku", "a\x00b") }, "lines[2].sku must be printable, has control character 0x00 at byte 1"},
		"not utf8":    {func(c *Checker) { c.ID("sku", "a\xff") }, "lines[2].sku must be UTF-8, byte 1 is not"},
		"unprintable": {func(c *Checker) { c.ID("sku", "a\u200b") }, "lines[2].sku must be printable, has U+200B at byte 1"},
		"line break":  {func(c *Checker) { c.ID("sku", "a\u2028b") }, "lines[2].sku must be printable, has U+2028 at byte 1"},
		"next line":   {func(c *Checker) { c.ID("sku", "a\u0085b") }, "lines[2].sku must be printable, has U+0085 at byte 1"},
		"joins ascii": {func(c *Checker) { c.ID("sku", "a\u200db") }, "lines[2].sku must be printable, has U+200D at byte 1"},
		"joins none":  {func(c *Checker) { c.ID("sku", "ж\u200d") }, "lines[2].sku must be printable, has U+200D at byte 2"},
		"joins twice": {func(c *Checker) { c.ID("sku", "ж\u200d\u200dж") }, "lines[2].sku must be printable, has U+200D at byte 2"},
		"joins first": {func(c *Checker) { c.ID("sku", "\u200cж") }, "lines[2].sku must be printable, has U+200C at byte 0"},
		"range":       {func(c *Checker) { c.Range("quantity", 0, 1, 5) }, "lines[2].quantity must be 1 to 5, is 0"},
		"count":       {func(c *Checker) { c.Count("skus", 1001, 1, 1000) }, "lines[2].skus must have 1 to 1000 elements, has 1001"},
		"both":        {func(c *Checker) { c.Amount(1, "1.5", 0) }, "lines[2].decimal must be empty when quantity is given"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := Checker{Prefix: "lines[2]."}
			tc.check(&c)
			var err *Error
			if !errors.As(c.Err(), &err) || len(err.Violations) != 1 {
				t.Fatalf("got %v, want one violation", c.Err())
			}
			if got := err.Violations[0].Field + " " + err.Violations[0].Rule; got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestViolationsAreBounded(t *testing.T) {
	var c Checker
	for range 1000 {
		c.ID("sku", "")
	}
	var err *Error
	if !errors.As(c.Err(), &err) || len(err.Violations) != maxViolations+1 {
		t.Fatalf("got %d violations, want %d", len(err.Violations), maxViolations+1)
	}
	if last := err.Violations[maxViolations].Rule; last != "and 980 more violations" {
		t.Errorf("last violation says %q", last)
	}
}

func TestFactsFromTheFutureAreRefused(t *testing.T) {
	now := aggregates.At(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	if err := CheckAhead("occurred_at", now.Add(MaxAhead), now); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	var skew *ClockSkewError
	if err := CheckAhead("occurred_at", now.Add(MaxAhead+time.Microsecond), now); !errors.As(err, &skew) {
		t.Errorf("past the limit: got %v, want a clock skew", err)
	}
}
