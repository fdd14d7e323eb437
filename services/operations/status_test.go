package operations

import (
	"testing"

	"github.com/stockfold/stockfold/services/ingest"
)

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
