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

// Who speaks TLS to a server that does not, or the reverse, is told what to change.
func TestAConnectionStringThatDoesNotFitTheServerSaysWhatToChange(t *testing.T) {
	server, _ := certificate(t)
	plain := newNode(t, newData(t), esdbserver.Options{})
	secure := newNode(t, newData(t), esdbserver.Options{TLS: &tls.Config{Certificates: []tls.Certificate{server}}})
	for url, says := range map[string]string{
		"esdb://" + plain.addr:                 "must end with ?tls=false",
		"esdb://" + secure.addr + "?tls=false": "must not say tls=false",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := eventstoredb.Open(ctx, url, options())
		cancel()
		if !errors.Is(err, commands.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", url, err, says)
		}
	}
}

func TestConnectionStringsThatCannotBe(t *testing.T) {
	for _, url := range []string{"", "http://127.0.0.1:2113", "esdb://", "esdb://127.0.0.1:x", "esdb://a?tls=maybe"} {
		if s, err := eventstoredb.Open(t.Context(), url, options()); err == nil || !strings.Contains(err.Error(), "connection string") {
			t.Errorf("%q: got %v, %v", url, s, err)
		}
	}
}
