package codec

import (
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// The contract's conditions start at 1, the domain's at 0; "unspecified" means sellable.
func toCondition(c stock.Condition) pb.Condition {
	return pb.Condition(c) + pb.Condition_CONDITION_SELLABLE
}

func fromCondition(c pb.Condition) stock.Condition {
	if c == pb.Condition_CONDITION_UNSPECIFIED {
		return stock.Sellable
	}
	return stock.Condition(c - pb.Condition_CONDITION_SELLABLE)
}

func toAbsorbed(a stock.AbsorbedBy) *pb.AbsorbedBy {
	if !a.Is() {
		return nil
	}
	return &pb.AbsorbedBy{Revision: a.Revision, AsOf: toTimestamp(a.AsOf)}
}

func fromAbsorbed(a *pb.AbsorbedBy) stock.AbsorbedBy {
	if a == nil {
		return stock.AbsorbedBy{}
	}
	return stock.AbsorbedBy{Revision: a.Revision, AsOf: fromTimestamp(a.AsOf)}
}

func toSplits(splits []stock.Split) []*pb.Split {
	if len(splits) == 0 {
		return nil
	}
	room := make([]pb.Split, len(splits))
	out := make([]*pb.Split, len(splits))
	for i, s := range splits {
		room[i].Location, room[i].Quantity, room[i].Backordered = s.Location, s.Quantity, s.Backordered
		out[i] = &room[i]
	}
	return out
}

func fromSplits(splits []*pb.Split) []stock.Split {
	if len(splits) == 0 {
		return nil
	}
	out := make([]stock.Split, len(splits))
	for i, s := range splits {
		out[i] = stock.Split{Location: s.Location, Quantity: s.Quantity, Backordered: s.Backordered}
	}
	return out
}

// reserved_at is left empty in the stored form when the units left from where they were reserved.
func toFulfilled(splits []stock.FulfilledSplit) []*pb.FulfilledSplit {
	out := make([]*pb.FulfilledSplit, len(splits))
	for i, s := range splits {
		out[i] = &pb.FulfilledSplit{Location: s.Location, Quantity: s.Quantity, AbsorbedBy: toAbsorbed(s.Absorbed),
			Backordered: s.Backordered}
		if s.ReservedAt != s.Location {
			out[i].ReservedAt = s.ReservedAt
		}
	}
	return out
}

func fromFulfilled(splits []*pb.FulfilledSplit) []stock.FulfilledSplit {
	out := make([]stock.FulfilledSplit, len(splits))
	for i, s := range splits {
		out[i] = stock.FulfilledSplit{Location: s.Location, ReservedAt: s.ReservedAt, Quantity: s.Quantity,
			Absorbed: fromAbsorbed(s.AbsorbedBy), Backordered: s.Backordered}
		if s.ReservedAt == "" {
			out[i].ReservedAt = s.Location
		}
	}
	return out
}
