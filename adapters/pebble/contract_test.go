package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/adapters/storetest"
	"github.com/stockfold/stockfold/services/history"
)

var _ history.Store = (*pebble.Store)(nil)

// TestContract runs the contract of stores on disk, and in memory as other tests use it.
func TestContract(t *testing.T) {
	t.Run("disk", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Backend { return backend(t, t.TempDir(), pebble.Options{}) })
	})
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Backend { return backend(t, "events", pebble.Options{FS: vfs.NewMem()}) })
	})
}

func backend(t *testing.T, dir string, opts pebble.Options) storetest.Backend {
	s, err := pebble.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	closeStore := func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(closeStore)
	return storetest.Backend{
		Events: s, DeadLetters: s.DeadLetters(), Offsets: s, Checkpoints: s,
		Reopen: func(t *testing.T) storetest.Backend {
			closeStore()
			return backend(t, dir, opts)
		},
	}
}
