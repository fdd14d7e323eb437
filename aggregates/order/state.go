package order

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// phase is how far an order's promise has come. The zero value is that of an order that nobody has placed yet.
type phase uint8

const (
	awaited phase = iota
	receiving
	reserved
	confirmed
	rejected
)

// State is what decisions about an order are made on: a fold of its stream. The zero value is the initial state.
type State struct {
	Version uint64 // number of events folded

	phase     phase
	channel   string
	sold      bool
	partial   bool
	confirm   bool
	expiresAt aggregates.Instant
	cancelled uint64 // lines of a version not above cancelled-1 are ended; 0: none is
	reason    string // of the cancellation
	placed    uint64 // fingerprint of what was asked for
	short     []Shortage
	oversold  []Oversold
	latest    aggregates.Instant

	lines   []line
	lineAt  map[lineKey]int
	groups  []group
	groupAt map[groupKey]int
	holds   int    // ids given to holds
	facts   int    // events but those of the process
	settled uint64 // the SKUs were told everything up to this version
	asked   uint64 // version of the last event that may ask something of them
	todo    []Physical
	retired []Withdrawal
	seen    map[string]uint64 // fingerprints by key
	kits    map[string]*KitExploded

	placedAt    aggregates.Instant
	placedUntil aggregates.Instant
}

type lineKey struct{ id, sku string }

// line is what is known of one.
type line struct {
	Line                       // Quantity is what is ordered
	version             uint64 // of Quantity
	refused             uint64 // lines of a version not above refused-1 could not be promised
	cut, fulfilled      int64
	delivered, returned int64
	inspected           int64
	named               bool // a message said what is ordered of it
	group               int
	parts               []portion // of a kit's line, instead of a group
}

// groupKey names what is promised by one reservation: units of one SKU that come from the same place and get to the customer in the same way, or
// take over the same hold, which has a way of its own.
type groupKey struct{ sku, location, method, takesOver string }

func keyOf(l *line, sku, takesOver string) groupKey {
	k := groupKey{sku: sku, location: l.Location, method: l.Method, takesOver: takesOver}
	if takesOver != "" {
		k.method = ""
	}
	return k
}

// group is the lines that share a reservation.
type group struct {
	groupKey
	hold   string // suffix of the reservation's id; "" for the hold taken over
	live   bool   // something is wanted under that id
	taken  bool   // the hold that is taken over was used up, or lost
	wanted int64
	dirty  uint64 // version of the last event that changed what is wanted; 0 once the SKU was told
}

// Evolve folds the event that comes next in the stream.
func (s *State) Evolve(e aggregates.Event, m aggregates.Metadata) {
	s.Version++
	s.latest = max(s.latest, m.RecordedAt)
	s.remember(e, &m)
	if Asks(e) {
		s.asked = s.Version
	}
	switch e := e.(type) {
	case *Received:
		s.receive(e, &m)
	case *Reserved:
		s.phase = reserved
		s.refuse(e.Short)
		s.refresh()
		s.clear(e.Version)
		return
	case *Rejected:
		s.phase = rejected
		s.refuse(e.Short)
	case *Confirmed:
		s.phase, s.expiresAt = confirmed, 0
		s.touch()
	case *Extended:
		s.expiresAt = e.ExpiresAt
		s.touch()
	case *Cancelled:
		s.cancelled, s.reason = upTo(e.OrderVersion), e.Reason
	case *LineChanged:
		s.change(e)
	case *Settled:
		s.clear(e.Version)
		return
	case *Oversold:
		s.oversold = append(s.oversold, *e)
		return
	case *HoldLost:
		s.lose(e)
	case *KitExploded:
		s.explode(e)
	default:
		s.evolveUnits(e, &m)
	}
	s.refresh()
}

// Asks tells whether an event may ask something of the SKUs: until Settled says that they were told, the order is pending.
func Asks(e aggregates.Event) bool {
	switch e.(type) {
	case *Reserved, *Settled, *Oversold, *Closed, *LineDelivered, *Observed:
		return false
	}
	return true
}

// upTo is one more than the highest version that a cancellation of a version ends.
func upTo(version uint64) uint64 {
	if version == 0 {
		return math.MaxUint64
	}
	return version + 1
}

