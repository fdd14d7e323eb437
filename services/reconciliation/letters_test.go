package reconciliation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

const (
	deadLetter  = pb.DiscrepancyClass_DISCREPANCY_CLASS_DEAD_LETTER
	unexplained = pb.DiscrepancyClass_DISCREPANCY_CLASS_UNEXPLAINED
)

// unread has a message about milk come in that cannot be read as a fact.
func (s *shop) unread(at aggregates.Instant, key, data string) {
	s.Ingest(ingest.TopicMovements, 0, servicetest.Event(ingest.TypeMovement, "m-1", "till", "", key, at, data))
}

// startUnread is a shop whose clock stands at the as-of time.
func startUnread(t *testing.T) *shop {
	s := start(t)
	s.asOf = s.Now()
	return s
}

func TestADeadLetterThatCannotBeReadIsEvidenceAsFarAsItSays(t *testing.T) {
	for name, x := range map[string]struct {
		key, data string
		said      int64
		class     pb.DiscrepancyClass
		sure      pb.Confidence
		text      string
	}{
		"its amount fits": {"milk", `{"sku": "milk", "location": "berlin", "quantity": 3, "sold": {"till": 7}}`, 97, deadLetter,
			pb.Confidence_CONFIDENCE_LIKELY, "breaks rules"},
		"its amount does not":       {"milk", `{"sku": "milk", "location": "berlin", "quantity": 3, "sold": {"till": 7}}`, 96, unexplained, 0, ""},
		"it is of another location": {"milk", `{"sku": "milk", "location": "bonn", "quantity": -3, "sold": {}}`, 97, unexplained, 0, ""},
		"it is of another SKU":      {"milk", `{"sku": "tea", "location": "berlin", "quantity": -3, "sold": {}}`, 97, unexplained, 0, ""},
		"its amount breaks a rule": {"milk", `{"sku": "milk", "location": "berlin", "quantity": -3, "sold": {}}`, 97, deadLetter,
			pb.Confidence_CONFIDENCE_POSSIBLE, "cannot be read"},
		"it would have to be rounded": {"milk", `{"sku": "milk", "location": "berlin", "decimal": "2.5", "sold": {}}`, 97, deadLetter,
			pb.Confidence_CONFIDENCE_POSSIBLE, "TOO_MANY_DECIMALS"},
		"only its key can be read": {"milk", `<sale sku="milk"/>`, 97, deadLetter, pb.Confidence_CONFIDENCE_POSSIBLE, "its key names the SKU"},
		"nothing can be read":      {"", `<sale sku="milk"/>`, 97, unexplained, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := startUnread(t)
			s.unread(s.asOf.Add(-time.Minute), x.key, x.data)
			s.clock.Advance(time.Second)
			_, list := s.found(s.header("a"), milk(x.said))
			d := one(t, list, x.class)
			if x.class == unexplained {
				return
			}
			if e := d.Evidence[0]; e.Kind != "dead letter" || e.Confidence != x.sure || !strings.Contains(e.Text, x.text) {
				t.Errorf("got %v", e)
			}
		})
	}
}

// What cannot be read, and says no time, was told when it was sent.
func TestADeadLetterFromAfterTheAsOfTimeIsNoEvidence(t *testing.T) {
	s := startUnread(t)
	s.clock.Advance(time.Minute)
	s.unread(s.asOf.Add(time.Second), "milk", "<sale/>")
	_, list := s.found(s.header("a"), milk(97))
	one(t, list, unexplained)
}

// A count that is as of later covers what a letter tells of, whatever it is.
func TestADeadLetterThatACountCoversIsNoEvidence(t *testing.T) {
	for name, data := range map[string]string{"its amount fits": `{"sku": "milk", "location": "berlin", "quantity": 3, "sold": {"till": 7}}`, "not read": "<sale/>"} {
		s := startUnread(t)
		s.unread(s.asOf.Add(-2*time.Hour), "milk", data)
		s.clock.Advance(time.Second)
		_, list := s.found(s.header("a"), milk(97))
		if d := one(t, list, unexplained); len(d.Evidence) != 0 {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// While a dead letter may be why, nothing is corrected: applied later, it would count twice.
func TestWhatADeadLetterMayExplainIsNotCorrected(t *testing.T) {
	s := startUnread(t)
	s.own("erp")
	s.unread(s.asOf.Add(-time.Minute), "milk", "<sale/>")
	s.clock.Advance(time.Second)
	run, list := s.found(correcting(s.header("a"), 10, 100), milk(97))
	if d := one(t, list, deadLetter); d.Proposed != 0 || run.Totals.Corrected != 0 {
		t.Errorf("got %v, %v", d, run.Totals)
	}
}

// A clock that is ahead does not hide what it tells of.
func TestADeadLetterWithAClockAheadIsEvidence(t *testing.T) {
	s := startUnread(t)
	s.unread(s.asOf.Add(48*time.Hour), "milk", `{"sku": "milk", "location": "berlin", "quantity": 3, "sold": {}}`)
	s.clock.Advance(time.Second)
	_, list := s.found(s.header("a"), milk(97))
	if d := one(t, list, deadLetter); d.Evidence[0].Confidence != pb.Confidence_CONFIDENCE_LIKELY {
		t.Errorf("got %v", d)
	}
}

// What was missing before a count is covered by it, and explains nothing after it.
func TestAGapThatACountCoversIsNoEvidence(t *testing.T) {
	for name, class := range map[string]pb.DiscrepancyClass{"counted before": pb.DiscrepancyClass_DISCREPANCY_CLASS_SEQUENCE_GAP, "counted since": unexplained} {
		s := startUnread(t)
		at := s.asOf.Add(-time.Minute)
		s.Ingest(ingest.TopicMovements, 0, servicetest.Event(ingest.TypeMovement, "m-1", "till", "1", "milk", at, `{"sku": "milk", "location": "berlin", "quantity": 1, "sold": {}}`),
			servicetest.Event(ingest.TypeMovement, "m-3", "till", "3", "milk", at, `{"sku": "milk", "location": "berlin", "quantity": 1, "sold": {}}`))
		if class == unexplained {
			s.clock.Advance(time.Minute)
			s.Count("milk", 98)
		}
		s.clock.Advance(time.Minute)
		s.asOf = s.Now()
		s.clock.Advance(time.Minute)
		_, list := s.found(s.header("a"), milk(91))
		if d := one(t, list, class); d.Held != 98 {
			t.Errorf("%s: %v", name, d)
		}
	}
}
