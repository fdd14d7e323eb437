package availability_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stockfold/stockfold/projections/availability"
)

// countedScans counts the documents that are scanned, and fails the second scan.
type countedScans struct {
	availability.ReadModel
	scans, documents atomic.Int64
}

func (c *countedScans) Scan(ctx context.Context, after string, limit int) ([]*availability.Document, error) {
	if limit != availability.MaxScan { // the pass over documents of a new policy
		return c.ReadModel.Scan(ctx, after, limit)
	}
	if c.scans.Add(1) == 2 {
		return nil, errors.New("the disk is slow")
	}
	list, err := c.ReadModel.Scan(ctx, after, limit)
	c.documents.Add(int64(len(list)))
	return list, err
}

// However many processes want to know of all SKUs, and whatever comes between, the documents are read once.
func TestASurveyReadsEachDocumentOnce(t *testing.T) {
	s, model := prepare(t), &countedScans{}
	s.wrap = func(m availability.ReadModel) availability.ReadModel { model.ReadModel = m; return model }
	s.run()
	s.Location(t, "berlin")
	s.Channel(t, "web", 0, "berlin")
	const skus = availability.MaxScan + 7
	for i := range skus {
		s.SKU(t, fmt.Sprint(i), received("berlin", 1))
	}
	s.seen()
	if err := s.Survey(t.Context()); !errors.Is(err, availability.ErrUnreadable) {
		t.Fatalf("the second scan failed, and the survey with %v", err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := s.Survey(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := model.documents.Load(); n != skus {
		t.Errorf("%d documents were read of %d", n, skus)
	}
}
