package policies

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/projections"
)

// Name of the projection, in status, logs and storage.
const Name = "policies"

// Change is what one event changed.
type Change struct {
	Channels        []string // whose policy changed
	LocationDefined string   // the location that the event defined, if it did
	Position        uint64   // of the event
}

// Config says what the directory is made of. Store and Model must be set.
type Config struct {
	Store projections.Store
	Model ReadModel
	Now   func() time.Time // time.Now when nil
	Log   *slog.Logger     // slog.Default() when nil
}

// Directory of channels and locations. Make it with New, then Run it.
type Directory struct {
	runner *projections.Runner
	fold   *fold
	tables atomic.Pointer[Tables]

	mu        sync.Mutex
	listeners []func(Change)
}

// New makes a directory; it is empty until Run has loaded it.
func New(c Config) *Directory {
	d := &Directory{}
	d.tables.Store(newTables(nil, nil, &SharedRules{}))
	d.fold = &fold{directory: d, model: c.Model}
	d.runner = projections.NewRunner(d.fold, projections.Config{
		Name: Name, Prefixes: prefixes(),
		Store: c.Store, Workers: 1, Now: c.Now, Log: c.Log,
	})
	return d
}

// prefixes are of the streams that are folded.
func prefixes() []string {
	return []string{aggregates.ChannelPrefix, aggregates.LocationPrefix, aggregates.PolicyPrefix}
}

// Run keeps the directory current until ctx ends, and returns nil then.
func (d *Directory) Run(ctx context.Context) error { return d.runner.Run(ctx) }

// Tables returns the directory as it is now.
func (d *Directory) Tables() *Tables { return d.tables.Load() }

// Channel returns a defined channel.
func (d *Directory) Channel(id string) (*Channel, bool) { return d.Tables().Channel(id) }

// Location returns what a defined location is.
func (d *Directory) Location(id string) (location.State, bool) {
	l, ok := d.Tables().Location(id)
	if !ok {
		return location.State{}, false
	}
	return l.State, true
}

// Channels lists the defined channels in bytewise order of id. Do not change the slice.
func (d *Directory) Channels() []*Channel { return d.Tables().Channels() }

// Locations lists the defined locations in bytewise order of id. Do not change the slice.
func (d *Directory) Locations() []*Location { return d.Tables().Locations() }

// Position is the store position up to which the directory is current.
func (d *Directory) Position() uint64 { return d.runner.Position() }

// WaitFor waits until the directory is current up to a position.
func (d *Directory) WaitFor(ctx context.Context, position uint64) error {
	return d.runner.WaitFor(ctx, position)
}

// WaitForEnd waits until the directory is current up to the store's end as of now.
func (d *Directory) WaitForEnd(ctx context.Context) error { return d.runner.WaitForEnd(ctx) }

// Status tells how far the directory has come.
func (d *Directory) Status(ctx context.Context) projections.Status { return d.runner.Status(ctx) }

// OnChange registers a listener. It is told of every change made from then on, in order, when the change is
// readable, from one goroutine that it must not hold up. After a failure of the read model, changes of one channel
// or location may be told as one.
func (d *Directory) OnChange(listener func(Change)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listeners = append(d.listeners, listener)
}

func (d *Directory) publish(t *Tables, changes []Change) {
	d.tables.Store(t)
	d.mu.Lock()
	listeners := d.listeners
	d.mu.Unlock()
	for _, c := range changes {
		for _, tell := range listeners {
			tell(c)
		}
	}
}
