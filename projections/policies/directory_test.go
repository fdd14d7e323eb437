package policies_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/policies"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scenario is a directory over a real store and read model.
type scenario struct {
	*testing.T
	*viewtest.History
	model   policies.ReadModel
	dir     *policies.Directory
	stop    func()
	mu      sync.Mutex
	changes []policies.Change
}

func start(t *testing.T) *scenario {
	db, err := views.Open("views", views.Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &scenario{T: t, History: viewtest.NewHistory(t), model: db.Policies()}
	s.restart()
	return s
}

// restart ends the directory, and runs another one on the same store and model.
func (s *scenario) restart() {
	if s.stop != nil {
		s.stop()
	}
	s.dir = policies.New(policies.Config{Store: s.Store, Model: s.model, Log: slog.New(slog.DiscardHandler)})
	s.dir.OnChange(func(c policies.Change) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changes = append(s.changes, c)
	})
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- s.dir.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.Errorf("run: %v", err)
		}
	})
	s.Cleanup(s.stop)
}

// seen waits until everything stored is readable.
func (s *scenario) seen() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	if err := s.dir.WaitForEnd(ctx); err != nil {
		s.Fatalf("%v; status %+v", err, s.dir.Status(s.Context()))
	}
}

func (s *scenario) wantSites(id string, sites ...string) {
	s.Helper()
	c, ok := s.dir.Channel(id)
	if !ok {
		s.Fatalf("channel %q is not there", id)
	}
	if !slices.Equal(c.Policy.Sites, sites) {
		s.Fatalf("channel %q sells from %q, want %q", id, c.Policy.Sites, sites)
	}
}

func (s *scenario) wantPosition(id string, position uint64) {
	s.Helper()
	if c, _ := s.dir.Channel(id); c == nil || c.Position != position {
		s.Fatalf("channel %+v, want position %d", c, position)
	}
}

func TestChannelIsResolvedToItsEnabledLocations(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Location(t, "hamburg")
	at := s.Channel(t, "web", 3, "hamburg", "nowhere", "berlin")
	s.seen()
	s.wantSites("web", "hamburg", "berlin")
	s.wantPosition("web", at)
	c, _ := s.dir.Channel("web")
	if c.Policy.Buffer != 3 || c.Policy.HoldSeconds != 900 || c.Policy.Channel != "web" || c.State.Name != "web" {
		t.Fatalf("channel %+v, policy %+v", c, c.Policy)
	}
	if c.RecordedAt != s.Now-aggregates.Second/1000 {
		t.Fatalf("recorded at %v", c.RecordedAt.Time())
	}

	at = s.Add(t, "location-hamburg", &location.Disabled{Reason: "flood"})
	s.seen()
	s.wantSites("web", "berlin")
	s.wantPosition("web", at)

	at = s.Location(t, "nowhere")
	s.seen()
	s.wantSites("web", "nowhere", "berlin")
	s.wantPosition("web", at)

	at = s.Add(t, "location-hamburg", &location.Enabled{})
	s.seen()
	s.wantSites("web", "hamburg", "nowhere", "berlin")
	s.wantPosition("web", at)
}

func TestPolicyOfOtherChannelsStaysTheSameValue(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Location(t, "hamburg")
	s.Channel(t, "web", 0, "hamburg")
	s.Channel(t, "store", 0, "berlin")
	s.seen()
	web, _ := s.dir.Channel("web")
	store, _ := s.dir.Channel("store")
	version := s.dir.Tables().Version()
	s.Add(t, "location-berlin", &location.Defined{Name: "Berlin Mitte", TimeZone: "UTC"}) // a new name changes no policy
	s.seen()
	if c, _ := s.dir.Channel("store"); c != store || s.dir.Tables().Version() != version {
		t.Fatal("a new name of a location changed a policy")
	}
	at := s.Add(t, "location-berlin", &location.Disabled{})
	s.seen()
	if c, _ := s.dir.Channel("web"); c != web {
		t.Fatal("a channel that does not sell from the location changed")
	}
	if c, _ := s.dir.Channel("store"); c.Policy == store.Policy || s.dir.Tables().Version() != at {
		t.Fatal("the channel that sells from the location did not change")
	}
}

func TestListsAreInBytewiseOrder(t *testing.T) {
	s := start(t)
	ids := []string{"ä", "b", "a/b", "B", "a", "日本", "%"}
	for _, id := range ids {
		s.Location(t, id)
		s.Channel(t, id, 0)
	}
	s.Add(t, "location-heard of", &location.Disabled{})
	s.seen()
	slices.Sort(ids)
	var channels, locations []string
	for _, c := range s.dir.Channels() {
		channels = append(channels, c.ID)
	}
	for _, l := range s.dir.Locations() {
		locations = append(locations, l.ID)
	}
	if !slices.Equal(channels, ids) || !slices.Equal(locations, ids) {
		t.Fatalf("channels %q, locations %q, want %q", channels, locations, ids)
	}
	if _, ok := s.dir.Location("heard of"); ok {
		t.Fatal("a location that nobody defined is there")
	}
	if _, ok := s.dir.Channel("nobody"); ok {
		t.Fatal("a channel that nobody defined is there")
	}
	if l, ok := s.dir.Location("a/b"); !ok || l.Name != "a/b" {
		t.Fatalf("location %+v, %v", l, ok)
	}
	if i, ok := s.dir.Tables().Index("日本"); !ok || s.dir.Channels()[i].ID != "日本" {
		t.Fatalf("index %d, %v", i, ok)
	}
}

