package eventstoredb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/ingest"
)

// Store is an event store on a server or cluster of EventStoreDB. Its methods may be called at the same time.
type Store struct {
	opts       Options
	supervisor *supervisor
	id         atomic.Pointer[string]
	letters    DeadLetters
}

var (
	_ commands.Store          = (*Store)(nil)
	_ projections.Store       = (*Store)(nil)
	_ projections.Checkpoints = (*Store)(nil)
	_ history.Store           = (*Store)(nil)
	_ ingest.Offsets          = (*Store)(nil)
	_ ingest.DeadLetters      = (*DeadLetters)(nil)
)

// Open connects by a connection string of EventStoreDB and returns once a server has answered, or with ctx's error and
// what kept it from that. A store that was never used by the service gets its identity.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	opts.setDefaults()
	config, err := configure(url, opts)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: opts}
	s.letters.store = s
	s.letters.lock = make(chan struct{}, 1)
	s.supervisor = newSupervisor(config, opts, s.checkIdentity)
	g, err := s.supervisor.acquire(ctx)
	if err != nil {
		s.supervisor.close()
		return nil, fmt.Errorf("connect to EventStoreDB: %w", err)
	}
	g.leave()
	return s, nil
}

// Close ends all calls and subscriptions and closes the connection. Later calls get commands.ErrUnavailable.
func (s *Store) Close() error {
	s.supervisor.close()
	return nil
}

// ID tells this store from any other, for ever: tokens of another store must not be taken for its own.
func (s *Store) ID() string { return *s.id.Load() }

// Health is nil while the server answers; else it says what is wrong.
func (s *Store) Health() error { return s.supervisor.health() }

// Connections counts the clients that were made so far: one more than the connection was lost.
func (s *Store) Connections() int64 { return s.supervisor.clients.Load() }

// DeadLetters returns the store's dead letters.
func (s *Store) DeadLetters() *DeadLetters { return &s.letters }

// identity is the only event of its stream.
type identity struct {
	ID string `json:"id"`
}

// checkIdentity compares the server's identity with what is known, and gives a new store one.
func (s *Store) checkIdentity(ctx context.Context, c *esdb.Client) error {
	ctx = leader(ctx)
	e, err := last(ctx, c, storeStream)
	if err != nil {
		return err
	}
	if e == nil {
		if s.id.Load() != nil {
			return fmt.Errorf("%w: it has none of our events", errAnotherStore)
		}
		if err := found(ctx, c); err != nil && judge(err) != conflict {
			return err
		}
		if e, err = last(ctx, c, storeStream); err != nil {
			return err
		}
		if e == nil {
			return errors.New("the identity of the store was written, and is not there")
		}
	}
	var x identity
	if err := json.Unmarshal(e.Data, &x); err != nil || x.ID == "" {
		return fmt.Errorf("event %d of stream %s is damaged: %v", e.EventNumber, storeStream, err)
	}
	if !s.id.CompareAndSwap(nil, &x.ID) && *s.id.Load() != x.ID {
		return fmt.Errorf("%w: its identity is %s, that of the one before %s", errAnotherStore, x.ID, *s.id.Load())
	}
	return nil
}

// found gives a new store its identity.
func found(ctx context.Context, c *esdb.Client) error {
	data, err := json.Marshal(identity{rand.Text()})
	if err != nil {
		return err
	}
	_, err = write(ctx, c, storeStream, esdb.NoStream{}, esdb.EventData{EventID: uuid.New(), EventType: "StoreFounded", ContentType: esdb.ContentTypeJson, Data: data})
	return err
}
