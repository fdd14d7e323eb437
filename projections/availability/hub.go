package availability

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/stockfold/stockfold/projections"
)

// Bounds of watching.
const (
	MaxWatchers    = 20_000  // at once
	MaxWatchedSKUs = 1_000   // by one watcher that names them
	maxChanges     = 1_000   // handed out at once
	maxLogged      = 1 << 17 // changes kept in memory to resume from, over all channels
	minLogged      = 1 << 10 // of one channel, however many channels there are
)

// DefaultHeartbeat is after how long an idle watcher hears of its position, when the configuration does not say.
const DefaultHeartbeat = 10 * time.Second

// Where a watch starts, other than at the position of an earlier one.
const (
	FromStart uint64 = 0              // the current values come first
	FromNow   uint64 = math.MaxUint64 // only what changes from now on
)

// ErrTooManyWatchers says that MaxWatchers watch already; try again later.
var ErrTooManyWatchers = errors.New("too many watchers")

// hub hands changes of published documents to watchers. It has one log of changes per channel, which watchers of all
// SKUs read at their own pace, and an index of the SKUs that other watchers named; a change costs only those whom it
// concerns.
//
// Its token is a position: every value up to it was handed to the log and to those who watch single SKUs. A value
// of a policy change has that change's position, but comes as late as the pass over all documents does; so the token
// stays before a policy change until the pass is done.
type hub struct {
	projection *Projection
	heartbeat  time.Duration
	keep       int // changes kept in all logs together

	mu       sync.RWMutex
	seq      uint64 // of the last change
	token    uint64
	through  uint64                // everything up to here is published, but for policies
	settled  uint64                // policies up to here are in every document
	policy   uint64                // their version
	complete uint64                // every value after this position is in the logs
	logs     map[string]*changeLog // by channel
	logged   loggedSKUs            // in all of them
	changing int                   // logs that have changes
	waiting  waiting               // for any channel
	watched  map[string][]subject  // by SKU
	watchers int                   // now
	entered  uint64                // watchers so far
	restarts int                   // the logs were emptied so often
}

// subject is a SKU that a watcher named.
type subject struct {
	*Watcher
	index int // in its list
}

func newHub(p *Projection, heartbeat time.Duration) *hub {
	return &hub{projection: p, heartbeat: heartbeat, keep: maxLogged, complete: math.MaxUint64, logs: map[string]*changeLog{}, logged: loggedSKUs{},
		waiting: waiting{}, watched: map[string][]subject{}}
}

// restart empties the logs: values may have been written and not published. Watchers go back to the documents.
func (h *hub) restart(p projections.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.logs {
		l.waiting.wake()
	}
	h.waiting.wake()
	clear(h.logs)
	clear(h.logged)
	h.changing = 0
	h.restarts++
	h.through, h.policy, h.settled, h.token = p.Position, p.Own, p.Own, 0
	h.complete = max(p.Position, h.projection.dir.Tables().Version())
	h.settle()
	for _, subjects := range h.watched {
		for _, s := range subjects {
			s.mark(s.index)
		}
	}
}

// publish hands out what changed in documents that are readable by now, and in kits that they are components of.
func (h *hub) publish(c *pending, through uint64, kits []Availability) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, drafts := range c.drafts {
		for _, d := range drafts {
			if d.Balances.AsKit() == nil {
				h.publishDocument(d)
			}
		}
	}
	mended := slices.ContainsFunc(c.bundled, func(d draft) bool { return d.mends })
	for _, a := range kits {
		h.tell(a, mended)
	}
	h.through, h.policy = through, c.policy
	h.settle()
}

func (h *hub) publishDocument(d draft) {
	plain := d.before != nil && d.before.plainOffers() && d.plainOffers()
	kit := d.before != nil && d.before.Balances.AsKit() != nil // and is no more
	var to telling
	for i := range d.values {
		if !kit && !d.changed(i, plain) {
			continue
		}
		if to.of == nil {
			to = h.telling(d.SKU)
		}
		to.tell(change{Availability: d.prices.availability(d.Document, d.SKU, i, nil), mended: d.mends})
	}
}

