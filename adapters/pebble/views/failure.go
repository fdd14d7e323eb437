package views

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// ErrFailed says that the database can no longer be used in this process: its disk failed or it is damaged. Events are
// not affected; after a restart it is opened again, and built anew if it was damaged.
var ErrFailed = errors.New("read model database failed, restart the process")

// failure remembers why the database can no longer be used.
type failure struct {
	once  sync.Once
	down  chan struct{} // closed once failed
	err   error         // set before down is closed, like fatal
	fatal bool          // Pebble itself gave up, and cannot even be closed
}

func newFailure() *failure { return &failure{down: make(chan struct{})} }

// set notes the first cause; it is false for every other.
func (f *failure) set(cause error, fatal bool) (first bool) {
	f.once.Do(func() {
		f.fatal = fatal
		f.err = fmt.Errorf("%w: %w", ErrFailed, cause)
		close(f.down)
		first = true
	})
	return first
}

// get returns the error of a failed database, nil otherwise.
func (f *failure) get() error {
	select {
	case <-f.down:
		return f.err
	default:
		return nil
	}
}

// pebbleLog is Pebble's logger. Pebble relies on Fatalf not to return: a call of this package ends in a panic that
// check takes, a goroutine of Pebble's own ends.
type pebbleLog struct {
	log     *slog.Logger
	failure *failure
}

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...), "from", "pebble")
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...), "from", "pebble")
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if l.failure.set(err, true) {
		l.log.Error("read model database failed", "error", err)
	}
	if calledFromHere() {
		panic(fatal{})
	}
	runtime.Goexit()
}

// fatal is the panic that leaves a call into Pebble which cannot return.
type fatal struct{}

// calledFromHere tells whether this goroutine came to Pebble through a method of this package's DB.
func calledFromHere() bool {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "/adapters/pebble/views.(*DB).") {
			return true
		}
		if !more {
			return false
		}
	}
}

// check turns what a call into Pebble ended with into an error of this package, and remembers damage. Every call
// defers it.
func (d *DB) check(err *error) {
	switch p := recover().(type) {
	case nil:
	case fatal:
		*err = d.failure.get()
	default:
		panic(p)
	}
	if *err != nil && pebbledb.IsCorruptionError(*err) {
		d.markDamaged(*err)
		*err = fmt.Errorf("%w: %w", ErrFailed, *err)
	}
}
