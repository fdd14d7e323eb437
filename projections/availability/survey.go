package availability

import "context"

// survey is one look through all documents.
type survey struct {
	turn  chan struct{} // has a place for whoever looks
	after string        // SKU that was reached
	done  bool
}

// Survey looks through the documents, once in the life of a projection: reading one notes when its rules begin or end and whether promises are at risk, so that
// these are known of SKUs as well that have not changed since this process began. Whoever asks while another one looks waits for that; after an error the
// next one goes on where it came to. It returns ErrUnreadable, or the cause of ctx's end.
func (p *Projection) Survey(ctx context.Context) error {
	s := &p.survey
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for !s.done {
		found, err := p.Scan(ctx, s.after, MaxScan)
		if err != nil {
			return err
		}
		if s.done = len(found) == 0; !s.done {
			s.after = found[len(found)-1].SKU
		}
	}
	return nil
}
