package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBadSecurityIsExplained(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	scram := Security{Mechanism: MechanismScramSHA512, Username: "u", Password: "p"}
	with := func(change func(*Security)) Security {
		s := scram
		change(&s)
		return s
	}
	for says, s := range map[string]Security{
		"--kafka-tls-ca: open /nowhere":                                  {CAFile: "/nowhere"},
		"holds no certificate in PEM form":                               {CAFile: empty},
		"set both or neither":                                            {CertFile: empty},
		"--kafka-tls-cert " + empty + ", --kafka-tls-key " + empty + ":": {CertFile: empty, KeyFile: empty},
		"need --kafka-sasl-mechanism":                                    {Username: "u"},
		"needs --kafka-username":                                         with(func(s *Security) { s.Username = "" }),
		"or set STOCKFOLD_KAFKA_PASSWORD":                                with(func(s *Security) { s.Password = "" }),
		"--kafka-password-file: open /nowhere":                           with(func(s *Security) { s.PasswordFile = "/nowhere" }),
		"must be a password of 1 to 4096 bytes, has 0":                   with(func(s *Security) { s.PasswordFile = empty }),
		"choose from plain, scram-sha-256, scram-sha-512":                with(func(s *Security) { s.Mechanism = "gssapi" }),
		"for everybody on the way to read":                               with(func(s *Security) { s.Mechanism = MechanismPlain }),
	} {
		c := Config{Brokers: []string{"kafka-1:9092"}}
		if err := c.Secure(s); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: got %v, want %q", s, err, says)
		}
	}
	for _, s := range []Security{{}, {TLS: true}, scram, with(func(s *Security) { s.Mechanism, s.TLS = MechanismPlain, true })} {
		c := Config{Brokers: []string{"kafka-1:9092"}}
		if err := c.Secure(s); err != nil || (c.TLS != nil) != s.TLS || (c.SASL != nil) != (s.Mechanism != "") {
			t.Errorf("%+v: got %+v, %v", s, c, err)
		}
	}
}

// A password that is replaced while the process runs counts from the next connection on.
func TestThePasswordIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	s := Security{Mechanism: MechanismPlain, Username: "u", PasswordFile: path}
	c := Config{Brokers: []string{"127.0.0.1:9092"}}
	for i, text := range []string{"first", "second\r\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := c.Secure(s); err != nil {
				t.Fatal(err)
			}
		}
		_, said, err := c.mechanism().Start(t.Context())
		if want := "\x00u\x00" + strings.TrimSpace(text); err != nil || string(said) != want {
			t.Errorf("said %q, %v, want %q", said, err, want)
		}
	}
}
