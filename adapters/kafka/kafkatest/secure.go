package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Listeners of a secure node.
const (
	MutualTLS = "MUTUALTLS" // TLS, and a certificate of the client
	SASL      = "SASL"      // a user, without TLS
	SASLTLS   = "SASLTLS"   // a user, over TLS
)

// Users of a secure node. Member may do everything, Guest nothing.
const (
	Member         = "stockfold"
	MemberPassword = "correct horse/battery+staple"
	Guest          = "guest"
	GuestPassword  = "nothing to see here"
)

// Secure is a node that asks who is there, on all listeners but the plain one.
type Secure struct {
	*Node
	CA        string // PEM file of the authority that signed all certificates
	Cert, Key string // PEM files of a client who may do everything
}

// StartSecure starts a secure node.
func StartSecure(t testing.TB) *Secure {
	t.Helper()
	Skip(t)
	a := newAuthority(t)
	server := filepath.Join(a.dir, "server.pem")
	certificate, key := a.sign("broker")
	writePEM(t, server, key, certificate)
	s := &Secure{CA: filepath.Join(a.dir, "ca.pem"), Cert: filepath.Join(a.dir, "client.crt"), Key: filepath.Join(a.dir, "client.key")}
	writePEM(t, s.CA, block("CERTIFICATE", a.certificate.Raw))
	certificate, key = a.sign("client")
	writePEM(t, s.Cert, certificate)
	writePEM(t, s.Key, key)
	properties := map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.location": server, "ssl.truststore.type": "PEM", "ssl.truststore.location": s.CA,
		"listener.name.mutualtls.ssl.client.auth": "required",
		"sasl.enabled.mechanisms":                 "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"authorizer.class.name":                   "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":                             "User:ANONYMOUS;User:" + Member + ";User:CN=client",
	}
	for _, listener := range []string{"sasl", "sasltls"} {
		prefix := "listener.name." + listener + "."
		properties[prefix+"plain.sasl.jaas.config"] = `org.apache.kafka.common.security.plain.PlainLoginModule required user_` + Member + `="` + MemberPassword + `";`
		for _, mechanism := range []string{"scram-sha-256", "scram-sha-512"} {
			properties[prefix+mechanism+".sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		}
	}
	s.Node = Start(t, Options{
		Listeners:  map[string]string{MutualTLS: "SSL", SASL: "SASL_PLAINTEXT", SASLTLS: "SASL_SSL"},
		Users:      map[string]string{Member: MemberPassword, Guest: GuestPassword},
		Properties: properties,
	})
	return s
}

// Authority is the PEM file of an authority that signed nothing.
func Authority(t testing.TB) string {
	t.Helper()
	a := newAuthority(t)
	path := filepath.Join(a.dir, "ca.pem")
	writePEM(t, path, block("CERTIFICATE", a.certificate.Raw))
	return path
}

// authority signs certificates for loopback.
type authority struct {
	t           testing.TB
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), key: newKey(t)}
	template := a.template("authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (a *authority) sign(name string) (certificate, key *pem.Block) {
	a.t.Helper()
	own := newKey(a.t)
	signed, err := x509.CreateCertificate(rand.Reader, a.template(name), a.certificate, own.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	return block("CERTIFICATE", signed), block("PRIVATE KEY", private)
}

func block(kind string, der []byte) *pem.Block { return &pem.Block{Type: kind, Bytes: der} }

func writePEM(t testing.TB, path string, blocks ...*pem.Block) {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
