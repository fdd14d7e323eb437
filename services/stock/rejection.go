package stock

import (
	"context"
	"errors"
	"fmt"

	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/validation"
)

// The reasons for which a fact cannot be applied. They are a contract and never change.
const (
	ReasonInvalid         = "INVALID"                // a field breaks a rule
	ReasonClockSkew       = "CLOCK_SKEW"             // occurred too far in the future
	ReasonUnknownLocation = "UNKNOWN_LOCATION"       // nobody defined the location where it happened
	ReasonKeyReused       = "IDEMPOTENCY_KEY_REUSED" // the source used the id before, with other contents
	ReasonTooManyDecimals = "TOO_MANY_DECIMALS"      // the quantity would have to be rounded
	ReasonOverflow        = "QUANTITY_OVERFLOW"      // a balance would not fit 64 bits
	ReasonKitHoldsNoStock = "KIT_HOLDS_NO_STOCK"     // the SKU is a kit: what lies there are its components
	ReasonTooMuchSupply   = "TOO_MANY_SUPPLY_LINES"  // the SKU, or the document, has as many lines of supply as it may
)

// Rejection says why a fact cannot be applied as it is. Trying again only helps once something else has changed.
type Rejection struct {
	Reason   string
	Message  string
	Location string // that is not defined, for ReasonUnknownLocation
}

func (r *Rejection) Error() string { return r.Reason + ": " + r.Message }

// Reject returns the rejection that an error amounts to, or nil when the error says nothing about the fact itself.
func Reject(err error) *Rejection {
	var (
		rejection *Rejection
		invalid   *validation.Error
		skew      *validation.ClockSkewError
		reused    *domain.KeyReusedError
		decimals  *domain.DecimalsError
		overflow  *domain.OverflowError
		quantity  *domain.QuantityError
		number    *domain.NumberError
		supply    *domain.SupplyError
		lines     *domain.TooManySupplyError
		kit       *domain.KitError
		cost      *domain.CostError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &rejection):
		return rejection
	case errors.As(err, &skew):
		return &Rejection{Reason: ReasonClockSkew, Message: skew.Error()}
	case errors.As(err, &reused):
		return &Rejection{Reason: ReasonKeyReused,
			Message: "the source used this id before, for a fact with other contents; give the new fact an id of its own"}
	case errors.As(err, &decimals):
		return &Rejection{Reason: ReasonTooManyDecimals, Message: decimals.Error()}
	case errors.As(err, &overflow):
		return &Rejection{Reason: ReasonOverflow, Message: overflow.Error()}
	case errors.As(err, &kit):
		return &Rejection{Reason: ReasonKitHoldsNoStock, Message: kit.Error()}
	case errors.As(err, &lines):
		return &Rejection{Reason: ReasonTooMuchSupply, Message: lines.Error()}
	case errors.As(err, &invalid), errors.As(err, &quantity), errors.As(err, &number), errors.As(err, &supply), errors.As(err, &cost),
		errors.Is(err, domain.ErrUnknownKind), errors.Is(err, domain.ErrUnknownCondition):
		return &Rejection{Reason: ReasonInvalid, Message: err.Error()}
	}
	return nil
}

// Temporary tells whether the same fact may well be recorded when it is submitted again.
func Temporary(err error) bool {
	var history *domain.NeedHistory
	return errors.Is(err, commands.ErrUnavailable) || errors.Is(err, commands.ErrOverloaded) ||
		errors.Is(err, commands.ErrContended) || errors.Is(err, commands.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &history)
}

// UnknownLocation is the rejection of what happened at a location that nobody defined.
func UnknownLocation(id string) *Rejection {
	return &Rejection{
		Reason:   ReasonUnknownLocation,
		Message:  fmt.Sprintf("location %q is not defined; define it, then the fact is applied", id),
		Location: id,
	}
}
