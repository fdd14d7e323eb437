package redis_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/policies"
	"github.com/stockfold/stockfold/projections/reservations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prefixes makes key spaces that no other test uses.
var prefixes atomic.Int64

// backend starts an empty database at a URL without parameters; model picks one of its read models.
func backend[M any](t *testing.T, url string, model func(*redis.DB) M) viewtest.Backend[M] {
	url = fmt.Sprintf("%s?prefix=test-%d", url, prefixes.Add(1))
	db := open(t, url)
	return viewtest.Backend[M]{
		Model: model(db),
		Reopen: func() M {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			return model(open(t, url))
		},
	}
}

func open(t testing.TB, url string) *redis.DB {
	t.Helper()
	db, err := redis.Open(redis.URL(url), redis.Options{StoreID: "store", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(func() { db.Close() }))
	return db
}

// contracts runs every suite against a Redis.
func contracts(t *testing.T, url string) {
	t.Run("availability", func(t *testing.T) {
		viewtest.Availability(t, func(t *testing.T) viewtest.Backend[availability.ReadModel] {
			return backend(t, url, func(db *redis.DB) availability.ReadModel { return db.Availability() })
		})
	})
	t.Run("exchange", func(t *testing.T) {
		viewtest.AvailabilityExchange(t, func(t *testing.T) (x viewtest.Exchanging) {
			var db *redis.DB
			x.Backend = backend(t, url, func(opened *redis.DB) availability.ReadModel {
				db = opened
				return db.Availability()
			})
			x.Beside = func() (availability.ReadModel, viewtest.Built) {
				b, err := db.Beside(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return b.Availability(), b
			}
			return x
		})
	})
	t.Run("reservations", func(t *testing.T) {
		viewtest.Reservations(t, func(t *testing.T) viewtest.Backend[reservations.ReadModel] {
			return backend(t, url, func(db *redis.DB) reservations.ReadModel { return db.Reservations() })
		})
	})
	t.Run("policies", func(t *testing.T) {
		viewtest.Policies(t, func(t *testing.T) viewtest.Backend[policies.ReadModel] {
			return backend(t, url, func(db *redis.DB) policies.ReadModel { return db.Policies() })
		})
	})
}

func TestContractsOnOneServer(t *testing.T) {
	contracts(t, "redis://"+redistest.Start(t).Addr())
}
