package routing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// sayEvery is how often refused replicas, or files that cannot be read, are logged at most.
const sayEvery = time.Minute

// Files hold what a replica shows to others, and checks theirs against, in PEM form.
type Files struct{ CA, Cert, Key string }

// Identity lets replicas make sure of each other by TLS 1.3. Both sides show a certificate that the authority signed, for one of
// the names that replicas have. The files are read anew for each connection: what replaces them counts from then on, and while
// they do not fit together what they held before does.
type Identity struct {
	files Files
	name  string   // to be found in every replica's certificate; "" for the host that it is called by
	names []string // one of them is to be found in a caller's certificate
	log   *slog.Logger

	mu      sync.Mutex
	last    material
	unread  seldom
	refused atomic.Uint64
	strange seldom
}

// material is what the files hold.
type material struct {
	pair  tls.Certificate
	roots *x509.CertPool
}

// IdentityConfig says what replicas show each other.
type IdentityConfig struct {
	Files Files
	Name  string   // all replicas' certificates have it; "" for Hosts
	Hosts []string // by which replicas are called
	Log   *slog.Logger
}

// NewIdentity reads the files. It returns an error that names the file and the setting when they are not what they should be, or
// when the certificate has none of the names by which others would know this replica.
func NewIdentity(c IdentityConfig) (*Identity, error) {
	i := &Identity{files: c.Files, name: c.Name, names: c.Hosts, log: c.Log}
	if c.Name != "" {
		i.names = []string{c.Name}
	}
	f := c.Files
	var err error
	if i.last, err = f.read(); err != nil {
		return nil, err
	}
	if err := hasName(i.last.pair.Leaf, i.names); err != nil {
		return nil, fmt.Errorf("--peer-tls-cert %s: %w; other replicas would refuse this one. Have it signed for one of these names, or say with "+
			"--peer-tls-name which name all replicas' certificates have", f.Cert, err)
	}
	return i, nil
}

func (f Files) read() (m material, err error) {
	if m.pair, err = tls.LoadX509KeyPair(f.Cert, f.Key); err != nil {
		return m, fmt.Errorf("--peer-tls-cert %s, --peer-tls-key %s: %w", f.Cert, f.Key, err)
	}
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return m, fmt.Errorf("--peer-tls-ca: %w", err)
	}
	if m.roots = x509.NewCertPool(); !m.roots.AppendCertsFromPEM(text) {
		return m, fmt.Errorf("--peer-tls-ca: %s holds no certificate in PEM form", f.CA)
	}
	return m, nil
}

// current is what the files hold now, or held when they could be read last.
func (i *Identity) current() material {
	i.mu.Lock()
	defer i.mu.Unlock()
	m, err := i.files.read()
	if err == nil {
		i.last = m
	} else if i.unread.allow(time.Now()) {
		i.log.Warn("certificates for other replicas cannot be read anew; those from before count", "error", err)
	}
	return i.last
}

// Refused is how many callers were refused for their certificate, or for having none.
func (i *Identity) Refused() uint64 {
	if i == nil {
		return 0
	}
	return i.refused.Load()
}

// hasName checks that a certificate is for one of some hosts.
func hasName(c *x509.Certificate, names []string) error {
	for _, n := range names {
		if c.VerifyHostname(n) == nil {
			return nil
		}
	}
	return fmt.Errorf("the certificate of %q has none of the names of replicas: %s", c.Subject, strings.Join(names, ", "))
}

// seldom lets through one in a while.
type seldom struct{ next atomic.Int64 }

func (x *seldom) allow(now time.Time) bool {
	next := x.next.Load()
	return now.UnixNano() >= next && x.next.CompareAndSwap(next, now.Add(sayEvery).UnixNano())
}

// handshakes are TLS by the files as they are when a connection is made.
type handshakes struct {
	credentials.TransportCredentials // for what is not a handshake
	identity                         *Identity
	host                             string // of the replica that is called
}

func (i *Identity) handshakes(host string) *handshakes {
	return &handshakes{TransportCredentials: credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13}), identity: i, host: host}
}

// client makes connections to a replica that shows a certificate for a host.
func (i *Identity) client(host string) credentials.TransportCredentials {
	if i.name != "" {
		host = i.name
	}
	return i.handshakes(host)
}

// Server lets in who shows a certificate of a replica, counts those that do not, and logs one of them now and then. Without an
// identity, on loopback, it lets in everybody.
func (i *Identity) Server() credentials.TransportCredentials {
	if i == nil {
		return insecure.NewCredentials()
	}
	return i.handshakes("")
}

// ClientHandshake shows our certificate and checks the other's.
func (h *handshakes) ClientHandshake(ctx context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	m := h.identity.current()
	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: m.roots, ServerName: h.host,
		Certificates: []tls.Certificate{m.pair}}).ClientHandshake(ctx, h.host, conn)
}

// ServerHandshake shows our certificate and checks the caller's.
func (h *handshakes) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	m := h.identity.current()
	c, info, err := credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, ClientCAs: m.roots, ClientAuth: tls.RequireAndVerifyClientCert,
		Certificates: []tls.Certificate{m.pair}, SessionTicketsDisabled: true, // each connection is checked anew
		VerifyConnection: func(s tls.ConnectionState) error { return hasName(s.PeerCertificates[0], h.identity.names) },
	}).ServerHandshake(conn)
	if err != nil && !errors.Is(err, io.EOF) { // who connects and leaves has shown nothing wrong
		h.identity.refuse(conn.RemoteAddr(), err)
	}
	return c, info, err
}

func (i *Identity) refuse(from net.Addr, err error) {
	n := i.refused.Add(1)
	if i.strange.allow(time.Now()) {
		i.log.Warn("a caller that is no replica was refused; logged once a minute", "from", from, "refused", n, "error", err)
	}
}

// Clone is the same.
func (h *handshakes) Clone() credentials.TransportCredentials { return h.identity.handshakes(h.host) }
