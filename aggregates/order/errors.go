package order

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnknown says that nobody has placed the order.
var ErrUnknown = errors.New("unknown order")

// ReusedError says that an order's id, a message's id or an order's version was used before with other contents.
type ReusedError struct{ What string }

func (e *ReusedError) Error() string {
	return fmt.Sprintf("%s was used before with other contents; use a new one", e.What)
}

// NotLiveError refuses a change of an order that was rejected, cancelled, closed, or whose holds have ended.
type NotLiveError struct{ Status Status }

func (e *NotLiveError) Error() string {
	return fmt.Sprintf("the order is no longer live: it is %s", e.Status)
}

// NotHeldError refuses to move the end of holds that have none, because the order is confirmed.
type NotHeldError struct{}

func (*NotHeldError) Error() string { return "the order is confirmed and its holds do not end" }

// TooManyError refuses what is beyond a bound of one order.
type TooManyError struct {
	What  string
	Limit int
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the order has %d %s, the most it may", e.Limit, e.What)
}

// ShortError refuses an order: lines are short.
type ShortError struct{ Short []Shortage }

// maxNamed is how many lines an error names.
const maxNamed = 20

func (e *ShortError) Error() string {
	var b strings.Builder
	b.WriteString("the order is rejected, nothing of it is promised: ")
	for i, x := range e.Short {
		if i == maxNamed {
			fmt.Fprintf(&b, " and %d more lines", len(e.Short)-maxNamed)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "line %q, SKU %q: %d requested, %d available", x.Line, x.SKU, x.Requested, x.Available)
		if x.Component != "" {
			fmt.Fprintf(&b, " for want of component %q", x.Component)
		}
		if x.Reason != ShortInsufficient {
			fmt.Fprintf(&b, " (%s)", x.Reason)
		}
	}
	return b.String()
}

// Named are the first lines that are short, as many as an error names.
func (e *ShortError) Named() []Shortage { return e.Short[:min(len(e.Short), maxNamed)] }
