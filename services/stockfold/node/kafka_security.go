package node

import (
	"errors"
	"os"

	"github.com/stockfold/stockfold/adapters/kafka"
)

// KafkaSecurity says how this program and the brokers that are named make sure of each other: the same settings for every
// subcommand that speaks to brokers.
type KafkaSecurity struct {
	KafkaTLS           bool   `name:"kafka-tls" help:"Speak TLS to the Kafka brokers; implied by the files below."`
	KafkaTLSCA         string `name:"kafka-tls-ca" placeholder:"FILE" type:"path" help:"Check the brokers' certificates against those in this PEM file, instead of the system's."`
	KafkaTLSCert       string `name:"kafka-tls-cert" placeholder:"FILE" type:"path" help:"Show the brokers this certificate, a PEM file."`
	KafkaTLSKey        string `name:"kafka-tls-key" placeholder:"FILE" type:"path" help:"The private key of that certificate, a PEM file."`
	KafkaSASLMechanism string `name:"kafka-sasl-mechanism" enum:",plain,scram-sha-256,scram-sha-512" default:"" placeholder:"NAME" help:"Authenticate to the brokers by plain, scram-sha-256 or scram-sha-512."`
	KafkaUsername      string `placeholder:"NAME" help:"Authenticate to the brokers as this user."`
	KafkaPasswordFile  string `placeholder:"FILE" type:"path" help:"The password is the first line of this file; without it, the environment's STOCKFOLD_KAFKA_PASSWORD."`
}

// Secure says how to reach brokers by these settings, or what is wrong with them. Without brokers it is the embedded one that
// is meant, to which none of them applies.
func (x *KafkaSecurity) Secure(brokers []string) (kafka.Config, error) {
	k := kafka.Config{Brokers: brokers}
	s := kafka.Security{
		TLS: x.KafkaTLS, CAFile: x.KafkaTLSCA, CertFile: x.KafkaTLSCert, KeyFile: x.KafkaTLSKey,
		Mechanism: x.KafkaSASLMechanism, Username: x.KafkaUsername, PasswordFile: x.KafkaPasswordFile,
	}
	if len(brokers) == 0 {
		if s != (kafka.Security{}) {
			return k, errors.New("--kafka-tls, --kafka-sasl-mechanism and what belongs to them are for brokers named with --kafka-brokers; the embedded one has neither")
		}
		return k, nil
	}
	s.Password = os.Getenv(kafka.PasswordVariable)
	return k, k.Secure(s)
}
