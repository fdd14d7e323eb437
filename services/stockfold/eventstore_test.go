package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// logged is what a running subcommand says; ready receives what the pattern captures first.
type logged struct {
	pattern *regexp.Regexp
	ready   chan string

	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	if found := l.pattern.FindStringSubmatch(l.text.String()); found != nil {
		select {
		case l.ready <- found[1]:
		default:
		}
	}
	return len(b), nil
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// eventStore runs the subcommand and returns its connection string and what ends it, giving the exit code.
func eventStore(t *testing.T, args ...string) (url string, end func() int) {
	t.Helper()
	return server(t, `"eventstore":"(esdb://[^"]+)"`, append([]string{"eventstore", "--listen", "127.0.0.1:0"}, args...)...)
}

// server runs a subcommand that serves, and returns what it says, when it is ready, of the address that it serves at, and what ends
// it, giving the exit code.
func server(t *testing.T, says string, args ...string) (address string, end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &logged{pattern: regexp.MustCompile(says), ready: make(chan string, 1)}
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, streams{out, out}) }()
	end = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() { end() })
	select {
	case address = <-out.ready:
	case c := <-code:
		code <- c
		t.Fatalf("%q ended with %d: %s", args, c, out)
	}
	return address, end
}

func eventStoreClient(t *testing.T, url string) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	c, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func streamLength(t *testing.T, c *esdb.Client, stream string) int {
	t.Helper()
	s, err := c.ReadStream(t.Context(), stream, esdb.ReadStreamOptions{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := 0; ; n++ {
		if _, err := s.Recv(); errors.Is(err, io.EOF) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnEventStoreOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	url, end := eventStore(t, "--data", dir)
	c := eventStoreClient(t, url)
	note := esdb.EventData{EventType: "NoteTaken", ContentType: esdb.ContentTypeJson, Data: []byte(`{}`)}
	if _, err := c.AppendToStream(t.Context(), "notes", esdb.AppendToStreamOptions{}, note, note); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SubscribeToAll(t.Context(), esdb.SubscribeToAllOptions{}); err != nil {
		t.Fatal(err)
	}
	if code := end(); code != 0 {
		t.Fatalf("stopped with %d while a client was subscribed", code)
	}
	url, _ = eventStore(t, "--data", dir, "--read-only")
	c = eventStoreClient(t, url)
	if n := streamLength(t, c, "notes"); n != 2 {
		t.Errorf("%d events after a restart, want 2", n)
	}
	var refused *esdb.Error
	if _, err := c.AppendToStream(t.Context(), "notes", esdb.AppendToStreamOptions{}, note); !errors.As(err, &refused) || refused.Code() != esdb.ErrorCodeAccessDenied {
		t.Errorf("got %v, want access denied", err)
	}
}

// The events of a service that has stopped are an event store like any other.
func TestAStoppedServiceCanBeLookedAt(t *testing.T) {
	c := testConfig(t)
	n := startNode(t, c)
	client{t, n}.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	url, _ := eventStore(t, "--data", c.Data, "--read-only")
	if n := streamLength(t, eventStoreClient(t, url), "location-dc"); n == 0 {
		t.Error("the location's stream is empty")
	}
}

// A running service shows its events to whoever asks with the usual client, and lets nobody write past it.
func TestAServiceOffersItsEvents(t *testing.T) {
	c := testConfig(t)
	c.OfferEventStore = "127.0.0.1:0"
	n := startNode(t, c)
	store := eventStoreClient(t, "esdb://"+n.EventStore+"?tls=false")
	sub, err := store.SubscribeToAll(t.Context(), esdb.SubscribeToAllOptions{From: esdb.Start{},
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"location-"}}})
	if err != nil {
		t.Fatal(err)
	}
	client{t, n}.call("PolicyService/PutLocation", `{"location": {"location_id": "dc", "name": "Berlin"}}`)
	for {
		e := sub.Recv()
		if e.SubscriptionDropped != nil {
			t.Fatal(e.SubscriptionDropped.Error)
		}
		if e.EventAppeared != nil {
			if got := e.EventAppeared.Event; got.EventType != "LocationDefined" || got.StreamID != "location-dc" || string(got.Data) != `{"name":"Berlin","timeZone":"UTC"}` {
				t.Errorf("got %s in %s: %s", got.EventType, got.StreamID, got.Data)
			}
			break
		}
	}
	var refused *esdb.Error
	_, err = store.AppendToStream(t.Context(), "location-dc", esdb.AppendToStreamOptions{}, esdb.EventData{EventType: "X"})
	if !errors.As(err, &refused) || refused.Code() != esdb.ErrorCodeAccessDenied {
		t.Errorf("got %v, want access denied", err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnEventStoreThatCannotStartSaysWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for problem, args := range map[string][]string{
		"reachable from other machines":  {"--listen", "0.0.0.0:0"},
		"must be 1 to 16 MiB, is 17":     {"--max-append", "17"},
		"must be 8 to 1048576 MiB, is 1": {"--event-cache", "1"},
		"there are no events to read":    {"--read-only", "--data", filepath.Join(t.TempDir(), "none")},
		"choose another with --data":     {"--data", filepath.Join(file, "x")},
	} {
		var out strings.Builder
		args = append([]string{"eventstore", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args...)
		if code := run(t.Context(), args, streams{&out, &out}); code != 1 || !strings.Contains(out.String(), problem) {
			t.Errorf("%q: ends with %d:\n%s", args, code, &out)
		}
	}
}
