package views_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/orders"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/projections/reservations"
)

// contract runs a suite on what is still gathered in memory, and on what is stored at once.
func contract[M any](t *testing.T, suite func(*testing.T, func(*testing.T) viewtest.Backend[M]), model func(*views.DB) M) {
	for name, o := range map[string]views.Options{"gathered": {GatherFor: time.Hour}, "stored": {GatherBytes: 1}} {
		t.Run(name, func(t *testing.T) {
			suite(t, func(t *testing.T) viewtest.Backend[M] { return backend(t, o, model) })
		})
	}
}

// backend starts an empty database; model picks one of its read models.
func backend[M any](t *testing.T, o views.Options, model func(*views.DB) M) viewtest.Backend[M] {
	fs := vfs.NewMem()
	db := open(t, fs, o)
	return viewtest.Backend[M]{
		Model: model(db),
		Reopen: func() M {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, fs, o)
			return model(db)
		},
	}
}

func TestAvailabilityContract(t *testing.T) {
	contract(t, viewtest.Availability, func(db *views.DB) availability.ReadModel { return db.Availability() })
}

func TestExchangeContract(t *testing.T) {
	for name, o := range map[string]views.Options{"gathered": {GatherFor: time.Hour}, "stored": {GatherBytes: 1}} {
		t.Run(name, func(t *testing.T) {
			viewtest.AvailabilityExchange(t, func(t *testing.T) (x viewtest.Exchanging) {
				var db *views.DB
				x.Backend = backend(t, o, func(opened *views.DB) availability.ReadModel {
					db = opened
					return db.Availability()
				})
				x.Beside = func() (availability.ReadModel, viewtest.Built) {
					b, err := db.Beside()
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = b.Close() }) // the test may have
					return b.Availability(), b
				}
				return x
			})
		})
	}
}

func TestReservationsContract(t *testing.T) {
	contract(t, viewtest.Reservations, func(db *views.DB) reservations.ReadModel { return db.Reservations() })
}

func TestPoliciesContract(t *testing.T) {
	contract(t, viewtest.Policies, func(db *views.DB) policies.ReadModel { return db.Policies() })
}

func TestOrdersContract(t *testing.T) {
	contract(t, viewtest.Orders, func(db *views.DB) orders.ReadModel { return db.Orders() })
}
