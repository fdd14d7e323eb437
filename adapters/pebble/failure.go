package pebble

import (
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/stockfold/stockfold/services/commands"
)

// failure remembers why the store can no longer serve. Pebble cannot go on after a failed write to its log or its
// manifest; only a new process, which recovers what is on disk, can.
type failure struct {
	once sync.Once
	down chan struct{} // closed once failed
	err  error         // set before down is closed
	log  *slog.Logger
}

func newFailure(log *slog.Logger) *failure {
	return &failure{down: make(chan struct{}), log: log}
}

func (f *failure) set(cause error) {
	f.once.Do(func() {
		f.err = fmt.Errorf("%w: the event store's disk failed (%v); nothing acknowledged is lost, restart the process", commands.ErrUnavailable, cause)
		f.log.Error("event store failed and serves no more until the process is restarted", "error", cause)
		close(f.down)
	})
}

// get returns the error of a failed store, nil otherwise.
func (f *failure) get() error {
	select {
	case <-f.down:
		return f.err
	default:
		return nil
	}
}

// unknown is what a write gets that was handed over before the store failed.
func (f *failure) unknown() error {
	return fmt.Errorf("%w: %w", commands.ErrUnknownOutcome, f.err)
}

// fatal is the panic that leaves a call into Pebble which cannot return.
type fatal struct{ err error }

// rescue turns the end of a call into Pebble that could not return into an error. It is deferred by every call.
func (f *failure) rescue(err *error) {
	switch p := recover().(type) {
	case nil:
	case fatal:
		*err = f.get()
	default:
		panic(p)
	}
}

// pebbleLog is Pebble's logger. Fatalf must not return to Pebble, which relies on that: a call of ours ends in a
// panic that rescue takes, a goroutine of Pebble's own ends.
type pebbleLog struct{ failure *failure }

func (l pebbleLog) Infof(format string, args ...any) {
	l.failure.log.Debug(fmt.Sprintf(format, args...), "from", "pebble")
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.failure.log.Error(fmt.Sprintf(format, args...), "from", "pebble")
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.failure.set(err)
	if calledFromHere() {
		panic(fatal{err})
	}
	l.failure.log.Error("a background task of the event store ended", "error", err, "stack", string(debug.Stack()))
	runtime.Goexit()
}

var packagePath = reflect.TypeFor[Store]().PkgPath() + "."

// calledFromHere tells whether this goroutine came to Pebble through a function of this package.
func calledFromHere() bool {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, packagePath) {
			return true
		}
		if !more {
			return false
		}
	}
}
