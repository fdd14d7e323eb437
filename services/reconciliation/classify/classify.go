package classify

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
)

// MaxEvidence is how many pieces of evidence one discrepancy has at most.
const MaxEvidence = 20

// Fact is something that was recorded, or was to be.
type Fact struct {
	ID         string // of the event or of the dead letter
	What       string // event type, or reason of the dead letter
	Source     string
	Document   string
	OccurredAt aggregates.Instant
	RecordedAt aggregates.Instant
	Effect     int64 // on what lay there at the as-of time
	Queued     bool  // in the message log by the as-of time
	Origin     string
	Topic      string // where it came from; "" when not by a message log
	Partition  int32
	Offset     int64
	Glimpsed   bool // made out of a message that breaks rules
}

// Count is a count that is not in force at the as-of time.
type Count struct {
	Fact
	Counted int64
	Leads   int64 // to what would have lain there, had it been the last
}

// Gap is a run of messages that did not come.
type Gap struct {
	ID          string
	Source      string
	Key         string
	First, Last int64
	Missing     int64
}

// Shown is what a channel was given to show after a change, and when.
type Shown struct {
	Available  int64
	RecordedAt aggregates.Instant // of the change
	ID         string             // of its event
	Published  aggregates.Instant // 0 when it was not
	Trouble    string             // why it was not, when somebody said
}

// Delivered tells whether the channel had it by an instant.
func (s *Shown) Delivered(by aggregates.Instant) bool { return s.Published != 0 && s.Published <= by }

// Case is one place of which a source says something.
type Case struct {
	Source string
	AsOf   aggregates.Instant
	Said   int64
	Held   int64 // at the as-of time, by all that is known now
	Then   int64 // at the as-of time, by what was known then

	Late     []Fact   // occurred by the as-of time, recorded after it
	Letters  []Fact   // dead letters that are about the place, and occurred by then
	Unread   []Fact   // dead letters that may be about the place, and of which nobody can say what they change
	Twice    []Fact   // facts that tell again what another one told
	Observed []Fact   // what the source said that was not applied
	Counts   []Count  // not in force
	Gaps     []Gap    // in messages about the SKU
	Owners   []string // systems of record; none when every source is believed
	Shown    []Shown  // of a channel: what was available by the as-of time, the newest first
}

// Finding is why they differ.
type Finding struct {
	Class    reconciliation.Class
	Evidence []reconciliation.Evidence
}

// Differs tells whether there is anything to explain.
func (c *Case) Differs() bool { return c.Said != c.Held || c.Said != c.Then }

// Explain classifies a case that differs.
func Explain(c *Case) Finding {
	for _, rule := range []func(*Case) (Finding, bool){twice, late, letters, observed, counts, undelivered, ratio, unread, gaps, owners} {
		if f, ok := rule(c); ok {
			if more := len(f.Evidence) - MaxEvidence; more > 0 {
				f.Evidence = append(f.Evidence[:MaxEvidence-1], reconciliation.Evidence{Kind: "event", Text: fmt.Sprintf("and %d more", more+1)})
			}
			return f
		}
	}
	return Finding{Class: reconciliation.Unexplained}
}

// late explains by facts that occurred by the as-of time and were recorded after it.
func late(c *Case) (Finding, bool) {
	if c.Held == c.Then || c.Said != c.Held && c.Said != c.Then || len(c.Late) == 0 {
		return Finding{}, false
	}
	var queued, others int64
	for _, f := range c.Late {
		if f.Queued {
			queued += abs(f.Effect)
		} else {
			others += abs(f.Effect)
		}
	}
	f := Finding{Class: reconciliation.LateEvent}
	if queued > others {
		f.Class = reconciliation.QueuedEvent
	}
	for i := range c.Late {
		f.Evidence = append(f.Evidence, c.Late[i].evidence("event"))
	}
	return f, true
}

