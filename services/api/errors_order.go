package api

import (
	"strconv"

	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// Reasons of errors about orders. They are a contract and never change.
const (
	ReasonOrderShort    = "ORDER_SHORT"
	ReasonOrderNotLive  = "ORDER_NOT_LIVE"
	ReasonOrderNotHeld  = "ORDER_NOT_HELD"
	ReasonUnknownOrder  = "UNKNOWN_ORDER"
	ReasonOrderTooLarge = "ORDER_TOO_LARGE"
	ReasonNoSite        = "NO_LOCATION_TO_SELL_FROM"
)

// aboutOrders is what orders are refused for.
func aboutOrders(err error) (problem, bool) {
	forbidden := func(reason string, facts ...string) (problem, bool) {
		return problem{code: codes.FailedPrecondition, reason: reason}.with(facts...), true
	}
	switch e := err.(type) {
	case *order.ShortError:
		return problem{code: codes.FailedPrecondition, reason: ReasonOrderShort}.with(shortLines(e)...), true
	case *order.NotLiveError:
		return forbidden(ReasonOrderNotLive, "status", e.Status.String())
	case *order.NotHeldError:
		return forbidden(ReasonOrderNotHeld)
	case *order.TooManyError:
		return forbidden(ReasonOrderTooLarge, "limit", strconv.Itoa(e.Limit))
	case *order.ReusedError:
		return problem{code: codes.AlreadyExists, reason: ReasonKeyReused}, true
	case *stock.NoSiteError:
		return forbidden(ReasonNoSite, "channel", e.Channel)
	}
	if err == order.ErrUnknown {
		return problem{code: codes.NotFound, reason: ReasonUnknownOrder}, true
	}
	return problem{}, false
}

// shortLines are the lines that are short, the first of them: under short_1 and so on the line, its SKU, what was asked for and what
// there is, as "line=1 sku=milk requested=5 available=3 reason=INSUFFICIENT_STOCK".
func shortLines(e *order.ShortError) []string {
	facts := []string{"lines", strconv.Itoa(len(e.Short))}
	for i, x := range e.Named() {
		facts = append(facts, "short_"+strconv.Itoa(i+1), "line="+x.Line+" sku="+x.SKU+" requested="+number(x.Requested)+
			" available="+number(x.Available)+" reason="+x.Reason)
	}
	return facts
}
