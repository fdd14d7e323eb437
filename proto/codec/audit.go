package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/audit"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func toTreeHead(e *audit.TreeHeadRecorded) *pb.Event_TreeHeadRecorded {
	return &pb.Event_TreeHeadRecorded{TreeHeadRecorded: &pb.TreeHeadRecorded{
		TreeSize: e.Size, Position: e.Position, RootHash: e.Root[:], Note: e.Note}}
}

// fromTreeHead reads a head; nil when its root is no hash, so that a damaged one is not taken for a head.
func fromTreeHead(v *pb.TreeHeadRecorded) aggregates.Event {
	if len(v.RootHash) != len(audit.Hash{}) {
		return nil
	}
	return &audit.TreeHeadRecorded{Size: v.TreeSize, Position: v.Position, Root: audit.Hash(v.RootHash), Note: v.Note}
}

func toCondensed(e *audit.HistoryCondensed) *pb.Event_HistoryCondensed {
	v := &pb.HistoryCondensed{Before: toTimestamp(e.Before), Done: e.Done, Events: e.Events}
	if e.Done {
		v.Digest = e.Digest[:]
	}
	return &pb.Event_HistoryCondensed{HistoryCondensed: v}
}

// fromCondensed reads how far condensing had come; nil when its digest is none.
func fromCondensed(v *pb.HistoryCondensed) aggregates.Event {
	e := &audit.HistoryCondensed{Before: fromTimestamp(v.Before), Done: v.Done, Events: v.Events}
	if !v.Done {
		return e
	}
	if len(v.Digest) != len(audit.Hash{}) {
		return nil
	}
	e.Digest = audit.Hash(v.Digest)
	return e
}
