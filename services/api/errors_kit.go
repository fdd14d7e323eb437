package api

import (
	"google.golang.org/grpc/codes"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/reservation"
)

// Reasons of errors about kits. They are a contract and never change.
const (
	ReasonKitHoldsNoStock = "KIT_HOLDS_NO_STOCK"
	ReasonKitHoldsStock   = "KIT_HOLDS_STOCK"
	ReasonKitNested       = "KIT_NESTED"
	ReasonKitReservation  = "KIT_RESERVATION"
)

// aboutKits is what is refused of kits.
func aboutKits(err error) (problem, bool) {
	forbidden := func(reason string, facts ...string) (problem, bool) {
		return problem{code: codes.FailedPrecondition, reason: reason}.with(facts...), true
	}
	switch e := err.(type) {
	case *stock.KitError:
		return forbidden(ReasonKitHoldsNoStock)
	case *stock.KitHoldsError:
		return forbidden(ReasonKitHoldsStock, "what", e.What, "quantity", number(e.Quantity))
	case *stock.NestedKitError:
		if len(e.Kits) > 0 {
			return forbidden(ReasonKitNested, "kit", e.Kits[0].Kit)
		}
		return forbidden(ReasonKitNested, "component", e.Component)
	case *stock.ComponentError:
		return invalid("kit.components", ReasonInvalidFields, err), true
	case *reservation.KitReservationError:
		return forbidden(ReasonKitReservation, "reservation_id", e.ReservationID)
	case *stock.KitChangedError:
		return problem{code: codes.Aborted, reason: ReasonContended, retry: retrySoon}, true
	}
	return problem{}, false
}
