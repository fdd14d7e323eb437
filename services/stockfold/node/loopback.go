package node

import (
	"context"
	"net"
)

// ListenOnLoopback takes an address for a server beside a node. It refuses one that other machines could reach, and says
// which setting, --flag, to change.
func ListenOnLoopback(ctx context.Context, flag, addr string) (net.Listener, error) {
	if err := checkLoopback(flag, addr); err != nil {
		return nil, err
	}
	return listen(ctx, flag, addr)
}
