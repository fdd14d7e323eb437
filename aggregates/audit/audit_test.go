package audit_test

import (
	"errors"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/audit"
)

func head(size int64, position uint64, root byte) audit.TreeHeadRecorded {
	return audit.TreeHeadRecorded{Size: size, Position: position, Root: audit.Hash{root}, Note: "n"}
}

func TestHeadsOnlyGrow(t *testing.T) {
	for name, c := range map[string]struct {
		before, after audit.TreeHeadRecorded
		recorded      int
		forked        bool
	}{
		"the first":                            {audit.TreeHeadRecorded{}, head(3, 3, 1), 1, false},
		"one that covers more":                 {head(3, 3, 1), head(4, 9, 2), 1, false},
		"the same once more":                   {head(3, 3, 1), head(3, 3, 1), 0, false},
		"one that is late":                     {head(3, 3, 1), head(2, 2, 7), 0, false},
		"as many, and others":                  {head(3, 3, 1), head(3, 3, 2), 0, true},
		"fewer, and later in the store":        {head(3, 3, 1), head(2, 8, 2), 0, true},
		"more, which end earlier in the store": {head(3, 3, 1), head(4, 3, 2), 0, true},
	} {
		s := &audit.State{}
		s.Evolve(&c.before, aggregates.Metadata{})
		events, err := audit.Record(s, c.after)
		var forked *audit.ForkedError
		if len(events) != c.recorded || errors.As(err, &forked) != c.forked || s.Head != c.before {
			t.Errorf("%s: %d events, %v", name, len(events), err)
		}
		for _, e := range events {
			if s.Evolve(e, aggregates.Metadata{}); s.Head != c.after || e.EventType() != audit.TypeTreeHeadRecorded {
				t.Errorf("%s: the head is %+v", name, s.Head)
			}
		}
	}
}

func TestHowFarCondensingHasComeIsRecordedOnce(t *testing.T) {
	s := &audit.State{}
	for _, c := range []audit.HistoryCondensed{{Before: 1}, {Before: 1, Done: true, Events: 3, Digest: audit.Hash{1}}, {Before: 2}} {
		for _, e := range audit.Condense(s, c) {
			s.Evolve(e, aggregates.Metadata{})
		}
		if s.Condensed != c || len(audit.Condense(s, c)) != 0 {
			t.Errorf("%+v is not recorded once: %+v", c, s.Condensed)
		}
	}
}
