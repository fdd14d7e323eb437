package availability

import (
	"context"

	"google.golang.org/protobuf/encoding/protowire"
)

// survey is one look through all documents.
type survey struct {
	turn  chan struct{} // has a place for whoever looks
	after string        // SKU that was reached
	done  bool
}

// Surveyor is a ReadModel that passes over quiet documents without reading them. ScanLoud returns up to limit others of the SKUs after a SKU, in bytewise
// order, and the SKU that it reached, "" at the end.
type Surveyor interface {
	ScanLoud(ctx context.Context, after string, limit int) (list []*Document, reached string, err error)
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
		reached, err := p.surveyFrom(ctx, s.after)
		if err != nil {
			return err
		}
		s.after, s.done = reached, reached == ""
	}
	return nil
}

// surveyFrom looks through the next documents after a SKU, and returns the SKU that it reached, "" at the end.
func (p *Projection) surveyFrom(ctx context.Context, after string) (reached string, err error) {
	loud, ok := p.model.(Surveyor)
	if ok {
		_, err := p.scan(after, func() (list []*Document, err error) {
			list, reached, err = loud.ScanLoud(ctx, after, MaxScan)
			return list, err
		})
		return reached, err
	}
	found, err := p.Scan(ctx, after, MaxScan)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[len(found)-1].SKU, nil
}

// Fields of a stored document that make it one to know of.
const (
	fieldBalances = 5 // of AvailabilityDocument
	fieldRules    = 8
	fieldReserved = 3 // of BalanceDocument
	fieldIncoming = 20
)

// Quiet tells of a document in its stored form, without making it one, that a survey has no use for it: its SKU has no rules of its own, nothing of it is
// promised, and nothing is to come. It is false for bytes that are none.
func Quiet(stored []byte) bool {
	return each(stored, func(number protowire.Number, value []byte) bool {
		switch number {
		case fieldRules:
			return false
		case fieldBalances:
			balance, n := protowire.ConsumeBytes(value)
			return n >= 0 && each(balance, quietBalance)
		}
		return true
	})
}

func quietBalance(number protowire.Number, value []byte) bool {
	switch number {
	case fieldReserved:
		reserved, n := protowire.ConsumeVarint(value)
		return n >= 0 && reserved == 0
	case fieldIncoming:
		return false
	}
	return true
}

// each calls f with the fields of a message until it returns false. It returns false then, and when the bytes are no message.
func each(b []byte, f func(number protowire.Number, value []byte) bool) bool {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 || !f(number, b[n:n+size]) {
			return false
		}
		b = b[n+size:]
	}
	return true
}
