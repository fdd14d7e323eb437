package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/said"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// setRule fills the message of an event that is about rules.
func setRule(p *pb.Event, e aggregates.Event) error {
	switch e := e.(type) {
	case *stock.SafetyStockSet:
		p.Payload = &pb.Event_SafetyStockSet{SafetyStockSet: &pb.SafetyStockSet{Location: e.Location, Quantity: e.Quantity,
			Channel: e.Channel, BasisPoints: e.BasisPoints, From: toTimestamp(e.Period.From), Until: toTimestamp(e.Period.Until),
			Explicit: e.Explicit, Ended: e.Ended}}
	case *stock.AllocationSet:
		p.Payload = &pb.Event_AllocationSet{AllocationSet: &pb.AllocationSet{Channel: e.Channel, Group: e.Group, Locations: e.Locations,
			Fence: e.Fence, Capped: e.Capped, Cap: e.Cap, Restart: e.Restart, Opening: toOpening(e.Opening)}}
	case *stock.SellingRuleSet:
		x := ToSelling(e.Rule)
		x.Ended, x.Opening = e.Ended, toOpening(e.Opening)
		p.Payload = &pb.Event_SellingRuleSet{SellingRuleSet: x}
	case *stock.SafetyPeriodPassed:
		p.Payload = &pb.Event_SafetyPeriodPassed{SafetyPeriodPassed: &pb.SafetyPeriodPassed{At: toTimestamp(e.At)}}
	case *channel.Defined:
		p.Payload = &pb.Event_ChannelDefined{ChannelDefined: ToChannel(e)}
	case *channel.Retired:
		p.Payload = &pb.Event_ChannelRetired{ChannelRetired: &pb.ChannelRetired{Reason: e.Reason}}
	case *rules.SafetySet:
		x := ToSafety(e.Rule)
		x.Ended = e.Ended
		p.Payload = &pb.Event_SharedSafetySet{SharedSafetySet: x}
	case *rules.GroupDefined:
		p.Payload = &pb.Event_LocationGroupDefined{LocationGroupDefined: &pb.LocationGroupDefined{Group: e.Group, Locations: e.Locations}}
	case *rules.FulfilmentSet:
		x := ToFulfilment(e.Method, e.Rule)
		x.Ended = e.Ended
		p.Payload = &pb.Event_FulfilmentRuleSet{FulfilmentRuleSet: x}
	case *stock.BufferSet:
		p.Payload = &pb.Event_BufferSet{BufferSet: &pb.BufferSet{Channel: e.Channel, Quantity: e.Units, BasisPoints: e.BasisPoints,
			From: toTimestamp(e.From), Until: toTimestamp(e.Until), Ended: e.Ended}}
	case *rules.BufferSet:
		x := ToSharedBuffer(e.Rule)
		x.Ended = e.Ended
		p.Payload = &pb.Event_SharedBufferSet{SharedBufferSet: x}
	case *said.Taken:
		p.Payload = &pb.Event_PolicyMessageTaken{PolicyMessageTaken: &pb.PolicyMessageTaken{About: e.About, Superseded: e.Superseded}}
	case *rules.PeriodPassed:
		p.Payload = &pb.Event_RulePeriodPassed{RulePeriodPassed: &pb.RulePeriodPassed{At: toTimestamp(e.At)}}
	case *rules.MoveSet:
		x := ToMove(e.Rule)
		x.Ended = e.Ended
		p.Payload = &pb.Event_ReallocationRuleSet{ReallocationRuleSet: x}
	case *rules.ReturnSet:
		x := ToReturn(e.Rule)
		x.Ended = e.Ended
		p.Payload = &pb.Event_ReturnRuleSet{ReturnRuleSet: x}
	default:
		if setReconciliation(p, e) {
			return nil
		}
		return setKit(p, e)
	}
	return nil
}

