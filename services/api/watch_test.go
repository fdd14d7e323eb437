package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// reader reads a watch over REST line by line.
type reader struct {
	t     testing.TB
	lines *bufio.Scanner
	leave context.CancelFunc
	*http.Response
}

func watch(t testing.TB, w *servicetest.World, query string, headers ...string) *reader {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", w.URL+"/v1/availability:watch?channel=web"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leave(); got.Body.Close() })
	if got.StatusCode != 200 {
		t.Fatalf("status %d", got.StatusCode)
	}
	return &reader{t: t, lines: bufio.NewScanner(got.Body), leave: leave, Response: got}
}

func (r *reader) line() string {
	r.t.Helper()
	if !r.lines.Scan() {
		r.t.Fatalf("the watch ended: %v", r.lines.Err())
	}
	return r.lines.Text()
}

// message reads a line of a watch in JSON.
func (r *reader) message() *pb.WatchAvailabilityResponse {
	r.t.Helper()
	var line struct{ Result json.RawMessage }
	if err := json.Unmarshal([]byte(r.line()), &line); err != nil {
		r.t.Fatal(err)
	}
	var m pb.WatchAvailabilityResponse
	if err := protojson.Unmarshal(line.Result, &m); err != nil {
		r.t.Fatalf("%v: %s", err, line.Result)
	}
	return &m
}

// event reads a Server-Sent Event: its fields by name.
func (r *reader) event() map[string]string {
	r.t.Helper()
	fields := map[string]string{}
	for {
		line := r.line()
		if line == "" {
			return fields
		}
		name, value, _ := strings.Cut(line, ": ")
		fields[name] = value
	}
}

// ats reads events until a SKU has an ATS, and returns the id of that event.
func (r *reader) ats(sku string, want int64) string {
	r.t.Helper()
	for {
		e := r.event()
		var m pb.WatchAvailabilityResponse
		if err := protojson.Unmarshal([]byte(e["data"]), &m); err != nil {
			r.t.Fatalf("%v: %v", err, e)
		}
		if m.ResumeToken != e["id"] {
			r.t.Errorf("id %q, token %q", e["id"], m.ResumeToken)
		}
		for _, a := range m.Availabilities {
			if a.Sku == sku && a.Ats == want {
				return e["id"]
			}
		}
	}
}

func TestAWatchOverRESTIsALineOfJSONPerMessage(t *testing.T) {
	w := shop(t)
	w.ATS("milk", w.Count("milk", 1))
	r := watch(t, w, "&skus=milk&skus="+url.QueryEscape("a/b %"))
	if kind := r.Header.Get("Content-Type"); kind != "application/x-ndjson" {
		t.Errorf("type %s", kind)
	}
	if first := r.message(); len(first.Availabilities) != 2 || first.Availabilities[1].Sku != "milk" || first.Availabilities[1].Ats != 1 {
		t.Errorf("first %v", first) // the other one is not known yet
	}
	w.Count("bread", 1)
	w.Count("a/b %", 7)
	for {
		m := r.message()
		for _, a := range m.Availabilities {
			if a.Sku == "bread" {
				t.Errorf("got %v", m)
			}
			if a.Sku == "a/b %" && a.Ats == 7 {
				return
			}
		}
	}
}

func TestAWatchOverRESTStartsBeforeThereIsAnythingToSay(t *testing.T) {
	w := shop(t)
	r := watch(t, w, "&resumeToken=now") // returns with the headers
	w.Count("milk", 3)
	for {
		if m := r.message(); len(m.Availabilities) > 0 {
			if m.Availabilities[0].Ats != 3 {
				t.Errorf("got %v", m)
			}
			return
		}
	}
}

func TestServerSentEventsGoOnWhereTheyWere(t *testing.T) {
	w := shop(t)
	w.ATS("milk", w.Count("milk", 1))
	if err := w.Policies.WaitForEnd(t.Context()); err != nil {
		t.Fatal(err) // until then a position to resume from is older than what was handed out
	}
	r := watch(t, w, "", "Accept", "text/event-stream")
	if kind := r.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("type %s", kind)
	}
	id := r.ats("milk", 1)
	r.leave()
	w.Count("bread", 2)
	again := watch(t, w, "", "Accept", "text/event-stream", "Last-Event-ID", id)
	e := again.event()
	if strings.Contains(e["data"], "milk") {
		t.Errorf("got what it had: %v", e)
	}
	if !strings.Contains(e["data"], "bread") {
		again.ats("bread", 2)
	}
}

func TestAReaderWhoLeavesEndsHisWatch(t *testing.T) {
	ended := make(chan struct{}, 2)
	w := servicetest.Start(t, servicetest.Options{Configure: watchEnds(ended)})
	w.Shop()
	r := watch(t, w, "")
	r.leave()
	<-ended
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := w.AvailabilityClient().WatchAvailability(ctx, &pb.WatchAvailabilityRequest{Channel: "web"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
}

func TestStoppingTellsReadersToConnectAgain(t *testing.T) {
	w := shop(t)
	lines, events := watch(t, w, "&resumeToken=now"), watch(t, w, "&resumeToken=now", "Accept", "text/event-stream")
	stream, err := w.AvailabilityClient().WatchAvailability(t.Context(), &pb.WatchAvailabilityRequest{Channel: "web"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
	for {
		if _, err = stream.Recv(); err != nil {
			break
		}
	}
	servicetest.Refused(t, err, codes.Unavailable, "STOPPING")
	last := ""
	for lines.lines.Scan() {
		last = lines.lines.Text()
	}
	if !strings.HasPrefix(last, `{"error":`) || !strings.Contains(last, "STOPPING") {
		t.Errorf("last line %q", last)
	}
	all := ""
	for events.lines.Scan() {
		all += events.lines.Text() + "\n"
	}
	if !strings.Contains(all, "event: error\ndata: {") || !strings.Contains(all, "STOPPING") {
		t.Errorf("last event %q", all)
	}
}
