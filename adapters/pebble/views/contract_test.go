package views_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/projections/reservations"
)

// backend starts an empty database; model picks one of its read models.
func backend[M any](t *testing.T, model func(*views.DB) M) viewtest.Backend[M] {
	fs := vfs.NewMem()
	db := open(t, fs, views.Options{})
	return viewtest.Backend[M]{
		Model: model(db),
		Reopen: func() M {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, fs, views.Options{})
			return model(db)
		},
	}
}

func TestAvailabilityContract(t *testing.T) {
	viewtest.Availability(t, func(t *testing.T) viewtest.Backend[availability.ReadModel] {
		return backend(t, func(db *views.DB) availability.ReadModel { return db.Availability() })
	})
}

func TestReservationsContract(t *testing.T) {
	viewtest.Reservations(t, func(t *testing.T) viewtest.Backend[reservations.ReadModel] {
		return backend(t, func(db *views.DB) reservations.ReadModel { return db.Reservations() })
	})
}

func TestPoliciesContract(t *testing.T) {
	viewtest.Policies(t, func(t *testing.T) viewtest.Backend[policies.ReadModel] {
		return backend(t, func(db *views.DB) policies.ReadModel { return db.Policies() })
	})
}
