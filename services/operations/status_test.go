package operations

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
)

// away is a store, and a desk, that nobody reaches until whoever asks gives up.
type away struct{ Desk }

func (away) End(ctx context.Context) (uint64, error) {
	<-ctx.Done()
	return 0, errors.New("no store answers")
}

// A store that cannot be read is when people look at the status: it is told, with all that is known without the store, and soon.
func TestAStoreThatIsAwayIsInTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Store: away{}, Version: "v", Partitions: func() []ingest.PartitionStatus {
			return []ingest.PartitionStatus{{Topic: "sales", Next: 7}}
		}})
		began := time.Now()
		got, err := s.GetStatus(t.Context(), &pb.GetStatusRequest{})
		if err != nil || got.StoreError != "no store answers" || got.Version != "v" || len(got.Partitions) != 1 {
			t.Errorf("got %v, %v", got, err)
		}
		if took := time.Since(began); took != storePatience {
			t.Errorf("answered after %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := s.GetStatus(ctx, &pb.GetStatusRequest{}); err == nil {
			t.Errorf("got %v after the caller gave up", got)
		}
	})
}

func TestTheMessageLogIsInTheStatus(t *testing.T) {
	trouble := ""
	s := New(Config{
		Partitions: func() []ingest.PartitionStatus {
			return []ingest.PartitionStatus{{Topic: "sales", Partition: 3, Next: 7, End: 9, Error: "stuck"}}
		},
		Trouble: func() string { return trouble },
	})
	list := s.partitions()
	if len(list) != 1 || list[0].Topic != "sales" || list[0].Partition != 3 || list[0].NextOffset != 7 || list[0].EndOffset != 9 || list[0].Error != "stuck" {
		t.Errorf("got %v", list)
	}
	trouble = "no broker answers"
	if list = s.partitions(); len(list) != 2 || list[0].Error != trouble || list[0].Topic != logTopic {
		t.Errorf("got %v", list)
	}
}
