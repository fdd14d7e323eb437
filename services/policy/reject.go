package policy

import (
	"errors"

	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/refusals"
	facts "github.com/stockfold/stockfold/services/stock"
)

// The reasons, beside those of services/stock, for which a change of policy is refused. They are a contract, and the same as those of the RPCs.
const (
	ReasonUnknownSKU     = "UNKNOWN_SKU"
	ReasonUnknownChannel = "UNKNOWN_CHANNEL"
	ReasonUnknownGroup   = "UNKNOWN_GROUP"
	ReasonUsed           = "ALLOCATION_USED"
	ReasonOverlap        = "ALLOCATIONS_OVERLAP"
	ReasonBackorders     = "BACKORDERS_USED"
	ReasonTooMany        = "TOO_MANY_RULES"
	ReasonDecimalsFixed  = "DECIMALS_FIXED"
	ReasonReservations   = "TOO_MANY_RESERVATIONS"
)

// Waits tells whether a refusal for a reason may pass by itself, once something else is defined.
func Waits(reason string) bool {
	switch reason {
	case facts.ReasonUnknownLocation, ReasonUnknownChannel, ReasonUnknownGroup, ReasonUnknownSKU:
		return true
	}
	return false
}

// Reject returns the rejection that an error amounts to, or nil when the error says nothing about the change itself.
func Reject(err error) *facts.Rejection {
	if r := rejectUnknown(err); r != nil {
		return r
	}
	for _, known := range []struct {
		reason string
		is     func(error) bool
	}{
		{ReasonUsed, is[*stock.AllocationUsedError]}, {ReasonOverlap, is[*stock.OverlapError]}, {ReasonBackorders, is[*stock.BackordersUsedError]},
		{ReasonTooMany, is[*stock.BoundError]}, {ReasonDecimalsFixed, is[*stock.DecimalsFixedError]}, {ReasonReservations, is[*stock.TooManyError]},
		{facts.ReasonKeyReused, is[*said.ReusedError]}, {facts.ReasonInvalid, is[*stock.PeriodError]}, {facts.ReasonInvalid, is[*rules.ScopeError]},
		{facts.ReasonInvalid, is[*location.RepeatedOwnershipError]}, {ReasonKitHoldsStock, is[*stock.KitHoldsError]},
		{ReasonKitNested, is[*stock.NestedKitError]}, {facts.ReasonInvalid, is[*stock.ComponentError]},
		{facts.ReasonInvalid, func(err error) bool {
			return errors.Is(err, rules.ErrNoCategory) || errors.Is(err, stock.ErrRepeatedLocation)
		}},
	} {
		if known.is(err) {
			return &facts.Rejection{Reason: known.reason, Message: err.Error()}
		}
	}
	return facts.Reject(err)
}

func rejectUnknown(err error) *facts.Rejection {
	var places *refusals.UnknownLocations
	switch {
	case errors.As(err, &places):
		return &facts.Rejection{Reason: facts.ReasonUnknownLocation, Message: places.Error(), Location: places.Locations[0]}
	case is[*refusals.UnknownChannel](err):
		return &facts.Rejection{Reason: ReasonUnknownChannel, Message: err.Error()}
	case is[*GroupError](err):
		return &facts.Rejection{Reason: ReasonUnknownGroup, Message: err.Error()}
	case is[*refusals.UnknownSKU](err), errors.Is(err, stock.ErrUnknownSKU):
		return &facts.Rejection{Reason: ReasonUnknownSKU, Message: err.Error()}
	}
	return nil
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