func TestChangesAreToldInOrderOnceReadable(t *testing.T) {
	s := start(t)
	s.dir.OnChange(func(c policies.Change) {
		for _, id := range c.Channels {
			if got, ok := s.dir.Channel(id); !ok || got.Position < c.Position {
				t.Errorf("told of %+v before it can be read", c)
			}
		}
	})
	want := []policies.Change{
		{LocationDefined: "berlin", Position: s.Location(t, "berlin")},
		{Channels: []string{"web"}, Position: s.Channel(t, "web", 0, "berlin")},
		{Channels: []string{"app"}, Position: s.Channel(t, "app", 0, "berlin")},
		{Channels: []string{"app", "web"}, Position: s.Add(t, "location-berlin", &location.Disabled{})},
		{LocationDefined: "berlin", Position: s.Location(t, "berlin")},
		{Channels: []string{"app", "web"}, Position: s.Add(t, "location-berlin", &location.Enabled{})},
		{Channels: []string{"web"}, Position: s.Channel(t, "web", 1, "berlin")},
	}
	s.seen()
	s.mu.Lock()
	defer s.mu.Unlock()
	if fmt.Sprint(s.changes) != fmt.Sprint(want) {
		t.Fatalf("told\n%v, want\n%v", s.changes, want)
	}
}

func TestDirectoryIsThereAfterARestart(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 2, "berlin", "hamburg")
	at := s.Location(t, "hamburg")
	s.seen()
	before := s.changes
	s.restart()
	s.seen()
	s.wantSites("web", "berlin", "hamburg")
	s.wantPosition("web", at)
	if len(s.changes) != len(before) {
		t.Fatalf("what was there already was told again: %v", s.changes[len(before):])
	}
	at = s.Add(t, "location-berlin", &location.Disabled{})
	s.seen()
	s.wantSites("web", "hamburg")
	s.wantPosition("web", at)
}

// faulty is a read model whose next write fails, before or after it was done.
type faulty struct {
	policies.ReadModel
	mu     sync.Mutex
	before error
	after  error
}

func (f *faulty) Write(ctx context.Context, changed policies.Contents, p projections.Progress) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.before; err != nil {
		f.before = nil
		return err
	}
	if err := f.ReadModel.Write(ctx, changed, p); err != nil {
		return err
	}
	err := f.after
	f.after = nil
	return err
}

func TestChangesAreToldEvenIfAWriteFails(t *testing.T) {
	for name, fault := range map[string]func(*faulty){
		"before it was done": func(f *faulty) { f.before = errors.New("no") },
		"after it was done":  func(f *faulty) { f.after = errors.New("no") },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.stop()
			model := &faulty{ReadModel: s.model}
			s.model = model
			s.Location(t, "berlin")
			s.restart()
			s.seen()
			model.mu.Lock()
			fault(model)
			model.mu.Unlock()
			s.changes = nil
			at := s.Channel(t, "web", 0, "berlin")
			s.seen()
			s.wantSites("web", "berlin")
			s.mu.Lock()
			defer s.mu.Unlock()
			want := []policies.Change{{Channels: []string{"web"}, Position: at}}
			if fmt.Sprint(s.changes) != fmt.Sprint(want) {
				t.Fatalf("told %v, want %v", s.changes, want)
			}
		})
	}
}

// behind is a read model whose progress seems to have been lost: it is written by somebody who is ahead.
type behind struct{ policies.ReadModel }

func (b behind) Load(ctx context.Context) (policies.Contents, projections.Progress, error) {
	c, _, err := b.ReadModel.Load(ctx)
	return c, projections.Progress{}, err
}

func TestEventsThatADocumentIncludesDoNotCountAgain(t *testing.T) {
	s := start(t)
	s.Location(t, "berlin")
	s.Channel(t, "web", 1, "berlin")
	s.Channel(t, "web", 2, "berlin")
	s.Add(t, "location-berlin", &location.Disabled{})
	last := s.Add(t, "location-berlin", &location.Enabled{})
	s.seen()
	s.stop()
	s.model = behind{s.model}
	s.changes = nil
	s.restart()
	s.seen()
	s.wantSites("web", "berlin")
	s.wantPosition("web", last)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.changes) != 0 {
		t.Fatalf("told again of %v", s.changes)
	}
}

// However the events of a history are cut into batches and runs, the directory and what is stored of it are the same.
func TestDirectoryDependsOnTheEventsAlone(t *testing.T) {
	s := start(t)
	dump := func(m policies.ReadModel) string {
		c, p, err := m.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d\n", p.Position)
		for _, x := range c.Channels {
			text += fmt.Sprintf("%+v\n", *x)
		}
		for _, x := range c.Locations {
			text += fmt.Sprintf("%+v\n", *x)
		}
		return text
	}
	for i := range 60 {
		place := fmt.Sprint("place ", i%7)
		switch i % 5 {
		case 0:
			s.Location(t, place)
		case 1:
			s.Add(t, "location-"+place, &location.Disabled{})
		case 2:
			s.Add(t, "location-"+place, &location.Enabled{})
		default:
			s.Add(t, fmt.Sprint("channel-", i%3), &channel.Defined{Name: place, Sourcing: []string{place, fmt.Sprint("place ", i%4)}})
		}
		if i%11 == 0 {
			s.restart()
		}
		if i%3 == 0 {
			s.seen()
		}
	}
	s.seen()
	s.stop()
	step := dump(s.model)
	if err := s.model.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.seen()
	s.stop()
	if whole := dump(s.model); whole != step {
		t.Fatalf("built in steps:\n%s\nbuilt at once:\n%s", step, whole)
	}
}
