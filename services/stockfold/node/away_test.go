package node

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/pebble"
	"github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// shelf is an event store as a server that can go away and come back.
type shelf struct {
	*testing.T
	data   *pebble.Store
	addr   string
	server *esdbserver.Server
	served chan error
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	data, err := pebble.Open("events", pebble.Options{FS: vfs.NewMem(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{T: t, data: data, addr: "127.0.0.1:0"}
	s.comeBack()
	t.Cleanup(func() {
		if s.server != nil {
			s.goAway()
		}
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *shelf) comeBack() {
	s.Helper()
	server, err := esdbserver.New(context.Background(), s.data, esdbserver.Options{Log: quiet()})
	if err != nil {
		s.Fatal(err)
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	s.server, s.addr, s.served = server, l.Addr().String(), make(chan error, 1)
	go func() { s.served <- server.Serve(l) }()
}

func (s *shelf) goAway() {
	s.server.Kill()
	if err := <-s.served; err != nil {
		s.Errorf("serve: %v", err)
	}
	s.server = nil
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// fromModel is how REST says that an answer comes from the read model.
const fromModel = "ANSWERED_FROM_UNSPECIFIED"

// A replica whose event store is away stays ready for as long as it can answer reads within the bound on their age, and says
// where they come from; then it is not ready, and reads fail with a reason. It lives all the time, and tells its status.
func TestANodeWhoseStoreIsAwayIsReadyWhileItCanAnswer(t *testing.T) {
	s := newShelf(t)
	n, err := Start(t.Context(), Config{GRPC: "127.0.0.1:0", REST: "127.0.0.1:0", Broker: "127.0.0.1:0", Metrics: "127.0.0.1:0",
		Roles: []string{RoleAPI, RoleProject}, Data: t.TempDir(), EventStore: eventstoredb.URL("esdb://" + s.addr + "?tls=false"),
		StateMemory: 8, DocumentMemory: 8, EventCache: 8, ViewCache: 8, MemoryLimit: 64}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = n.Close(ctx) // states may be left unsaved
	})
	conn, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defineShop(t, conn)
	rest := "http://" + n.REST
	read := func() (status int, a struct{ CurrentAt, AnsweredFrom, Reason string }) {
		status, body := get(t, rest+"/v1/availability/milk?channel=web")
		answer := struct {
			Availability *struct{ CurrentAt, AnsweredFrom, Reason string }
			Details      []struct{ Reason string }
		}{Availability: &a}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		for _, d := range answer.Details {
			a.Reason += d.Reason
		}
		return status, a
	}
	await := func(what string, holds func() bool) {
		t.Helper()
		limit := time.After(time.Minute)
		for !holds() {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-limit:
				t.Fatalf("waited in vain: %s", what)
			}
		}
	}
	await("an answer from the model", func() bool { code, a := read(); return code == 200 && a.AnsweredFrom == fromModel })
	s.goAway()
	marked := false
	await("the replica to be out of answers", func() bool {
		began := time.Now()
		if code, a := read(); code == http.StatusOK {
			current, err := time.Parse(time.RFC3339Nano, a.CurrentAt)
			if err != nil || began.Sub(current) > availability.MaxStaleness {
				t.Fatalf("an answer is of %q, at %s: %v", a.CurrentAt, began, err)
			}
			marked = marked || a.AnsweredFrom == "ANSWERED_FROM_MEMORY"
		} else if code != http.StatusServiceUnavailable || !strings.Contains(a.Reason, "STORE_UNAVAILABLE") {
			t.Fatalf("got %d %+v", code, a)
		}
		code, _ := get(t, rest+"/readyz")
		return code == http.StatusServiceUnavailable
	})
	if !marked {
		t.Error("no answer was marked as remembered")
	}
	if code, a := read(); code != http.StatusServiceUnavailable {
		t.Errorf("got %d %+v after the replica said that it is not ready", code, a)
	}
	if code, body := get(t, rest+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d %s", code, body)
	}
	status, err := pb.NewOperationsServiceClient(conn).GetStatus(t.Context(), &pb.GetStatusRequest{})
	if err != nil || status.StoreError == "" || len(status.Projections) != 5 {
		t.Errorf("status %v, %v", status, err)
	}
	for _, p := range status.GetProjections() {
		if p.Error == "" {
			t.Errorf("projection %v shows nothing", p)
		}
	}
	s.comeBack()
	await("the replica to be ready again", func() bool { code, _ := get(t, rest+"/readyz"); return code == http.StatusOK })
	await("answers from the model", func() bool { code, a := read(); return code == 200 && a.AnsweredFrom == fromModel })
}

func defineShop(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	policy := pb.NewPolicyServiceClient(conn)
	if _, err := policy.PutLocation(t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: "berlin", Name: "Berlin", Kind: "store", TimeZone: "UTC"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := policy.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "web", Name: "Web", Sourcing: []string{"berlin"}}}); err != nil {
		t.Fatal(err)
	}
}
