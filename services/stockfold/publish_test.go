package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/stockfold/stockfold/services/stockfold/load"
)

// guardedBroker speaks TLS and asks who is calling. It gives the settings of somebody whom it knows.
func guardedBroker(t *testing.T) (settings []string) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	ca, password := filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "password")
	for path, text := range map[string][]byte{
		ca:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}),
		password: []byte("secret\n"),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, load.MovementsTopic), kfake.EnableSASL(),
		kfake.Superuser("SCRAM-SHA-512", "till", "secret"), kfake.TLS(&tls.Config{Certificates: web.TLS.Certificates}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return []string{"--kafka-brokers", broker.ListenAddrs()[0], "--kafka-tls-ca", ca,
		"--kafka-sasl-mechanism", "scram-sha-512", "--kafka-username", "till", "--kafka-password-file", password}
}

func TestPublishSpeaksToBrokersThatAskWhoIsCalling(t *testing.T) {
	settings := guardedBroker(t)
	fact := []string{"movement", `{"sku":"milk","location":"berlin","quantity":4,"received":{}}`}
	var out, errs bytes.Buffer
	if code := run(t.Context(), append(append([]string{"publish"}, settings...), fact...), streams{&out, &errs}); code != 0 ||
		!strings.Contains(out.String(), "published to "+load.MovementsTopic+", partition 0, offset 0") {
		t.Errorf("exit code %d, %q, %q", code, out.String(), errs.String())
	}
	out.Reset()
	if code := run(t.Context(), append(append([]string{"publish"}, settings[:4]...), fact...), streams{&out, &errs}); code == 0 {
		t.Errorf("published without a name: %q", out.String())
	}
}

// Whoever speaks to brokers explains settings that cannot be, before anything is sent.
func TestSettingsOfBrokersAreCheckedByAllWhoSpeakToThem(t *testing.T) {
	pos := filepath.Join(t.TempDir(), "pos.csv")
	if err := os.WriteFile(pos, []byte("ts,store_id,basket_id,product_id,quantity\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"publish", "movement", "{}"}, {"load", "--pos", pos}} {
		for says, settings := range map[string][]string{
			"are for brokers named with --kafka-brokers": {"--kafka-tls"},
			"needs --kafka-username":                     {"--kafka-brokers", "kafka-1:9092", "--kafka-sasl-mechanism", "scram-sha-256"},
			"for everybody on the way to read":           {"--kafka-brokers", "kafka-1:9092", "--kafka-sasl-mechanism", "plain", "--kafka-username", "u"},
		} {
			var out, errs bytes.Buffer
			if code := run(t.Context(), append(append([]string{}, command...), settings...), streams{&out, &errs}); code == 0 || !strings.Contains(errs.String(), says) {
				t.Errorf("%v %v: exit code %d, %q", command, settings, code, errs.String())
			}
		}
	}
}
