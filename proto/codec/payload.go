package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// setPayload fills the message of an event's own fields.
func setPayload(p *pb.Event, e aggregates.Event) error {
	switch e := e.(type) {
	case *stock.ItemRegistered:
		p.Payload = &pb.Event_ItemRegistered{ItemRegistered: &pb.ItemRegistered{Name: e.Name, Unit: e.Unit,
			Decimals: int32(e.Decimals), Category: e.Category, ByDefault: e.ByDefault}}
	case *stock.StockCounted:
		p.Payload = &pb.Event_StockCounted{StockCounted: &pb.StockCounted{Location: e.Location,
			Condition: toCondition(e.Condition), Counted: e.Counted, Delta: e.Delta, AbsorbedBy: toAbsorbed(e.Absorbed),
			SupersededBy: toSuperseded(e.Superseded)}}
	case *stock.StockReceived:
		p.Payload = &pb.Event_StockReceived{StockReceived: toReceived(e)}
	case *stock.ReceiptCostCorrected:
		p.Payload = &pb.Event_ReceiptCostCorrected{ReceiptCostCorrected: toCorrected(e)}
	case *stock.StockSold:
		p.Payload = &pb.Event_StockSold{StockSold: &pb.StockSold{Location: e.Location, Quantity: e.Quantity,
			AbsorbedBy: toAbsorbed(e.Absorbed), Channel: e.Channel, ReservationId: e.ReservationID}}
	case *stock.StockReturned:
		p.Payload = &pb.Event_StockReturned{StockReturned: &pb.StockReturned{Location: e.Location,
			Condition: toCondition(e.Condition), Quantity: e.Quantity, AbsorbedBy: toAbsorbed(e.Absorbed), Channel: e.Channel}}
	case *stock.StockAdjusted:
		p.Payload = &pb.Event_StockAdjusted{StockAdjusted: &pb.StockAdjusted{Location: e.Location,
			Condition: toCondition(e.Condition), Delta: e.Delta, Reason: e.Reason, AbsorbedBy: toAbsorbed(e.Absorbed)}}
	case *stock.StockConditionChanged:
		p.Payload = &pb.Event_StockConditionChanged{StockConditionChanged: &pb.StockConditionChanged{Location: e.Location,
			From: toCondition(e.From), To: toCondition(e.To), Quantity: e.Quantity, Reason: e.Reason,
			FromAbsorbedBy: toAbsorbed(e.FromAbsorbed), ToAbsorbedBy: toAbsorbed(e.ToAbsorbed)}}
	case *stock.TransferShipped:
		p.Payload = &pb.Event_TransferShipped{TransferShipped: &pb.TransferShipped{Location: e.Location,
			Destination: e.Destination, Quantity: e.Quantity, TransferId: e.TransferID, AbsorbedBy: toAbsorbed(e.Absorbed),
			DueAt: toTimestamp(e.DueAt), Supply: toSupplyChanges(e.Supply)}}
	case *stock.TransferReceived:
		p.Payload = &pb.Event_TransferReceived{TransferReceived: &pb.TransferReceived{Location: e.Location,
			Origin: e.Origin, Quantity: e.Quantity, TransferId: e.TransferID, Condition: toCondition(e.Condition),
			AbsorbedBy: toAbsorbed(e.Absorbed), Supply: toSupplyChanges(e.Supply)}}
	case *stock.OversoldDetected:
		p.Payload = &pb.Event_OversoldDetected{OversoldDetected: &pb.OversoldDetected{Location: e.Location,
			OnHand: e.OnHand, Reserved: e.Reserved}}
	case *location.Defined:
		p.Payload = &pb.Event_LocationDefined{LocationDefined: &pb.LocationDefined{Name: e.Name, Kind: e.Kind, TimeZone: e.TimeZone}}
	case *location.Enabled:
		p.Payload = &pb.Event_LocationEnabled{LocationEnabled: &pb.LocationEnabled{}}
	case *location.Disabled:
		p.Payload = &pb.Event_LocationDisabled{LocationDisabled: &pb.LocationDisabled{Reason: e.Reason}}
	case *location.OwnerAssigned:
		p.Payload = &pb.Event_OwnerAssigned{OwnerAssigned: toOwnerAssigned(e)}
	case *stock.ObservationRecorded:
		p.Payload = &pb.Event_ObservationRecorded{ObservationRecorded: toObservation(e)}
	case *audit.TreeHeadRecorded:
		p.Payload = toTreeHead(e)
	case *audit.HistoryCondensed:
		p.Payload = toCondensed(e)
	default:
		return setReservation(p, e)
	}
	return nil
}

