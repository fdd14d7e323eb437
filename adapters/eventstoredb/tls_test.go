package eventstoredb_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/services/commands"
)

// certificate makes a self-signed one for loopback and the file that trusts it.
func certificate(t *testing.T) (server tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loopback"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
}

func TestOverTLS(t *testing.T) {
	server, caFile := certificate(t)
	n := newNode(t, newData(t), esdbserver.Options{TLS: &tls.Config{Certificates: []tls.Certificate{server}}})
	s := &scene{T: t, ctx: t.Context(), node: n, store: open(t, "esdb://user:secret@"+n.addr+"?tlsCAFile="+caFile, options())}
	s.append("sku-a", 0)
	if got := s.length("sku-a"); got != 1 {
		t.Errorf("%d events", got)
	}
}

func TestACertificateThatIsRefusedIsNamed(t *testing.T) {
	server, _ := certificate(t)
	_, otherCA := certificate(t)
	n := newNode(t, newData(t), esdbserver.Options{TLS: &tls.Config{Certificates: []tls.Certificate{server}}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := eventstoredb.Open(ctx, "esdb://"+n.addr+"?tlsCAFile="+otherCA, options())
	if !errors.Is(err, commands.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

func TestConnectionStringsThatCannotBe(t *testing.T) {
	for _, url := range []string{"", "http://127.0.0.1:2113", "esdb://", "esdb://127.0.0.1:x", "esdb://a?tls=maybe"} {
		if s, err := eventstoredb.Open(t.Context(), url, options()); err == nil || !strings.Contains(err.Error(), "connection string") {
			t.Errorf("%q: got %v, %v", url, s, err)
		}
	}
}