// rule returns the event of the domain, or nil when this version does not know it.
func rule(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_SafetyStockSet:
		v := x.SafetyStockSet
		return &stock.SafetyStockSet{Location: v.Location, Quantity: v.Quantity, Channel: v.Channel, BasisPoints: v.BasisPoints,
			Period: toPeriod(v), Explicit: v.Explicit, Ended: v.Ended}
	case *pb.Event_AllocationSet:
		v := x.AllocationSet
		return &stock.AllocationSet{Channel: v.Channel, Group: v.Group, Locations: v.Locations, Fence: v.Fence, Capped: v.Capped,
			Cap: v.Cap, Restart: v.Restart, Opening: fromOpening(v.Opening)}
	case *pb.Event_SellingRuleSet:
		v := x.SellingRuleSet
		return &stock.SellingRuleSet{Rule: FromSelling(v), Ended: v.Ended, Opening: fromOpening(v.Opening)}
	case *pb.Event_SafetyPeriodPassed:
		return &stock.SafetyPeriodPassed{At: fromTimestamp(x.SafetyPeriodPassed.GetAt())}
	case *pb.Event_ChannelDefined:
		return FromChannel(x.ChannelDefined)
	case *pb.Event_ChannelRetired:
		return &channel.Retired{Reason: x.ChannelRetired.GetReason()}
	case *pb.Event_SharedSafetySet:
		return &rules.SafetySet{Rule: FromSafety(x.SharedSafetySet), Ended: x.SharedSafetySet.GetEnded()}
	case *pb.Event_LocationGroupDefined:
		v := x.LocationGroupDefined
		return &rules.GroupDefined{Group: v.Group, Locations: v.Locations}
	case *pb.Event_FulfilmentRuleSet:
		v := x.FulfilmentRuleSet
		return &rules.FulfilmentSet{Method: v.Method, Rule: FromFulfilment(v), Ended: v.Ended}
	case *pb.Event_BufferSet:
		v := FromBuffer(x.BufferSet)
		return &stock.BufferSet{Channel: v.Channel, Portion: v.Portion, Period: v.Period, Ended: x.BufferSet.GetEnded()}
	case *pb.Event_SharedBufferSet:
		return &rules.BufferSet{Rule: FromSharedBuffer(x.SharedBufferSet), Ended: x.SharedBufferSet.GetEnded()}
	case *pb.Event_PolicyMessageTaken:
		return &said.Taken{About: x.PolicyMessageTaken.GetAbout(), Superseded: x.PolicyMessageTaken.GetSuperseded()}
	case *pb.Event_ReallocationRuleSet:
		return &rules.MoveSet{Rule: FromMove(x.ReallocationRuleSet), Ended: x.ReallocationRuleSet.GetEnded()}
	case *pb.Event_ReturnRuleSet:
		return &rules.ReturnSet{Rule: FromReturn(x.ReturnRuleSet), Ended: x.ReturnRuleSet.GetEnded()}
	case *pb.Event_RulePeriodPassed:
		return &rules.PeriodPassed{At: fromTimestamp(x.RulePeriodPassed.GetAt())}
	}
	return reconciled(p)
}

func toPeriod(v *pb.SafetyStockSet) stock.Period {
	return stock.Period{From: fromTimestamp(v.From), Until: fromTimestamp(v.Until)}
}

func toOpening(list []stock.Opening) (out []*pb.OpeningUse) {
	for _, x := range list {
		out = append(out, &pb.OpeningUse{Channel: x.Channel, Location: x.Location, Until: toTimestamp(x.Until), Quantity: x.Quantity})
	}
	return out
}

func fromOpening(list []*pb.OpeningUse) (out []stock.Opening) {
	for _, x := range list {
		out = append(out, stock.Opening{Channel: x.Channel, Location: x.Location, Until: fromTimestamp(x.Until), Quantity: x.Quantity})
	}
	return out
}

// What follows is also how read models keep rules.

// ToSelling is the message of a selling rule.
func ToSelling(r stock.SellingRule) *pb.SellingRuleSet {
	return &pb.SellingRuleSet{Channel: r.Channel, Unsold: r.Unsold, Backorders: r.Backorders, ReleaseAt: toTimestamp(r.ReleaseAt),
		Preorders: r.Preorders, LowStock: r.LowStock, SellOut: r.SellOut}
}

// FromSelling reads a selling rule.
func FromSelling(v *pb.SellingRuleSet) stock.SellingRule {
	return stock.SellingRule{Channel: v.Channel, Unsold: v.Unsold, Backorders: v.Backorders, ReleaseAt: fromTimestamp(v.ReleaseAt),
		Preorders: v.Preorders, LowStock: v.LowStock, SellOut: v.SellOut}
}

// ToSafety is the message of a rule of safety stock.
func ToSafety(r stock.SafetyRule) *pb.SharedSafetySet {
	return &pb.SharedSafetySet{Category: r.Category, Location: r.Location, Channel: r.Channel, Quantity: r.Units,
		BasisPoints: r.BasisPoints, From: toTimestamp(r.From), Until: toTimestamp(r.Until)}
}

// FromSafety reads a rule of safety stock.
func FromSafety(v *pb.SharedSafetySet) stock.SafetyRule {
	return stock.SafetyRule{Category: v.Category, Location: v.Location, Channel: v.Channel,
		Portion: stock.Portion{Units: v.Quantity, BasisPoints: v.BasisPoints},
		Period:  stock.Period{From: fromTimestamp(v.From), Until: fromTimestamp(v.Until)}}
}