// tell hands out one value; one that is mended to those as well who had another one of its position.
func (h *hub) tell(a Availability, mended bool) {
	to := h.telling(a.SKU)
	to.tell(change{Availability: a, mended: mended})
}

// telling hands out values of one SKU.
type telling struct {
	*hub
	of       *logged
	subjects []subject
}

func (h *hub) telling(sku string) telling { return telling{h, h.logged.get(sku), h.watched[sku]} }

func (t *telling) tell(c change) {
	l := t.log(c.Channel)
	if len(l.entries) == 0 {
		t.changing++
	}
	t.seq++
	c.seq, c.before, c.of = t.seq, t.token, t.of
	limit := max(min(minLogged, t.keep), t.keep/t.changing)
	t.complete = max(t.complete, l.add(&c, limit))
	l.waiting.wake()
	t.waiting.wake()
	for _, s := range t.subjects {
		if s.channel == "" || s.channel == c.Channel {
			s.mark(s.index)
		}
	}
}

// log returns the log of a channel.
func (h *hub) log(channel string) *changeLog {
	l := h.logs[channel]
	if l == nil {
		l = &changeLog{number: len(h.logs), skus: h.logged, waiting: waiting{}}
		h.logs[channel] = l
	}
	return l
}

// changed tells whether the i-th channel's value differs from the document before, or from what readers may have been shown
// since: when the channel's policy changed more than once before the pass came here, values in between were computed as
// they were read. plain tells whether offers of both documents follow from their values.
func (d *draft) changed(i int, plain bool) bool {
	if d.before == nil || d.before.Balances.Item.Decimals != d.Balances.Item.Decimals {
		return true
	}
	if d.before.prices == d.prices {
		return d.before.values[i] != d.values[i] || !d.sameOffer(i, i, plain)
	}
	was, is := d.before.prices, d.prices
	j, ok := was.find(is.channels[i].id)
	if !ok || d.before.values[j] != d.values[i] || !d.sameOffer(j, i, plain) {
		return true
	}
	return was.version != is.previous && was.channels[j].position != is.channels[i].position
}

// settle moves the token on.
func (h *hub) settle() {
	h.settled = h.settledNow()
	h.token = h.tokenNow()
}

// tokenNow is the token under what the directory of policies knows now.
func (h *hub) tokenNow() uint64 { return max(h.token, min(h.through, h.settledNow())) }

// tokenSafe is the token, for those who have not locked the hub.
func (h *hub) tokenSafe() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.token
}

// settledNow reads the directory's position before its tables, so that these are not older.
func (h *hub) settledNow() uint64 {
	current := h.projection.dir.Position()
	if h.inForce() {
		return max(h.settled, current)
	}
	return h.settled
}

// inForce tells whether every document includes the policies in force.
func (h *hub) inForce() bool { return h.projection.dir.Tables().Version() == h.policy }

// enter registers a watcher and sets it to where it starts.
func (h *hub) enter(w *Watcher, after uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers >= MaxWatchers {
		return fmt.Errorf("%w: %d are there", ErrTooManyWatchers, h.watchers)
	}
	h.watchers++
	h.entered++
	w.number = h.entered
	for i, sku := range w.skus {
		h.watched[sku] = append(h.watched[sku], subject{w, i})
	}
	h.settle()
	w.start(after)
	return nil
}

// await has the watcher woken by the next change of its channel, unless there is one already that it has not seen.
func (h *hub) await(w *Watcher, seen uint64, restarts int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seq != seen || h.restarts != restarts {
		return false
	}
	if w.channel == "" {
		h.waiting[w] = struct{}{}
	} else {
		h.log(w.channel).waiting[w] = struct{}{}
	}
	return true
}

// leave forgets a watcher.
func (h *hub) leave(w *Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers--
	delete(h.waiting, w)
	if l := h.logs[w.channel]; l != nil {
		delete(l.waiting, w)
	}
	for _, sku := range w.skus {
		h.removeSubject(sku, w)
	}
}

// removeSubject takes a watcher out of those of a SKU, who are in order of their numbers.
func (h *hub) removeSubject(sku string, w *Watcher) {
	list := h.watched[sku]
	i := sort.Search(len(list), func(i int) bool { return list[i].number >= w.number })
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(h.watched, sku)
		return
	}
	h.watched[sku] = list
}
