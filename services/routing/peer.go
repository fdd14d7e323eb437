package routing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// MaxWait is how long another replica may take before a call is decided here; half of what the caller has left, if that
	// is less.
	MaxWait = time.Second
	// firstAway and MaxAway are how long a replica is left alone after it did not answer, doubled each time. Then one call
	// finds out whether it is back, and the others do not wait for that.
	firstAway = time.Second
	MaxAway   = 10 * time.Second

	// pingAfter and pingTimeout find out that a connection leads nowhere.
	pingAfter   = 20 * time.Second
	pingTimeout = 5 * time.Second
)

// peer is another replica.
type peer struct {
	name string
	conn *grpc.ClientConn
	log  *slog.Logger

	until atomic.Int64 // it is away until then, in nanoseconds since 1970; 0: it is not

	mu       sync.Mutex
	failures int
	probing  atomic.Bool // a call finds out whether it is back
}

// newPeer prepares a way to a replica, which shows a certificate for a host when there is an identity.
func newPeer(name, host string, identity *Identity, log *slog.Logger) (*peer, error) {
	var secure credentials.TransportCredentials = insecure.NewCredentials()
	if identity != nil {
		secure = identity.client(host)
	}
	conn, err := grpc.NewClient("passthrough:///"+name, grpc.WithTransportCredentials(secure), grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(), grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: MaxWait,
			Backoff: backoff.Config{BaseDelay: firstAway / 2, Multiplier: 2, Jitter: 0.2, MaxDelay: MaxAway / 2}}))
	if err != nil {
		return nil, err
	}
	return &peer{name: name, conn: conn, log: log}, nil
}

// usable tells whether the replica may be asked: it is not away, or nobody is finding out yet whether it still is.
func (p *peer) usable(now int64) bool {
	until := p.until.Load()
	return until == 0 || until <= now && !p.probing.Load()
}

// enter begins a call, or tells that another one finds out first.
func (p *peer) enter() (probe, ok bool) {
	if p.until.Load() == 0 {
		return false, true
	}
	probe = p.probing.CompareAndSwap(false, true)
	return probe, probe
}

// call asks the replica. answered is false when the call is to be decided here.
func (p *peer) call(ctx context.Context, method string, request, answer any) (answered bool, err error) {
	probe, ok := p.enter()
	if !ok {
		return false, nil
	}
	limited, cancel := context.WithTimeout(ctx, patience(ctx))
	defer cancel()
	err = p.conn.Invoke(limited, method, request, answer)
	found := judge(err)
	switch {
	case found == absent && ctx.Err() == nil:
		p.missed(err)
	case found != absent:
		p.answered()
	}
	if probe {
		p.probing.Store(false)
	}
	return found == decided || ctx.Err() != nil, err
}

// patience is how long a replica may take for a caller.
func patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(MaxWait, time.Until(deadline)/2)
	}
	return MaxWait
}

// verdict is what an error says of a replica.
type verdict uint8

const (
	decided verdict = iota // it decided, be it that it refused
	unable                 // it is there, and could not, or does not know how
	absent                 // it is away, or starts, or hangs
)

func judge(err error) verdict {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return absent
	case codes.Unimplemented, codes.Internal, codes.Unknown, codes.Unauthenticated, codes.PermissionDenied:
		return unable
	}
	return decided
}

// missed notes that the replica did not answer. Calls that were under way together count as one.
func (p *peer) missed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.until.Load() > now.UnixNano() {
		return
	}
	if p.failures++; p.failures == 1 {
		p.log.Warn("a replica does not answer; what belongs to it is decided here", "replica", p.name, "error", err)
	}
	p.until.Store(now.Add(min(firstAway<<min(p.failures-1, 8), MaxAway)).UnixNano())
}

// answered notes that the replica is there.
func (p *peer) answered() {
	if p.until.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures > 0 {
		p.log.Info("a replica answers again", "replica", p.name)
	}
	p.failures = 0
	p.until.Store(0)
}
