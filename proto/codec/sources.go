package codec

import (
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func toOwnerAssigned(e *location.OwnerAssigned) *pb.OwnerAssigned {
	return &pb.OwnerAssigned{Fact: pb.OwnedFact(e.Fact), From: toTimestamp(e.From), Sources: e.Sources, Withdrawn: e.Withdrawn}
}

func fromOwnerAssigned(v *pb.OwnerAssigned) *location.OwnerAssigned {
	return &location.OwnerAssigned{Withdrawn: v.Withdrawn, Ownership: location.Ownership{
		Fact: location.Fact(v.Fact), From: fromTimestamp(v.From), Sources: v.Sources,
	}}
}

func toObservation(e *stock.ObservationRecorded) *pb.ObservationRecorded {
	return &pb.ObservationRecorded{
		Movement: e.Movement, Location: e.Location, Condition: toCondition(e.Condition), To: toCondition(e.To), Quantity: e.Quantity,
		Other: e.Other, TransferId: e.TransferID, Channel: e.Channel, ReservationId: e.ReservationID, Reason: e.Reason,
		Owners: e.Owner.Sources, OwnedSince: toTimestamp(e.Owner.Since), SupplyKind: observedSupply(e), DueAt: toTimestamp(e.DueAt),
	}
}

// observedSupply is the kind of supply that an observation is about, unset when it is about none.
func observedSupply(e *stock.ObservationRecorded) pb.SupplyKind {
	switch e.Movement {
	case stock.TypeSupplyExpected, stock.TypeSupplyRescheduled, stock.TypeSupplyCancelled:
		return SupplyKind(e.Supply)
	}
	return pb.SupplyKind_SUPPLY_KIND_UNSPECIFIED
}

func fromObservation(v *pb.ObservationRecorded) *stock.ObservationRecorded {
	return &stock.ObservationRecorded{
		Movement: v.Movement, Location: v.Location, Condition: fromCondition(v.Condition), To: fromCondition(v.To), Quantity: v.Quantity,
		Other: v.Other, TransferID: v.TransferId, Channel: v.Channel, ReservationID: v.ReservationId, Reason: v.Reason,
		Owner:  stock.Owner{Sources: v.Owners, Since: fromTimestamp(v.OwnedSince)},
		Supply: fromSupplyKind(v.SupplyKind), DueAt: fromTimestamp(v.DueAt),
	}
}

func toSuperseded(s stock.SupersededBy) *pb.SupersededBy {
	if !s.Is() {
		return nil
	}
	return &pb.SupersededBy{Revision: s.Revision, Sequence: s.Sequence}
}

func fromSuperseded(s *pb.SupersededBy) stock.SupersededBy {
	if s == nil {
		return stock.SupersededBy{}
	}
	return stock.SupersededBy{Revision: s.Revision, Sequence: s.Sequence}
}
