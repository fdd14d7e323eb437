package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen takes an address for a setting, or says which port is taken and which setting chooses another.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	return nil, portError(flag, addr, err)
}

func portError(flag, addr string, err error) error {
	_, port, _ := net.SplitHostPort(addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return portTaken(flag, addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %s may not be used by this user; choose one above 1023 with --%s", port, flag)
	default:
		return fmt.Errorf("cannot listen on %s; choose another address with --%s: %w", addr, flag, err)
	}
}

func portTaken(flag, addr string) error {
	_, port, _ := net.SplitHostPort(addr)
	return fmt.Errorf("port %s is taken: another program, maybe another stockfold, listens on %s; stop it or choose another port with --%s", port, addr, flag)
}