func setReservation(p *pb.Event, e aggregates.Event) error {
	switch e := e.(type) {
	case *stock.ReservationPlaced:
		p.Payload = &pb.Event_ReservationPlaced{ReservationPlaced: &pb.ReservationPlaced{ReservationId: e.ReservationID,
			Channel: e.Channel, Quantity: e.Quantity, Splits: toSplits(e.Splits), ExpiresAt: toTimestamp(e.ExpiresAt),
			PromiseAt: toTimestamp(e.PromiseAt), Supply: SupplyUses(e.Supply), Method: e.Method, Bound: e.Bound,
			PolicyPosition: e.PolicyPosition}}
	case *stock.ReservationConfirmed:
		p.Payload = &pb.Event_ReservationConfirmed{ReservationConfirmed: &pb.ReservationConfirmed{ReservationId: e.ReservationID,
			ExpiredAt: toTimestamp(e.ExpiredAt), Splits: toSplits(e.Splits), PromiseAt: toTimestamp(e.PromiseAt), Channel: e.Channel}}
	case *stock.ReservationExtended:
		p.Payload = &pb.Event_ReservationExtended{ReservationExtended: &pb.ReservationExtended{ReservationId: e.ReservationID,
			From: toTimestamp(e.From), ExpiresAt: toTimestamp(e.ExpiresAt), Splits: toSplits(e.Splits), PromiseAt: toTimestamp(e.PromiseAt), Channel: e.Channel}}
	case *stock.ReservationFulfilled:
		p.Payload = &pb.Event_ReservationFulfilled{ReservationFulfilled: &pb.ReservationFulfilled{ReservationId: e.ReservationID,
			Splits: toFulfilled(e.Splits), ExpiresAt: toTimestamp(e.ExpiresAt), Closed: e.Closed,
			PromiseAt: toTimestamp(e.PromiseAt), Channel: e.Channel}}
	case *stock.ReservationReleased:
		p.Payload = &pb.Event_ReservationReleased{ReservationReleased: &pb.ReservationReleased{ReservationId: e.ReservationID,
			Splits: toSplits(e.Splits), ExpiresAt: toTimestamp(e.ExpiresAt), Closed: e.Closed, Reason: e.Reason,
			PromiseAt: toTimestamp(e.PromiseAt), Channel: e.Channel}}
	case *stock.ReservationExpired:
		p.Payload = &pb.Event_ReservationExpired{ReservationExpired: &pb.ReservationExpired{ReservationId: e.ReservationID,
			Splits: toSplits(e.Splits), ExpiresAt: toTimestamp(e.ExpiresAt), PromiseAt: toTimestamp(e.PromiseAt), Channel: e.Channel}}
	default:
		if setSupply(p, e) {
			return nil
		}
		return setOrdered(p, e)
	}
	return nil
}

