package pebble

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
)

var (
	_ commands.Store          = (*Store)(nil)
	_ projections.Store       = (*Store)(nil)
	_ projections.Checkpoints = (*Store)(nil)
	_ ingest.Offsets          = (*Store)(nil)
	_ ingest.DeadLetters      = (*DeadLetters)(nil)
)

// Store is an event store in one directory. It is safe for concurrent use. Every method but ID and Stats returns
// commands.ErrUnavailable (wrapped) after Close, and after the disk failed.
type Store struct {
	db      *pebbledb.DB
	files   *guardedFS
	id      string
	log     *slog.Logger
	onSync  func(time.Duration, int)
	disk    disk
	failure *failure
	gate    gate
	stats   counters
	kinds   interned
	heads   heads
	tail    tail
	looks   looks
	letters DeadLetters

	queue   chan *request // to the committer
	applied chan *group   // from the committer to the publisher
	free    chan *group   // groups to be used again
	owned   sync.WaitGroup
}

// Open opens the store in a directory and makes one when there is none. It returns ErrInUse when another process,
// or this one, has it open.
func Open(dir string, opts Options) (*Store, error) {
	opts.setDefaults()
	s := &Store{
		log: opts.Log, onSync: opts.OnSync, failure: newFailure(opts.Log),
		gate:    gate{closing: make(chan struct{})},
		queue:   make(chan *request, maxWaiting),
		applied: make(chan *group, maxInFlight),
		free:    make(chan *group, maxInFlight),
	}
	for range maxInFlight {
		s.free <- &group{}
	}
	if err := s.open(dir, opts); err != nil {
		return nil, fmt.Errorf("open the event store in %s: %w", dir, err)
	}
	c := &committer{Store: s, last: s.tail.end.Load()}
	s.owned.Go(c.run)
	s.owned.Go(s.publish)
	return s, nil
}

func (s *Store) open(dir string, opts Options) (err error) {
	defer s.failure.rescue(&err)
	tuned := s.tune(opts)
	s.disk = disk{dir: dir, reserve: opts.ReserveBytes, free: opts.FreeBytes, log: opts.Log}
	if s.disk.free == nil {
		s.disk.free = freeBytes(s.files)
	}
	if s.db, err = pebbledb.Open(dir, tuned); err != nil {
		if inUse(err) {
			return fmt.Errorf("%w (directory %s): stop that process, or use another directory", ErrInUse, dir)
		}
		return err
	}
	if err = s.load(); err != nil {
		return firstError(err, s.db.Close())
	}
	s.files.armed.Store(true)
	return nil
}

// inUse tells the error of a lock that is held from one of a file that cannot be opened.
func inUse(err error) bool {
	var path *fs.PathError
	if errors.As(err, &path) {
		return false
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "lock held by current process")
}

// load reads what is kept in memory: identity, end, the number of open dead letters and the heads of streams.
func (s *Store) load() error {
	end, err := s.lastPosition()
	if err != nil {
		return err
	}
	s.tail.end.Store(end)
	if s.id, err = s.identity(end); err != nil {
		return err
	}
	s.letters.store = s
	return firstError(s.letters.load(), s.heads.load(s.db, end))
}

func (s *Store) lastPosition() (position uint64, err error) {
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{spaceEvent}, UpperBound: keyUpper(spaceEvent)})
	if err != nil {
		return 0, err
	}
	if it.Last() {
		position = eventPosition(it.Key())
	}
	return position, firstError(it.Error(), it.Close())
}

var identityKey = append([]byte{spaceMeta}, "id"...)

// identity reads the store's id, and gives a new store one.
func (s *Store) identity(end uint64) (string, error) {
	value, closer, err := s.db.Get(identityKey)
	if err == nil {
		return string(value), closer.Close()
	}
	if !errors.Is(err, pebbledb.ErrNotFound) {
		return "", err
	}
	if end != 0 {
		return "", fmt.Errorf("%d events but no identity: the store is damaged, restore it from a backup", end)
	}
	id := rand.Text()
	return id, s.db.Set(identityKey, []byte(id), pebbledb.Sync)
}

// ID tells this store from any other, for ever: tokens of another store must not be taken for its own.
func (s *Store) ID() string { return s.id }

// DeadLetters returns the store's dead letters.
func (s *Store) DeadLetters() *DeadLetters { return &s.letters }

// Health is nil when the store takes reads and writes; else it says what is wrong.
func (s *Store) Health() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	return s.disk.check()
}

func (s *Store) enter() error {
	if err := s.failure.get(); err != nil {
		return err
	}
	return s.gate.enter()
}

func (s *Store) enterToRead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.enter()
}

func (s *Store) enterToWrite() error {
	if err := s.disk.admit(); err != nil {
		return err
	}
	return s.enter()
}

// Close finishes what was accepted and closes the database. Later calls of other methods get
// commands.ErrUnavailable. After a failure of the disk it waits for nothing and keeps the directory locked until
// the process ends.
func (s *Store) Close() error {
	if !s.gate.close() {
		return nil
	}
	done := make(chan error, 1)
	go func() {
		s.gate.calls.Wait()
		close(s.queue)
		s.owned.Wait()
		done <- s.closeDatabase()
	}()
	select {
	case err := <-done:
		return err
	case <-s.failure.down:
		return s.failure.get()
	}
}

func (s *Store) closeDatabase() (err error) {
	if err := s.failure.get(); err != nil {
		return err
	}
	defer s.failure.rescue(&err)
	if s.disk.check() == nil {
		if err := s.heads.save(s.db, s.tail.end.Load()); err != nil {
			s.log.Warn("the ends of streams are not kept for the next start", "error", err)
		}
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the event store: %w", err)
	}
	return nil
}