// letters explains by what is in the dead letters.
func letters(c *Case) (Finding, bool) {
	return made(c.Said-c.Held, c.Letters, reconciliation.DeadLetter, "dead letter")
}

// unread explains by dead letters about the place of which nobody can say what they change.
func unread(c *Case) (Finding, bool) {
	f := Finding{Class: reconciliation.DeadLetter}
	for i := range c.Unread {
		e := c.Unread[i].evidence("dead letter")
		e.Confidence = reconciliation.Possible
		f.Evidence = append(f.Evidence, e)
	}
	return f, len(f.Evidence) > 0
}

// twice explains by facts that were told again, and count twice in what is held.
func twice(c *Case) (Finding, bool) {
	return made(c.Held-c.Said, c.Twice, reconciliation.Duplicate, "event")
}

// observed explains by what the source said and nobody applied.
func observed(c *Case) (Finding, bool) {
	if len(c.Owners) == 0 || slices.Contains(c.Owners, c.Source) {
		return Finding{}, false
	}
	f, ok := made(c.Said-c.Held, c.Observed, reconciliation.NotOwner, "observation")
	if ok {
		e := c.owner()
		e.Confidence = reconciliation.Exact
		f.Evidence = append(f.Evidence, e)
	}
	return f, ok
}

// counts explains by a count that others outrank.
func counts(c *Case) (Finding, bool) {
	for i := range c.Counts {
		x := &c.Counts[i]
		if x.Leads != c.Said {
			continue
		}
		e := x.evidence("count")
		e.Units = c.Said - c.Held
		e.Text += fmt.Sprintf(": counted %d, which leads to %d by the as-of time", x.Counted, x.Leads)
		return Finding{Class: reconciliation.ConflictingCounts, Evidence: []reconciliation.Evidence{e}}, true
	}
	return Finding{}, false
}

// undelivered explains by changes that the channel was not told of by the as-of time.
func undelivered(c *Case) (Finding, bool) {
	var evidence []reconciliation.Evidence
	for i := range c.Shown {
		x := &c.Shown[i]
		if x.Available == c.Said && i > 0 {
			return Finding{Class: reconciliation.NotDelivered, Evidence: evidence}, true
		}
		if x.Delivered(c.AsOf) {
			return Finding{}, false // what is newer than this was not shown, what is older is over
		}
		evidence = append(evidence, x.evidence())
	}
	return Finding{}, false
}

// ratios are those of units that people mix up, beside powers of ten.
var ratios = []int64{6, 12, 24, 48, 144}

// minRatio is the smaller of two quantities from which on a ratio means something.
const minRatio = 3

// ratio explains by a unit or by decimals.
func ratio(c *Case) (Finding, bool) {
	small, large := c.Held, c.Said
	if abs(small) > abs(large) {
		small, large = large, small
	}
	if abs(small) < minRatio || large%small != 0 || large == small {
		return Finding{}, false
	}
	r := large / small
	ten := int64(10)
	for range 9 {
		if ten == r {
			return c.ratio(fmt.Sprintf("the quantities are as 1 to %d: decimals", r)), true
		}
		ten *= 10
	}
	if slices.Contains(ratios, r) {
		return c.ratio(fmt.Sprintf("the quantities are as 1 to %d: a pack or a case", r)), true
	}
	return Finding{}, false
}

func (c *Case) ratio(text string) Finding {
	return Finding{Class: reconciliation.UnitMistake, Evidence: []reconciliation.Evidence{{Kind: "ratio", Text: text, Units: c.Said - c.Held,
		Confidence: reconciliation.Likely}}}
}

// gaps explains by messages that are missing.
func gaps(c *Case) (Finding, bool) {
	f := Finding{Class: reconciliation.SequenceGap}
	for _, g := range c.Gaps {
		f.Evidence = append(f.Evidence, reconciliation.Evidence{Kind: "sequence gap", ID: g.ID, Confidence: reconciliation.Possible,
			Text: fmt.Sprintf("%d messages of %s with key %q are missing, numbers %d to %d", g.Missing, g.Source, g.Key, g.First, g.Last)})
	}
	return f, len(f.Evidence) > 0
}

