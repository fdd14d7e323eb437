package availability

import (
	"context"
	"maps"
)

// allSKUs is the source of a watcher of all SKUs: it reads the logs of changes, after the documents when the logs do not
// reach back far enough.
type allSKUs struct {
	*Watcher
	place    uint64            // in the logs
	further  map[string]uint64 // by channel, where it is further in its log
	logs     logReaders
	seen     uint64 // the last change when it last read the logs
	restarts int    // of the hub; another number means that changes were missed
	scanning bool
	after    string // SKU that the scan has reached
	scanned  uint64 // token once the scan is done
	ahead    uint64 // up to here values were read from documents that the logs may not have had yet
}

func (s *allSKUs) start(after uint64) {
	s.restarts, s.further = s.hub.restarts, map[string]uint64{}
	switch {
	case after == FromNow:
		s.place = s.hub.seq
	case after >= s.hub.complete && s.hub.inForce():
		s.readWhole()
	default:
		s.scan()
	}
}

// scan starts to read all documents; what changes meanwhile is read from the logs after that.
func (s *allSKUs) scan() {
	s.restarts, s.place, s.scanned = s.hub.restarts, s.hub.seq, s.hub.token
	s.scanning, s.after = true, ""
	clear(s.further)
}

// readWhole goes to the beginning of the logs.
func (s *allSKUs) readWhole() {
	s.place = 0
	for channel, l := range s.hub.logs {
		s.further[channel] = l.dropped
	}
}

func (s *allSKUs) mark(int) {}

func (s *allSKUs) ready() bool { return s.scanning || !s.hub.await(s.Watcher, s.seen, s.restarts) }

func (s *allSKUs) take(ctx context.Context) ([]Availability, bool, error) {
	s.changes = s.changes[:0]
	for s.scanning && len(s.changes) == 0 {
		if err := s.scanOn(ctx); err != nil {
			return nil, false, err
		}
	}
	if len(s.changes) > 0 {
		return s.changes, false, nil
	}
	before := s.token
	caughtUp, early := s.readLogs()
	if early {
		if err := s.readAgain(ctx); err != nil {
			s.scanAgain(before)
			return nil, false, err
		}
	}
	return s.changes, caughtUp, nil
}

// readAgain replaces what the logs gave by what the documents say: a document may be stored and not published yet, or be read under policies that the pass over all
// documents has not brought to the logs, so the scan may have handed out values that are newer than theirs. A document read later is never older.
func (s *allSKUs) readAgain(ctx context.Context) error {
	p := s.hub.projection
	prices, token := p.prices(), s.hub.tokenSafe()
	for n := range s.changes {
		a := &s.changes[n]
		i, known := prices.find(a.Channel)
		if !known {
			continue
		}
		d, err := p.document(ctx, a.SKU)
		if err != nil {
			return err
		}
		if *a, err = p.answer(ctx, prices, d, a.SKU, i, nil); err != nil {
			return err
		}
		s.note(a, token)
	}
	return nil
}

// note keeps how far values are ahead of what the logs have, which is everything up to a token.
func (s *allSKUs) note(a *Availability, token uint64) {
	if a.Position > token {
		s.ahead = max(s.ahead, a.Position)
	}
}

// scanAgain goes back to the documents, after a token.
func (s *allSKUs) scanAgain(after uint64) {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	s.changes, s.token = s.changes[:0], after
	s.scan()
}

// scanChunk is how many documents are scanned at once, at most.
const scanChunk = 250

func (s *allSKUs) scanOn(ctx context.Context) error {
	p := s.hub.projection
	fits := maxChanges / max(1, len(p.prices().channels))
	token := s.hub.tokenSafe()
	documents, err := p.Scan(ctx, s.after, max(1, min(scanChunk, fits)))
	if err != nil {
		return err
	}
	if len(documents) == 0 {
		s.scanning, s.token = false, max(s.token, s.scanned)
		return nil
	}
	for _, d := range documents {
		if err := s.addDocument(ctx, d, token); err != nil {
			return err
		}
	}
	s.after = documents[len(documents)-1].SKU
	return nil
}

func (s *allSKUs) addDocument(ctx context.Context, d *Document, token uint64) error {
	for i := range d.prices.channels {
		if s.channel != "" && s.channel != d.prices.channels[i].id {
			continue
		}
		a, err := s.hub.projection.answer(ctx, d.prices, d, d.SKU, i, nil)
		if err != nil {
			return err
		}
		if a.Position > s.token {
			s.note(&a, token)
			s.changes = append(s.changes, a)
		}
	}
	return nil
}

// readLogs reads what changed since; caughtUp is false when that is not all in the logs any more, or more than fits, and early tells that it may be older than what
// was handed out.
func (s *allSKUs) readLogs() (caughtUp, early bool) {
	h := s.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	if s.restarts != h.restarts {
		s.scan()
		s.readWhole() // what was mended since is not found in the documents by its position
		return false, false
	}
	if s.lost() {
		s.scan()
		return false, false
	}
	token := h.tokenNow()
	if rest := s.readOn(); rest != nil {
		token = min(token, rest.before)
	}
	s.seen, s.token = h.seq, max(s.token, token)
	return len(s.changes) < maxChanges, s.ahead > h.token
}

// readOn reads from the logs as much as fits, in the order of publication, and returns the first change after that.
func (s *allSKUs) readOn() (rest *change) {
	s.logs = s.logs[:0]
	for channel, l := range s.hub.logs {
		if s.channel == "" || s.channel == channel {
			s.logs.begin(l, s.cursor(channel))
		}
	}
	s.changes, s.place, rest = s.logs.read(s.place, s.token, s.changes)
	maps.DeleteFunc(s.further, func(_ string, place uint64) bool { return place <= s.place })
	clear(s.logs[:cap(s.logs)])
	return rest
}

func (s *allSKUs) cursor(channel string) uint64 { return max(s.place, s.further[channel]) }

// lost tells whether a log let go of changes that were not read.
func (s *allSKUs) lost() bool {
	for channel, l := range s.hub.logs {
		if (s.channel == "" || s.channel == channel) && s.cursor(channel) < l.dropped {
			return true
		}
	}
	return false
}
