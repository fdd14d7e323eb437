package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Bounds of a child's life.
const (
	stopGrace   = 20 * time.Second // to stop by itself once asked to
	logTailSize = 2 << 10          // of its log, shown when it fails

	// settingsPrefix marks the settings of the service in the environment: what is measured is the default.
	settingsPrefix = "STOCKFOLD_"
)

// child is a process that the bench started and will stop.
type child struct {
	name string
	cmd  *exec.Cmd
	log  string // file that takes what it writes to standard error
	done chan struct{}
	err  error // how it ended, once done is closed
}

// startChild starts a process. Its standard output goes to out, its standard error to a file.
func startChild(name, executable string, args []string, out io.Writer, log string) (*child, error) {
	c := &child{name: name, cmd: exec.Command(executable, args...), log: log, done: make(chan struct{})}
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.cmd.Stdout, c.cmd.Stderr = out, file
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, settingsPrefix) })
	shield(c.cmd)
	started := make(chan error, 1)
	go func() { // lives as long as the process; stop and whoever waits for done wait for it
		defer file.Close()
		// The system ties a child to the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop asks the process to finish, waits for it, and kills it when it does not.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(fmt.Errorf("stop %s: %w", c.name, err), c.kill())
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-c.done:
	case <-grace.C:
		return errors.Join(fmt.Errorf("%s did not stop within %s and was killed", c.name, stopGrace), c.kill())
	}
	if c.err != nil {
		return fmt.Errorf("%s ended with %w%s", c.name, c.err, c.tail())
	}
	return nil
}

func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", c.name, err)
	}
	<-c.done
	return nil
}

// watch returns a context that ends, with the reason, when the process ends by itself.
func (c *child) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-c.done:
			cancel(fmt.Errorf("%s ended by itself: %v%s", c.name, c.err, c.tail()))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-watched
	}
}

// tail is the end of the log, on lines of its own.
func (c *child) tail() string {
	f, err := os.Open(c.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > logTailSize {
		_, _ = f.Seek(-logTailSize, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(f, logTailSize))
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return ""
	}
	return "\n" + c.log + " ends with:\n" + string(text)
}
