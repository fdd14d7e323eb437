package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/adapters/redis/redistest"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// With the very file that is deployed, nginx lets in by gRPC and REST who shows a certificate of the authority, and nobody
// else; probes and Prometheus get what they need without one, and no more.
func TestTheProxyAsksWhoIsCalling(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	n := startNode(t, testConfig(t))
	us, stranger := redistest.NewCertificates(t), redistest.NewCertificates(t)
	ports := runProxy(t, nginx, us, map[string]string{"127.0.0.1:9090": n.GRPC, "127.0.0.1:8080": n.REST, "127.0.0.1:9464": n.Metrics})

	for name, want := range map[string]struct {
		caller *redistest.Certificates
		rest   int
		code   codes.Code
	}{"ours": {&us, http.StatusOK, codes.OK}, "a stranger": {&stranger, http.StatusBadRequest, codes.Internal}, "nobody": {nil, http.StatusBadRequest, codes.Internal}} {
		config := &tls.Config{RootCAs: pool(t, us.CA)}
		if want.caller != nil {
			pair, err := tls.LoadX509KeyPair(want.caller.Cert, want.caller.Key)
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}
		if got := fetched(t, &client, "https://"+ports["8443"]+"/v1/locations"); got != want.rest {
			t.Errorf("%s: REST answers %d, want %d", name, got, want.rest)
		}
		conn, err := grpc.NewClient(ports["9443"], grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := pb.NewPolicyServiceClient(conn).ListLocations(ctx, &pb.ListLocationsRequest{}); status.Code(err) != want.code {
			t.Errorf("%s: gRPC answers %v, want %v", name, err, want.code)
		}
	}

	for url, want := range map[string]int{
		"http://" + ports["8081"] + "/proxy-healthz": 200, "http://" + ports["8081"] + "/healthz": 200, "http://" + ports["8081"] + "/readyz": 200,
		"http://" + ports["8081"] + "/v1/locations": 404, "http://" + ports["8081"] + "/": 404,
		"http://" + ports["9465"] + "/metrics": 200, "http://" + ports["9465"] + "/debug/pprof/": 404, "http://" + ports["9465"] + "/metrics/../debug/pprof/": 404,
	} {
		if got := fetched(t, http.DefaultClient, url); got != want {
			t.Errorf("%s answers %d, want %d", url, got, want)
		}
	}
}

// fetched is the status of an answer.
func fetched(t *testing.T, c *http.Client, url string) int {
	t.Helper()
	answer, err := c.Get(url)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	p := x509.NewCertPool()
	if err != nil || !p.AppendCertsFromPEM(pem) {
		t.Fatalf("%s: %v", file, err)
	}
	return p
}

// runProxy runs nginx with the deployed file, with ports, directories and certificates of this machine in place of those of
// the deployment. It returns the addresses that stand for the ports in the file.
func runProxy(t *testing.T, nginx string, c redistest.Certificates, upstreams map[string]string) map[string]string {
	t.Helper()
	conf, dir, ports := strings.Join(pageLines(t, proxyFile), "\n"), t.TempDir(), map[string]string{}
	replace := func(old, with string) {
		if !strings.Contains(conf, old) {
			t.Fatalf("%s lacks %s", proxyFile, old)
		}
		conf = strings.ReplaceAll(conf, old, with)
	}
	for old, with := range upstreams {
		replace(old+" ", with+" ")
	}
	for port := range readProxy(t).listens {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[port] = l.Addr().String()
		replace("listen "+port, "listen "+ports[port])
		l.Close()
	}
	for old, with := range map[string]string{"/etc/proxy/tls/tls.crt": c.Cert, "/etc/proxy/tls/tls.key": c.Key, "/etc/proxy/tls/ca.crt": c.CA,
		"/dev/stdout": filepath.Join(dir, "access"), "worker_rlimit_nofile 65536;": "worker_rlimit_nofile 1024;",
		"worker_connections 16384;": "worker_connections 256;", "worker_processes auto;": "worker_processes 1;"} {
		replace(old, with)
	}
	for _, name := range []string{"nginx.pid", "client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		replace("/tmp/"+name+";", filepath.Join(dir, name)+";")
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.Command(nginx, "-p", dir, "-c", file, "-e", filepath.Join(dir, "error"), "-g", "daemon off;")
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		<-ended
	})
	for {
		conn, err := net.Dial("tcp", ports["8081"])
		if err == nil {
			conn.Close()
			return ports
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("nginx ended: %v\n%s", err, &said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
