package routing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// port serves what replicas hand on, behind certificates.
type port struct {
	addr     string
	identity *Identity
	desk     *desk
	log      *lines
}

func newPort(t *testing.T, f Files) *port {
	t.Helper()
	p := &port{desk: &desk{name: "there"}, log: &lines{}}
	var err error
	p.identity, err = NewIdentity(IdentityConfig{Files: f, Hosts: []string{"127.0.0.1"}, Log: slog.New(slog.NewTextHandler(p.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.Creds(p.identity.Server()))
	pb.RegisterReservationServiceServer(g, DeskFor(p.desk, "x"))
	pb.RegisterStockServiceServer(g, StockDeskFor(p.desk, "x"))
	go g.Serve(l)
	t.Cleanup(g.Stop)
	p.addr = l.Addr().String()
	return p
}

// caller is a replica that knows the port.
func (p *port) caller(t *testing.T, f Files) *replica {
	t.Helper()
	i, err := NewIdentity(IdentityConfig{Files: f, Hosts: []string{"127.0.0.1"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return newReplica(t, &desk{name: "here"}, Config{StoreID: "x", Self: "127.0.0.1:1", Peers: []string{p.addr}, Identity: i})
}

// decides tells who decides a call.
func (r *replica) decides(t *testing.T) string {
	t.Helper()
	got, err := r.Reserve(t.Context(), &pb.ReserveRequest{ReservationId: "r", Sku: r.ofAnother()})
	if err != nil {
		t.Fatal(err)
	}
	return got.Token
}

func TestReplicasMakeSureOfEachOther(t *testing.T) {
	a, ends := newAuthority(t), time.Now().Add(time.Hour)
	p := newPort(t, a.sign(t.TempDir(), "127.0.0.1", ends))
	if got := p.caller(t, a.sign(t.TempDir(), "127.0.0.1", ends)).decides(t); got != "there" {
		t.Errorf("a replica's call is decided %s", got)
	}
	if n := p.identity.Refused(); n != 0 {
		t.Errorf("%d callers were refused", n)
	}
	// A port of another authority is not believed either.
	if got := newPort(t, newAuthority(t).sign(t.TempDir(), "127.0.0.1", ends)).caller(t, a.sign(t.TempDir(), "127.0.0.1", ends)).decides(t); got != "here" {
		t.Errorf("with a port of another authority it is decided %s", got)
	}
}

// Whoever shows no certificate, or not one that a replica has, is refused before a call of his is looked at, is counted, and
// is logged once.
func TestStrangersAreRefused(t *testing.T) {
	a, ends := newAuthority(t), time.Now().Add(time.Hour)
	f := a.sign(t.TempDir(), "127.0.0.1", ends)
	p := newPort(t, f)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	pair := func(f Files) []tls.Certificate {
		c, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{c}
	}
	secure := func(c *tls.Config) credentials.TransportCredentials {
		c.RootCAs = roots
		return credentials.NewTLS(c)
	}
	n := uint64(0)
	for name, c := range map[string]credentials.TransportCredentials{
		"no TLS":            insecure.NewCredentials(),
		"no certificate":    secure(&tls.Config{}),
		"another authority": secure(&tls.Config{Certificates: pair(newAuthority(t).sign(t.TempDir(), "127.0.0.1", ends))}),
		"another name":      secure(&tls.Config{Certificates: pair(a.sign(t.TempDir(), "redis", ends))}),
		"ended":             secure(&tls.Config{Certificates: pair(a.sign(t.TempDir(), "127.0.0.1", time.Now().Add(-time.Minute)))}),
		"TLS 1.2":           secure(&tls.Config{Certificates: pair(f), MaxVersion: tls.VersionTLS12}),
	} {
		conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx := metadata.AppendToOutgoingContext(t.Context(), handedKey, "x")
		if _, err := pb.NewReservationServiceClient(conn).Reserve(ctx, &pb.ReserveRequest{Sku: "milk"}); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: got %v", name, err)
		}
		began := time.Now()
		for n++; p.identity.Refused() < n; { // who is not spoken to any more may know it before he is counted
			if time.Since(began) > time.Minute {
				t.Fatalf("%s was not counted", name)
			}
			time.Sleep(time.Millisecond)
		}
		n = p.identity.Refused()
	}
	if p.desk.taken() != 0 || p.log.count("no replica") != 1 {
		t.Errorf("%d calls of strangers were decided, and they were logged %d times", p.desk.taken(), p.log.count("no replica"))
	}
}

// The port serves what replicas hand on, and nothing else.
func TestThePortServesWhatIsHandedOn(t *testing.T) {
	f := newAuthority(t).sign(t.TempDir(), "127.0.0.1", time.Now().Add(time.Hour))
	p := newPort(t, f)
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(p.identity.client("127.0.0.1")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := pb.NewReservationServiceClient(conn)
	if _, err := c.Reserve(t.Context(), &pb.ReserveRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a call that nobody handed on: %v", err)
	}
	marked := metadata.AppendToOutgoingContext(t.Context(), handedKey, "x")
	if got, err := c.Reserve(marked, &pb.ReserveRequest{}); err != nil || got.Token != "there" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := c.Reserve(metadata.AppendToOutgoingContext(t.Context(), handedKey, "y"), &pb.ReserveRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("of another event store: %v", err)
	}
	if _, err := c.ListReservations(marked, &pb.ListReservationsRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a list: %v", err)
	}
	if _, err := pb.NewStockServiceClient(conn).GetStock(marked, &pb.GetStockRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("stock: %v", err)
	}
}

// Certificates and the authority are replaced while replicas run; while files do not fit together those from before count.
func TestCertificatesAreReplacedWithoutARestart(t *testing.T) {
	before, ends := newAuthority(t), time.Now().Add(time.Hour)
	there, here := t.TempDir(), t.TempDir()
	p := newPort(t, before.sign(there, "127.0.0.1", ends))
	files := before.sign(here, "127.0.0.1", ends)
	asks := func() string { return p.caller(t, files).decides(t) }
	if got := asks(); got != "there" {
		t.Fatalf("before: decided %s", got)
	}
	key, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	after := newAuthority(t)
	after.sign(there, "127.0.0.1", ends)
	after.sign(here, "127.0.0.1", ends)
	if got := asks(); got != "there" {
		t.Errorf("after: decided %s", got)
	}
	if got := p.caller(t, before.sign(t.TempDir(), "127.0.0.1", ends)).decides(t); got != "here" {
		t.Errorf("a certificate of the authority from before: decided %s", got)
	}
	if err := os.WriteFile(p.identity.files.Key, key, 0o600); err != nil { // half of a replacement
		t.Fatal(err)
	}
	if got := asks(); got != "there" || p.log.count("cannot be read anew") != 1 {
		t.Errorf("between: decided %s, logged %d times", got, p.log.count("cannot be read anew"))
	}
}

// A connection that is made before the files change uses what they hold when it is made again.
func TestTheSameReplicaUsesNewCertificates(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	i, err := NewIdentity(IdentityConfig{Files: a.sign(dir, "127.0.0.1", time.Now().Add(time.Hour)), Hosts: []string{"127.0.0.1"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	shown := func() *x509.Certificate {
		client, server := net.Pipe()
		defer client.Close()
		defer server.Close()
		go func() {
			_, _, _ = i.Server().ServerHandshake(server)
			_, _ = io.Copy(io.Discard, server)
		}()
		_, info, err := i.client("127.0.0.1").ClientHandshake(context.Background(), "", client)
		if err != nil {
			t.Fatal(err)
		}
		return info.(credentials.TLSInfo).State.PeerCertificates[0]
	}
	first := shown()
	a.sign(dir, "127.0.0.1", time.Now().Add(time.Hour))
	if second := shown(); first.Equal(second) {
		t.Error("the certificate from before is shown")
	}
}

func TestBadCertificatesAreExplained(t *testing.T) {
	a, ends := newAuthority(t), time.Now().Add(time.Hour)
	good := a.sign(t.TempDir(), "replicas", ends)
	for says, c := range map[string]IdentityConfig{
		"--peer-tls-ca: open /nowhere":         {Files: Files{"/nowhere", good.Cert, good.Key}},
		"holds no certificate in PEM form":     {Files: Files{good.Key, good.Cert, good.Key}},
		"--peer-tls-key /nowhere: open":        {Files: Files{good.CA, good.Cert, "/nowhere"}},
		"has none of the names of replicas: a": {Files: good, Hosts: []string{"a", "b"}},
		"of replicas: one; other replicas":     {Files: good, Name: "one", Hosts: []string{"replicas"}},
	} {
		if _, err := NewIdentity(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	if _, err := NewIdentity(IdentityConfig{Files: good, Name: "replicas", Hosts: []string{"10.0.0.1"}}); err != nil {
		t.Error(err)
	}
}
