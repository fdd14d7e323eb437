package availability

import "context"

// allSKUs is the source of a watcher of all SKUs: it reads the logs of changes, after the documents when the logs do not
// reach back far enough.
type allSKUs struct {
	*Watcher
	base     uint64            // place in the logs that it began at
	cursors  map[string]uint64 // by channel, where it is not at base any more
	seen     uint64            // the last change when it last read the logs
	restarts int               // of the hub; another number means that changes were missed
	scanning bool
	after    string // SKU that the scan has reached
	scanned  uint64 // token once the scan is done
}

func (s *allSKUs) start(after uint64) {
	s.restarts, s.cursors = s.hub.restarts, map[string]uint64{}
	switch {
	case after == FromNow:
		s.base = s.hub.seq
	case after >= s.hub.complete && s.hub.inForce():
		for channel, l := range s.hub.logs {
			s.cursors[channel] = l.dropped
		}
	default:
		s.scan()
	}
}

// scan starts to read all documents; what changes meanwhile is read from the logs after that.
func (s *allSKUs) scan() {
	s.restarts, s.base, s.scanned = s.hub.restarts, s.hub.seq, s.hub.token
	s.scanning, s.after = true, ""
	clear(s.cursors)
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
	return s.changes, s.readLogs(), nil
}

// scanChunk is how many documents are scanned at once, at most.
const scanChunk = 250

func (s *allSKUs) scanOn(ctx context.Context) error {
	p := s.hub.projection
	fits := maxChanges / max(1, len(p.prices().channels))
	documents, err := p.Scan(ctx, s.after, max(1, min(scanChunk, fits)))
	if err != nil {
		return err
	}
	if len(documents) == 0 {
		s.scanning, s.token = false, max(s.token, s.scanned)
		return nil
	}
	for _, d := range documents {
		if err := s.addDocument(ctx, d); err != nil {
			return err
		}
	}
	s.after = documents[len(documents)-1].SKU
	return nil
}

func (s *allSKUs) addDocument(ctx context.Context, d *Document) error {
	for i := range d.prices.channels {
		if s.channel != "" && s.channel != d.prices.channels[i].id {
			continue
		}
		a, err := s.hub.projection.answer(ctx, d.prices, d, d.SKU, i, nil)
		if err != nil {
			return err
		}
		if a.Position > s.token {
			s.changes = append(s.changes, a)
		}
	}
	return nil
}

// readLogs reads what changed since; false when that is not all in the logs any more, or more than fits.
func (s *allSKUs) readLogs() bool {
	h := s.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	if s.restarts != h.restarts || s.lost() {
		s.scan()
		return false
	}
	token, newer := h.tokenNow(), s.token
	for channel, l := range h.logs {
		if s.channel != "" && s.channel != channel {
			continue
		}
		var rest *change
		s.changes, s.cursors[channel], rest = l.read(s.cursor(channel), newer, s.changes)
		if rest != nil {
			token = min(token, rest.before)
		}
	}
	s.seen, s.token = h.seq, max(s.token, token)
	return len(s.changes) < maxChanges
}

func (s *allSKUs) cursor(channel string) uint64 {
	if c, ok := s.cursors[channel]; ok {
		return c
	}
	return s.base
}

// lost tells whether a log let go of changes that were not read.
func (s *allSKUs) lost() bool {
	for channel, l := range s.hub.logs {
		if (s.channel == "" || s.channel == channel) && s.cursor(channel) < l.dropped {
			return true
		}
	}
	return false
}
