package eventstoredb_test

import (
	"testing"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/storetest"
)

// TestContract runs the contract of stores against a server that takes no larger appends than EventStoreDB does.
func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend { return backend(t, newNode(t, newData(t), esdbserver.Options{})) })
}

func backend(t *testing.T, n *node) storetest.Backend {
	s := open(t, n.url(), options())
	return storetest.Backend{
		Events: s, DeadLetters: s.DeadLetters(), Offsets: s, Checkpoints: s,
		Reopen: func(t *testing.T) storetest.Backend {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			n.kill()
			n.start()
			return backend(t, n)
		},
	}
}
