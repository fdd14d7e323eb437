package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// startEcho starts the echo and waits for the line that tells its address.
func startEcho(ctx context.Context, p Programs, log string) (*peer, error) {
	r, w := io.Pipe()
	c, err := startChild("echo", p.Executable, p.Echo, w, log)
	if err != nil {
		return nil, err
	}
	ended := context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	defer ended()
	go func() { // until the process ends: the pipe must not hold up its output
		<-c.done
		w.CloseWithError(fmt.Errorf("echo ended: %v%s", c.err, c.tail()))
	}()
	patience := time.AfterFunc(startTimeout, func() { w.CloseWithError(fmt.Errorf("echo told no address in %s", startTimeout)) })
	defer patience.Stop()
	line, err := bufio.NewReader(r).ReadString('\n')
	r.Close() // what it writes from now on goes nowhere
	address, ok := strings.CutPrefix(strings.TrimSpace(line), echoReady)
	if err == nil && !ok {
		err = fmt.Errorf("echo said %q", line)
	}
	e := &peer{child: c}
	if err == nil {
		err = e.dial(address)
	}
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return e, nil
}
