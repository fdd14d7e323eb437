package views

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// ErrFailed says that the database can no longer be used in this process: its disk failed or it is damaged. Events are
// not affected; after a restart it is opened again, and built anew if it was damaged.
var ErrFailed = errors.New("read model database failed, restart the process")

// pebbleLog is Pebble's logger. Pebble relies on Fatalf not to return: a call of this package ends in a panic that
// rescue takes, a goroutine of Pebble's own ends.
type pebbleLog struct {
	log    *slog.Logger
	failed *atomic.Pointer[error]
}

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...), "from", "pebble")
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...), "from", "pebble")
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf("%w: %s", ErrFailed, fmt.Sprintf(format, args...))
	if l.failed.CompareAndSwap(nil, &err) {
		l.log.Error("read model database failed", "error", err)
	}
	if calledFromHere() {
		panic(fatal{err})
	}
	runtime.Goexit()
}

// fatal is the panic that leaves a call into Pebble which cannot return.
type fatal struct{ err error }

// calledFromHere tells whether this goroutine came to Pebble through a method of this package's types.
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

// check turns what a call into Pebble ended with into an error of this package, and remembers damage. It is deferred
// by every call.
func (d *DB) check(err *error) {
	switch p := recover().(type) {
	case nil:
	case fatal:
		*err = p.err
	default:
		panic(p)
	}
	if *err != nil && pebbledb.IsCorruptionError(*err) {
		d.markDamaged(*err)
		*err = fmt.Errorf("%w: %w", ErrFailed, *err)
	}
}