// evolveUnits folds what happened to units.
func (s *State) evolveUnits(e aggregates.Event, m *aggregates.Metadata) {
	switch e := e.(type) {
	case *LineCut:
		s.line(e.Line, e.SKU).cut += e.Quantity
	case *LineFulfilled:
		l := s.line(e.Line, e.SKU)
		l.fulfilled += e.Quantity
		s.physical(m, stock.KindSold, &e.Part, e.Location, Physical{Hold: s.holdOf(l), Channel: s.channel, Document: e.Shipment})
	case *LineDelivered:
		s.line(e.Line, e.SKU).delivered += e.Quantity
	case *LineReturned:
		l := s.line(e.Line, e.SKU)
		l.returned += e.Quantity
		s.physical(m, stock.KindReturned, &e.Part, e.Location,
			Physical{Channel: s.channel, Condition: e.Condition, Document: e.ReturnID, Reason: e.Reason})
	case *Inspected:
		s.line(e.Line, e.SKU).inspected += e.Quantity
		s.physical(m, stock.KindConditionChanged, &e.Part, e.Location,
			Physical{Condition: stock.Inspection, To: e.Condition, Document: e.ReturnID, Reason: "inspected"})
	}
}

// physical puts a physical fact into the plan.
func (s *State) physical(m *aggregates.Metadata, kind stock.Kind, p *Part, location string, x Physical) {
	x.Version, x.Kind, x.SKU, x.Line, x.Quantity, x.Location = s.Version, kind, p.SKU, p.Line, p.Quantity, location
	x.OccurredAt, x.Source = m.OccurredAt, m.Source
	if s.kits[x.SKU] != nil {
		s.todo = append(s.todo, s.partsOf(x)...)
		return
	}
	s.todo = append(s.todo, x)
}

func (s *State) receive(e *Received, m *aggregates.Metadata) {
	s.phase, s.channel, s.sold, s.partial, s.confirm = receiving, e.Channel, e.Sold, e.Partial, e.Confirm
	s.placed, s.expiresAt, s.placedAt, s.placedUntil = m.Fingerprint, e.ExpiresAt, m.RecordedAt, e.ExpiresAt
	if e.Sold {
		s.phase, s.expiresAt = confirmed, 0
	}
	for _, x := range e.Lines {
		l := s.line(x.ID, x.SKU)
		location, method := l.Location, l.Method
		if l.version == 0 {
			l.Quantity, location, method = x.Quantity, x.Location, x.Method
		}
		l.named, l.ReservationID, l.Location, l.Method = true, x.ReservationID, location, method
		s.join(l)
	}
}

func (s *State) change(e *LineChanged) {
	l := s.line(e.ID, e.SKU)
	l.named, l.version, l.Quantity = true, e.OrderVersion, e.Quantity
	if e.Location != "" {
		l.Location = e.Location
	}
	if e.Method != "" {
		l.Method = e.Method
	}
	s.join(l)
}

// line returns a line, new when it was not mentioned before. It is valid until the next one is made.
func (s *State) line(id, sku string) *line {
	k := lineKey{id, sku}
	if i, ok := s.lineAt[k]; ok {
		return &s.lines[i]
	}
	if s.lineAt == nil {
		s.lineAt = make(map[lineKey]int)
	}
	s.lineAt[k] = len(s.lines)
	s.lines = append(s.lines, line{Line: Line{ID: id, SKU: sku}, group: -1})
	return &s.lines[len(s.lines)-1]
}

// join puts a line into the group that shares its reservation.
func (s *State) join(l *line) {
	if kit := s.kits[l.SKU]; kit != nil {
		s.joinParts(l, kit)
		return
	}
	l.group = s.groupOf(keyOf(l, l.SKU, l.ReservationID))
}

// groupOf returns the place of a group, new when there is none yet.
func (s *State) groupOf(k groupKey) int {
	i, ok := s.groupAt[k]
	if !ok {
		if s.groupAt == nil {
			s.groupAt = make(map[groupKey]int)
		}
		i = len(s.groups)
		s.groupAt[k] = i
		s.groups = append(s.groups, group{groupKey: k})
	}
	return i
}

