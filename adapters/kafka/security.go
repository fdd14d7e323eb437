package kafka

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	kafkasasl "github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Mechanisms by which a user authenticates.
const (
	MechanismPlain       = "plain"
	MechanismScramSHA256 = "scram-sha-256"
	MechanismScramSHA512 = "scram-sha-512"
)

// PasswordVariable is the environment variable that may hold the password.
const PasswordVariable = "STOCKFOLD_KAFKA_PASSWORD"

// maxPasswordBytes bounds a file with a password.
const maxPasswordBytes = 4 << 10

// Security says how this process and the brokers make sure of each other. Files are read anew for every connection, so that
// what they hold can be replaced while the process runs.
type Security struct {
	TLS               bool   // implied by the files
	CAFile            string // certificates that the brokers' are checked against, PEM; the system's when empty
	CertFile, KeyFile string // of this process, PEM; none when empty
	Mechanism         string // one of those above; "" when the brokers ask for no user
	Username          string
	PasswordFile      string // the first line is the password
	Password          string // used without a file
}

// Secure makes the connections secure, or says what is wrong with the settings or files.
func (c *Config) Secure(s Security) (err error) {
	if c.TLS, err = s.tls(); err != nil {
		return err
	}
	if s.Mechanism == "" {
		if s.Username != "" || s.PasswordFile != "" {
			return errors.New("--kafka-username and --kafka-password-file need --kafka-sasl-mechanism: plain, scram-sha-256 or scram-sha-512")
		}
		return nil
	}
	if s.Mechanism == MechanismPlain && c.TLS == nil && slices.ContainsFunc(c.Brokers, elsewhere) {
		return errors.New("--kafka-sasl-mechanism plain would send the password for everybody on the way to read: set --kafka-tls, or use scram-sha-512")
	}
	if s.Username == "" {
		return fmt.Errorf("--kafka-sasl-mechanism %s needs --kafka-username", s.Mechanism)
	}
	if _, err := s.password(); err != nil {
		return err
	}
	c.SASL, err = s.mechanism()
	return err
}

// elsewhere tells whether a broker is on another machine.
func elsewhere(broker string) bool {
	host, _, _ := net.SplitHostPort(broker)
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}

func (s Security) tls() (*tls.Config, error) {
	if !s.TLS && s.CAFile == "" && s.CertFile == "" && s.KeyFile == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("--kafka-tls-ca: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--kafka-tls-ca: %s holds no certificate in PEM form", s.CAFile)
		}
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		return nil, errors.New("--kafka-tls-cert and --kafka-tls-key go together; set both or neither")
	}
	if s.CertFile == "" {
		return c, nil
	}
	own := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("--kafka-tls-cert %s, --kafka-tls-key %s: %w", s.CertFile, s.KeyFile, err)
		}
		return &pair, nil
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() }
	_, err := own()
	return c, err
}

func (s Security) password() (string, error) {
	if s.PasswordFile == "" {
		if s.Password == "" {
			return "", fmt.Errorf("--kafka-sasl-mechanism %s needs a password: name a file with --kafka-password-file, or set %s",
				s.Mechanism, PasswordVariable)
		}
		return s.Password, nil
	}
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("--kafka-password-file: %w", err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 || len(line) > maxPasswordBytes {
		return "", fmt.Errorf("--kafka-password-file: the first line of %s must be a password of 1 to %d bytes, has %d", s.PasswordFile,
			maxPasswordBytes, len(line))
	}
	return string(line), nil
}

func (s Security) mechanism() (sasl.Mechanism, error) {
	forScram := func(context.Context) (scram.Auth, error) {
		password, err := s.password()
		return scram.Auth{User: s.Username, Pass: password}, err
	}
	switch s.Mechanism {
	case MechanismScramSHA256:
		return scram.Sha256(forScram), nil
	case MechanismScramSHA512:
		return scram.Sha512(forScram), nil
	case MechanismPlain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := s.password()
			return plain.Auth{User: s.Username, Pass: password}, err
		}), nil
	}
	return nil, fmt.Errorf("--kafka-sasl-mechanism is %q; choose from %s", s.Mechanism,
		strings.Join([]string{MechanismPlain, MechanismScramSHA256, MechanismScramSHA512}, ", "))
}

// bridge lets kafka-go authenticate by franz-go's mechanisms, which need no further library.
type bridge struct{ sasl.Mechanism }

var _ kafkasasl.Mechanism = bridge{}

func (b bridge) Start(ctx context.Context) (kafkasasl.StateMachine, []byte, error) {
	session, first, err := b.Authenticate(ctx, "")
	return dialogue{session}, first, err
}

type dialogue struct{ session sasl.Session }

func (d dialogue) Next(_ context.Context, challenge []byte) (done bool, answer []byte, err error) {
	return d.session.Challenge(challenge)
}