// owners explains by who is believed.
func owners(c *Case) (Finding, bool) {
	if len(c.Owners) == 0 || slices.Contains(c.Owners, c.Source) {
		return Finding{}, false
	}
	return Finding{Class: reconciliation.NotOwner, Evidence: []reconciliation.Evidence{c.owner()}}, true
}

func (c *Case) owner() reconciliation.Evidence {
	return reconciliation.Evidence{Kind: "owner", Confidence: reconciliation.Possible, Text: fmt.Sprintf("%s is believed about what lies there, not %s", strings.Join(c.Owners, ", "), c.Source)}
}

// MaxSummed is of how many facts some are looked for that together make up a difference. Of more, it must be all or one.
const MaxSummed = 12

// made explains a difference by facts: the fewest that make it up.
func made(difference int64, facts []Fact, class reconciliation.Class, kind string) (Finding, bool) {
	if difference == 0 || len(facts) == 0 {
		return Finding{}, false
	}
	chosen := oneOrAll(difference, facts)
	if len(facts) <= MaxSummed {
		chosen = fewest(difference, facts)
	}
	f := Finding{Class: class}
	for _, i := range chosen {
		f.Evidence = append(f.Evidence, facts[i].evidence(kind))
	}
	return f, len(chosen) > 0
}

// fewest are the places of the fewest facts that add up to a difference, the first of such; none when no facts do.
func fewest(difference int64, facts []Fact) []int {
	best := uint(0)
	for set := uint(1); set < 1<<len(facts); set++ {
		if best != 0 && bits.OnesCount(set) >= bits.OnesCount(best) {
			continue
		}
		sum := int64(0)
		for i := range facts {
			if set&(1<<i) != 0 {
				sum += facts[i].Effect
			}
		}
		if sum == difference {
			best = set
		}
	}
	var chosen []int
	for i := range facts {
		if best&(1<<i) != 0 {
			chosen = append(chosen, i)
		}
	}
	return chosen
}

// oneOrAll are the places of one fact that is a difference, or else of all when they add up to it.
func oneOrAll(difference int64, facts []Fact) (chosen []int) {
	sum := int64(0)
	for i := range facts {
		if facts[i].Effect == difference {
			return []int{i}
		}
		sum += facts[i].Effect
		chosen = append(chosen, i)
	}
	if sum != difference {
		return nil
	}
	return chosen
}

func (f *Fact) evidence(kind string) reconciliation.Evidence {
	text := f.What
	if f.Source != "" {
		text += " of " + f.Source
	}
	if f.Document != "" {
		text += ", document " + f.Document
	}
	if f.OccurredAt != 0 {
		text += ", occurred " + clock(f.OccurredAt)
	}
	if f.RecordedAt != 0 {
		text += ", recorded " + clock(f.RecordedAt)
	}
	if f.Origin != "" {
		text += ", " + f.Origin
	}
	e := reconciliation.Evidence{Kind: kind, ID: f.ID, Text: text, Units: f.Effect, Confidence: reconciliation.Exact}
	if f.Glimpsed {
		e.Confidence = reconciliation.Likely
	}
	return e
}

func (s *Shown) evidence() reconciliation.Evidence {
	text := fmt.Sprintf("a change at %s made %d available, ", clock(s.RecordedAt), s.Available)
	switch {
	case s.Published != 0:
		text += "and was published at " + clock(s.Published)
	case s.Trouble != "":
		text += "and is not published: " + s.Trouble
	default:
		text += "and is not published"
	}
	return reconciliation.Evidence{Kind: "publication", ID: s.ID, Text: text, Confidence: reconciliation.Exact}
}

func clock(i aggregates.Instant) string { return i.Time().Format("2006-01-02T15:04:05.999999Z07:00") }

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}