// payload returns the event of the domain, or nil when this version does not know it.
func payload(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_ItemRegistered:
		v := x.ItemRegistered
		return &stock.ItemRegistered{Name: v.Name, Unit: v.Unit, Decimals: int(v.Decimals), Category: v.Category, ByDefault: v.ByDefault}
	case *pb.Event_StockCounted:
		v := x.StockCounted
		return &stock.StockCounted{Location: v.Location, Condition: fromCondition(v.Condition), Counted: v.Counted,
			Delta: v.Delta, Absorbed: fromAbsorbed(v.AbsorbedBy), Superseded: fromSuperseded(v.SupersededBy)}
	case *pb.Event_StockReceived:
		return fromReceived(x.StockReceived)
	case *pb.Event_ReceiptCostCorrected:
		return fromCorrected(x.ReceiptCostCorrected)
	case *pb.Event_StockSold:
		v := x.StockSold
		return &stock.StockSold{Location: v.Location, Quantity: v.Quantity, Absorbed: fromAbsorbed(v.AbsorbedBy),
			Channel: v.Channel, ReservationID: v.ReservationId}
	case *pb.Event_StockReturned:
		v := x.StockReturned
		return &stock.StockReturned{Location: v.Location, Condition: fromCondition(v.Condition), Quantity: v.Quantity,
			Absorbed: fromAbsorbed(v.AbsorbedBy), Channel: v.Channel}
	case *pb.Event_StockAdjusted:
		v := x.StockAdjusted
		return &stock.StockAdjusted{Location: v.Location, Condition: fromCondition(v.Condition), Delta: v.Delta,
			Reason: v.Reason, Absorbed: fromAbsorbed(v.AbsorbedBy)}
	case *pb.Event_StockConditionChanged:
		v := x.StockConditionChanged
		return &stock.StockConditionChanged{Location: v.Location, From: fromCondition(v.From), To: fromCondition(v.To),
			Quantity: v.Quantity, FromAbsorbed: fromAbsorbed(v.FromAbsorbedBy), ToAbsorbed: fromAbsorbed(v.ToAbsorbedBy), Reason: v.Reason}
	case *pb.Event_TransferShipped:
		v := x.TransferShipped
		return &stock.TransferShipped{Location: v.Location, Destination: v.Destination, Quantity: v.Quantity,
			TransferID: v.TransferId, Absorbed: fromAbsorbed(v.AbsorbedBy),
			DueAt: fromTimestamp(v.DueAt), Supply: fromSupplyChanges(v.Supply)}
	case *pb.Event_TransferReceived:
		v := x.TransferReceived
		return &stock.TransferReceived{Location: v.Location, Origin: v.Origin, Quantity: v.Quantity, TransferID: v.TransferId,
			Condition: fromCondition(v.Condition), Absorbed: fromAbsorbed(v.AbsorbedBy), Supply: fromSupplyChanges(v.Supply)}
	case *pb.Event_OversoldDetected:
		v := x.OversoldDetected
		return &stock.OversoldDetected{Location: v.Location, OnHand: v.OnHand, Reserved: v.Reserved}
	case *pb.Event_LocationDefined:
		v := x.LocationDefined
		return &location.Defined{Name: v.Name, Kind: v.Kind, TimeZone: v.TimeZone}
	case *pb.Event_LocationEnabled:
		return &location.Enabled{}
	case *pb.Event_LocationDisabled:
		return &location.Disabled{Reason: x.LocationDisabled.GetReason()}
	case *pb.Event_OwnerAssigned:
		return fromOwnerAssigned(x.OwnerAssigned)
	case *pb.Event_ObservationRecorded:
		return fromObservation(x.ObservationRecorded)
	case *pb.Event_TreeHeadRecorded:
		return fromTreeHead(x.TreeHeadRecorded)
	case *pb.Event_HistoryCondensed:
		return fromCondensed(x.HistoryCondensed)
	default:
		return reservation(p)
	}
}

func reservation(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_ReservationPlaced:
		v := x.ReservationPlaced
		return &stock.ReservationPlaced{ReservationID: v.ReservationId, Channel: v.Channel, Quantity: v.Quantity,
			Splits: fromSplits(v.Splits), ExpiresAt: fromTimestamp(v.ExpiresAt),
			PromiseAt: fromTimestamp(v.PromiseAt), Supply: fromSupplyUses(v.Supply), Method: v.Method, Bound: v.Bound,
			PolicyPosition: v.PolicyPosition}
	case *pb.Event_ReservationConfirmed:
		v := x.ReservationConfirmed
		return &stock.ReservationConfirmed{ReservationID: v.ReservationId, ExpiredAt: fromTimestamp(v.ExpiredAt),
			Splits: fromSplits(v.Splits), PromiseAt: fromTimestamp(v.PromiseAt), Channel: v.Channel}
	case *pb.Event_ReservationExtended:
		v := x.ReservationExtended
		return &stock.ReservationExtended{ReservationID: v.ReservationId, From: fromTimestamp(v.From),
			ExpiresAt: fromTimestamp(v.ExpiresAt), Splits: fromSplits(v.Splits), PromiseAt: fromTimestamp(v.PromiseAt), Channel: v.Channel}
	case *pb.Event_ReservationFulfilled:
		v := x.ReservationFulfilled
		return &stock.ReservationFulfilled{ReservationID: v.ReservationId, Splits: fromFulfilled(v.Splits),
			ExpiresAt: fromTimestamp(v.ExpiresAt), Closed: v.Closed, PromiseAt: fromTimestamp(v.PromiseAt), Channel: v.Channel}
	case *pb.Event_ReservationReleased:
		v := x.ReservationReleased
		return &stock.ReservationReleased{ReservationID: v.ReservationId, Splits: fromSplits(v.Splits),
			ExpiresAt: fromTimestamp(v.ExpiresAt), Closed: v.Closed, Reason: v.Reason, PromiseAt: fromTimestamp(v.PromiseAt), Channel: v.Channel}
	case *pb.Event_ReservationExpired:
		v := x.ReservationExpired
		return &stock.ReservationExpired{ReservationID: v.ReservationId, Splits: fromSplits(v.Splits),
			ExpiresAt: fromTimestamp(v.ExpiresAt), PromiseAt: fromTimestamp(v.PromiseAt), Channel: v.Channel}
	}
	if e := supply(p); e != nil {
		return e
	}
	if e := rule(p); e != nil {
		return e
	}
	if e := kit(p); e != nil {
		return e
	}
	return ordered(p)
}