// ToBuffer is the message of a SKU's own rule of buffers.
func ToBuffer(r stock.SafetyRule) *pb.BufferSet {
	return &pb.BufferSet{Channel: r.Channel, Quantity: r.Units, BasisPoints: r.BasisPoints, From: toTimestamp(r.From), Until: toTimestamp(r.Until)}
}

// FromBuffer reads a SKU's own rule of buffers.
func FromBuffer(v *pb.BufferSet) stock.SafetyRule {
	return stock.SafetyRule{Channel: v.GetChannel(), Portion: stock.Portion{Units: v.GetQuantity(), BasisPoints: v.GetBasisPoints()},
		Period: stock.Period{From: fromTimestamp(v.GetFrom()), Until: fromTimestamp(v.GetUntil())}}
}

// ToSharedBuffer is the message of a shared rule of buffers.
func ToSharedBuffer(r stock.SafetyRule) *pb.SharedBufferSet {
	return &pb.SharedBufferSet{Category: r.Category, Channel: r.Channel, Quantity: r.Units, BasisPoints: r.BasisPoints,
		From: toTimestamp(r.From), Until: toTimestamp(r.Until)}
}

// FromSharedBuffer reads a shared rule of buffers.
func FromSharedBuffer(v *pb.SharedBufferSet) stock.SafetyRule {
	return stock.SafetyRule{Category: v.GetCategory(), Channel: v.GetChannel(), Portion: stock.Portion{Units: v.GetQuantity(), BasisPoints: v.GetBasisPoints()},
		Period: stock.Period{From: fromTimestamp(v.GetFrom()), Until: fromTimestamp(v.GetUntil())}}
}

// ToFulfilment is the message of a method's rule.
func ToFulfilment(method string, r stock.Method) *pb.FulfilmentRuleSet {
	return &pb.FulfilmentRuleSet{Method: method, Kinds: r.Kinds, CutOff: int32(r.CutOff)}
}

// FromFulfilment reads a method's rule.
func FromFulfilment(v *pb.FulfilmentRuleSet) stock.Method {
	return stock.Method{Kinds: v.Kinds, CutOff: int(v.CutOff)}
}

// ToMove is the message of a rule of moves.
func ToMove(r stock.MoveRule) *pb.ReallocationRuleSet {
	return &pb.ReallocationRuleSet{Channel: r.Channel, Location: r.Location, Off: r.Off}
}

// FromMove reads a rule of moves.
func FromMove(v *pb.ReallocationRuleSet) stock.MoveRule {
	return stock.MoveRule{Channel: v.Channel, Location: v.Location, Off: v.Off}
}

// ToReturn is the message of a rule of returns.
func ToReturn(r rules.ReturnRule) *pb.ReturnRuleSet {
	return &pb.ReturnRuleSet{Sku: r.SKU, Category: r.Category, Channel: r.Channel, Condition: toCondition(r.Condition)}
}

// FromReturn reads a rule of returns.
func FromReturn(v *pb.ReturnRuleSet) rules.ReturnRule {
	return rules.ReturnRule{SKU: v.Sku, Category: v.Category, Channel: v.Channel, Condition: fromCondition(v.Condition)}
}

// ToChannel is the message of a channel's definition.
func ToChannel(e *channel.Defined) *pb.ChannelDefined {
	return &pb.ChannelDefined{Name: e.Name, Sourcing: e.Sourcing, HoldSeconds: e.HoldSeconds, Buffer: e.Buffer,
		Disabled: e.Disabled, SourcingGroups: e.SourcingGroups, Strategy: int32(e.Strategy), MaxSplits: int32(e.MaxSplits),
		BufferBasisPoints: e.BufferBasisPoints, BufferFrom: toTimestamp(e.BufferFrom), BufferUntil: toTimestamp(e.BufferUntil),
		LowStock: e.LowStock, SellOut: e.SellOut}
}

// FromChannel reads a channel's definition.
func FromChannel(v *pb.ChannelDefined) *channel.Defined {
	return &channel.Defined{Name: v.Name, Sourcing: v.Sourcing, HoldSeconds: v.HoldSeconds, Buffer: v.Buffer, Terms: channel.Terms{
		Disabled: v.Disabled, SourcingGroups: v.SourcingGroups, Strategy: int(v.Strategy), MaxSplits: int(v.MaxSplits),
		BufferBasisPoints: v.BufferBasisPoints, BufferFrom: fromTimestamp(v.BufferFrom), BufferUntil: fromTimestamp(v.BufferUntil),
		LowStock: v.LowStock, SellOut: v.SellOut}}
}
