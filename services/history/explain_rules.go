package history

import (
	"strconv"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// noteRule remembers which event set a rule last.
func (x *explanation) noteRule(e aggregates.Event, r aggregates.Record, m aggregates.Metadata) {
	about := ""
	switch e := e.(type) {
	case *stock.SafetyStockSet:
		about = safetyKey(stock.SafetyRule{Location: e.Location, Channel: e.Channel, Period: e.Period})
	case *rules.SafetySet:
		about = "shared " + safetyKey(e.Rule)
	case *stock.BufferSet:
		about = bufferKey(stock.SafetyRule{Channel: e.Channel, Period: e.Period})
	case *rules.BufferSet:
		about = bufferKey(e.Rule)
	case *stock.AllocationSet:
		about = allocationKey(e.Channel, e.Group)
	default:
		return
	}
	r.Data = nil
	x.causes[about] = stock.Cause{Record: r, Metadata: m}
}

func safetyKey(r stock.SafetyRule) string {
	return strings.Join([]string{r.Category, r.Location, r.Channel, strconv.FormatInt(int64(r.From), 10), strconv.FormatInt(int64(r.Until), 10)}, "\x00")
}

func allocationKey(channel, group string) string { return "allocation " + channel + "\x00" + group }

func bufferKey(r stock.SafetyRule) string { return "buffer " + safetyKey(r) }

func (x *explanation) cause(about string) *pb.Cause {
	c, ok := x.causes[about]
	if !ok {
		return nil
	}
	return causeMessage(&c)
}

// safetyRules are the rules of safety stock in force at a location, the one that applied first.
func (x *explanation) safetyRules(location string) (list []*pb.ExplainedRule) {
	at := x.trace.At(location)
	for i, r := range x.trace.SafetyRules(at, x.selling, x.at) {
		m := &pb.ExplainedRule{Rule: "safety stock", Level: safetyLevel(&r.SafetyRule), Quantity: r.Portion.Of(at.OnHand[stock.Sellable]), Applied: i == 0}
		if r.Shared {
			m.Level, m.Cause = strings.TrimPrefix(m.Level, "sku+"), x.cause("shared "+safetyKey(r.SafetyRule))
		} else {
			m.Cause = x.cause(safetyKey(r.SafetyRule))
		}
		list = append(list, m)
	}
	return list
}

// bufferRules are the rules of buffers in force, the one that applied first; it keeps a quantity back.
func (x *explanation) bufferRules(applied int64) (list []*pb.ExplainedRule) {
	rules, own := x.trace.BufferRules(x.selling, x.at)
	for i, r := range rules {
		m := &pb.ExplainedRule{Rule: "buffer", Quantity: r.Units, Applied: i == 0, Level: "channel", Cause: causeMessage(&x.defined)}
		switch {
		case i < own:
			m.Level, m.Cause = safetyLevel(&r), x.cause(bufferKey(r))
		case r.Category != "":
			m.Level, m.Cause = safetyLevel(&r), x.cause(bufferKey(r))
		case r.Portion == (stock.Portion{}) && i > 0:
			continue // the channel has no buffer that is beaten
		}
		if i == 0 {
			m.Quantity = applied
		}
		list = append(list, m)
	}
	return list
}

// safetyLevel names what a rule of the SKU, or a shared one, is about.
func safetyLevel(r *stock.SafetyRule) string {
	parts := []string{"sku"}
	if r.Category != "" {
		parts[0] = "category"
	}
	if r.Location != "" {
		parts = append(parts, "location")
	}
	if r.Channel != "" {
		parts = append(parts, "channel")
	}
	return strings.Join(parts, "+")
}

// allocations are the ring-fences and caps that a step may be due to.
func (x *explanation) allocations(concerns func(*stock.Allocation) bool) (list []*pb.ExplainedRule) {
	held := x.trace.Rules()
	if held == nil {
		return nil
	}
	for i := range held.Allocations {
		a := &held.Allocations[i]
		if !concerns(a) {
			continue
		}
		level := "sku+channel " + a.Channel
		if a.Group != "" {
			level += "+group " + a.Group
		}
		m := &pb.ExplainedRule{Rule: "ring-fence", Level: level, Quantity: a.Fence, Applied: true, Cause: x.cause(allocationKey(a.Channel, a.Group))}
		if a.Channel == x.answer.Channel {
			m.Rule, m.Quantity = "cap", a.Cap
		}
		list = append(list, m)
	}
	return list
}