// open is how many units of a line are still to be sent.
func (s *State) open(l *line) int64 {
	switch {
	case s.phase == awaited, s.phase == rejected, l.version < s.cancelled, l.version < l.refused:
		return 0
	}
	return max(0, l.Quantity-l.cut-l.fulfilled)
}

// refuse notes the lines that could not be promised.
func (s *State) refuse(short []Shortage) {
	s.short = short
	for _, x := range short {
		l := s.line(x.Line, x.SKU)
		l.refused = l.version + 1
	}
}

// refresh finds what is wanted of each reservation. An id under which nothing is wanted any more is given up, for good.
func (s *State) refresh() {
	wanted := make([]int64, len(s.groups))
	for i := range s.lines {
		if l := &s.lines[i]; l.group >= 0 {
			wanted[l.group] += s.open(l)
		} else if open := s.open(l); open > 0 {
			for _, x := range l.parts {
				wanted[x.group] += times(open, x.Quantity)
			}
		}
	}
	for i, now := range wanted {
		g := &s.groups[i]
		if now == g.wanted {
			continue
		}
		g.wanted, g.dirty = now, s.Version
		switch {
		case now == 0:
			s.retire(g)
		case !g.live:
			s.name(g)
		}
	}
}

// name gives a group an id for its reservation.
func (s *State) name(g *group) {
	g.live, g.hold = true, ""
	if g.takesOver == "" || g.taken {
		s.holds++
		g.hold = "#" + strconv.Itoa(s.holds)
	}
}

// retire gives up a group's id.
func (s *State) retire(g *group) {
	s.retired = append(s.retired, Withdrawal{Version: s.Version, SKU: g.sku, Hold: s.holdOfGroup(g)})
	g.live, g.taken, g.dirty = false, true, 0
}

// lose gives a group another id for its reservation.
func (s *State) lose(e *HoldLost) {
	for i := range s.groups {
		g := &s.groups[i]
		if g.sku == e.SKU && g.live && s.holdOfGroup(g).named(e.ReservationID) {
			g.taken = true
			s.name(g)
			g.dirty = s.Version
		}
	}
}

// touch has every SKU told again what is wanted: for how long has changed.
func (s *State) touch() {
	for i := range s.groups {
		if s.groups[i].wanted > 0 {
			s.groups[i].dirty = s.Version
		}
	}
}

// clear drops from the plan what the SKUs were told.
func (s *State) clear(version uint64) {
	s.settled = max(s.settled, version)
	for i := range s.groups {
		if s.groups[i].dirty <= version {
			s.groups[i].dirty = 0
		}
	}
	todo := s.todo[:0:0]
	for _, x := range s.todo {
		if x.Version > version {
			todo = append(todo, x)
		}
	}
	retired := s.retired[:0:0]
	for _, x := range s.retired {
		if x.Version > version {
			retired = append(retired, x)
		}
	}
	s.todo, s.retired = todo, retired
}

// remember keeps the key of what came from outside.
func (s *State) remember(e aggregates.Event, m *aggregates.Metadata) {
	switch e.(type) {
	case *Reserved, *Rejected, *Settled, *Oversold, *HoldLost, *KitExploded, *Closed:
		return
	}
	s.facts++
	if s.seen == nil {
		s.seen = make(map[string]uint64)
	}
	s.seen[m.IdempotencyKey] = m.Fingerprint
}

// What parts of a state cost in memory, about, in bytes.
const (
	sizeState = int(unsafe.Sizeof(State{}))
	sizeLine  = int(unsafe.Sizeof(line{})) + int(unsafe.Sizeof(group{})) + 200
	sizeSeen  = 100
	sizeTodo  = int(unsafe.Sizeof(Physical{})) + 100
	sizeKit   = stock.MaxComponents * (int(unsafe.Sizeof(portion{})) + 40)
)

// Size is about how many bytes of memory the state takes.
func (s *State) Size() int {
	return sizeState + len(s.lines)*sizeLine + len(s.seen)*sizeSeen + len(s.todo)*sizeTodo + len(s.kits)*sizeKit
}

// Latest is the latest time at which an event was recorded.
func (s *State) Latest() aggregates.Instant { return s.latest }
