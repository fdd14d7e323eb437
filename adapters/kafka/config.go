package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	kafka "github.com/segmentio/kafka-go"
	kafkasasl "github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/sasl"
)

// Config says how to reach the brokers. Secure sets TLS and SASL.
type Config struct {
	Brokers  []string       // host:port, at least one
	ClientID string         // by which brokers know this process; "stockfold" when empty
	TLS      *tls.Config    // nil: no TLS
	SASL     sasl.Mechanism // nil: no authentication
	Log      *slog.Logger   // the default logger when nil
}

const (
	defaultClientID = "stockfold"
	dialTimeout     = 3 * time.Second
	requestTimeout  = 10 * time.Second // of requests that do not wait for messages
	idleTimeout     = 30 * time.Second
	metadataTTL     = 5 * time.Second
)

func (c *Config) check() error {
	if len(c.Brokers) == 0 {
		return errors.New("no Kafka brokers are given; set --kafka-brokers to a list of host:port")
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return fmt.Errorf("broker %q of Kafka is not host:port: %w", b, err)
		}
	}
	return nil
}

func (c *Config) clientID() string {
	if c.ClientID == "" {
		return defaultClientID
	}
	return c.ClientID
}

func (c *Config) log() *slog.Logger {
	if c.Log == nil {
		return slog.Default()
	}
	return c.Log
}

func (c *Config) addr() net.Addr { return kafka.TCP(c.Brokers...) }

func (c *Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
}

// Transport returns connections for requests, to be closed with CloseIdleConnections.
func (c *Config) Transport() *kafka.Transport {
	return &kafka.Transport{
		Dial: c.dial, DialTimeout: dialTimeout, IdleTimeout: idleTimeout, MetadataTTL: metadataTTL,
		ClientID: c.clientID(), TLS: c.TLS, SASL: c.mechanism(),
	}
}

// dialer is what the consumer group connects with.
func (c *Config) dialer() *kafka.Dialer {
	return &kafka.Dialer{ClientID: c.clientID(), Timeout: dialTimeout, DualStack: true, TLS: c.TLS, SASLMechanism: c.mechanism()}
}

func (c *Config) client(t *kafka.Transport) *kafka.Client {
	return &kafka.Client{Addr: c.addr(), Timeout: requestTimeout, Transport: t}
}

// mechanism is that of kafka-go.
func (c *Config) mechanism() kafkasasl.Mechanism {
	if c.SASL == nil {
		return nil
	}
	return bridge{c.SASL}
}

// passing tells whether a group answers so while its members come and go, or while its coordinator begins: the next try,
// or one of the next, succeeds.
func passing(err error) bool {
	for _, e := range []kafka.Error{kafka.RebalanceInProgress, kafka.GroupCoordinatorNotAvailable, kafka.GroupLoadInProgress,
		kafka.NotCoordinatorForGroup, kafka.UnknownMemberId, kafka.IllegalGeneration} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// explain says what may be behind a connection that the broker ends without a word.
func explain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the broker hung up; if it goes on doing so, do TLS and SASL fit its listener?", err)
	}
	return err
}
