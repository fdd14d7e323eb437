package stock

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// Facts about supply come the way that movements do.

// optionalLocation tells whether a fact is about a document wherever it brings its units.
func optionalLocation(m *pb.Movement) bool {
	switch m.Kind.(type) {
	case *pb.Movement_SupplyRescheduled, *pb.Movement_SupplyCancelled:
		return m.Location == ""
	}
	return false
}

func checkSupply(c *validation.Checker, m *pb.Movement) {
	c.ID("document", m.Document)
	switch k := m.Kind.(type) {
	case *pb.Movement_SupplyExpected:
		checkSupplyKind(c, "supply_expected.kind", k.SupplyExpected.GetKind())
		checkDue(c, "supply_expected.due_at", k.SupplyExpected.GetDueAt())
		c.Text("supply_expected.order_document", k.SupplyExpected.GetOrderDocument(), validation.MaxID)
		c.Text("supply_expected.order_line", k.SupplyExpected.GetOrderLine(), validation.MaxID)
	case *pb.Movement_SupplyRescheduled:
		checkSupplyKind(c, "supply_rescheduled.kind", k.SupplyRescheduled.GetKind())
		checkDue(c, "supply_rescheduled.due_at", k.SupplyRescheduled.GetDueAt())
		checkNoQuantity(c, m)
	case *pb.Movement_SupplyCancelled:
		checkSupplyKind(c, "supply_cancelled.kind", k.SupplyCancelled.GetKind())
		c.Text("supply_cancelled.reason", k.SupplyCancelled.GetReason(), validation.MaxNote)
		checkNoQuantity(c, m)
	}
}

func checkSupplyKind(c *validation.Checker, field string, k pb.SupplyKind) {
	if _, ok := pb.SupplyKind_name[int32(k)]; !ok {
		c.Fail(field, "must be a known kind of supply, is %d", int32(k))
	}
}

func checkDue(c *validation.Checker, field string, due *timestamppb.Timestamp) {
	if due == nil || !due.IsValid() || instant(due) <= 0 {
		c.Fail(field, "must be given, as a time after 1970 and before the year 10000")
	}
}

// checkNoQuantity refuses what would be lost in silence: a date or an end is of all that is open.
func checkNoQuantity(c *validation.Checker, m *pb.Movement) {
	if m.Quantity != 0 || m.Decimal != "" {
		c.Fail("quantity", "must be left out: the fact is about all that is open; say supply_expected with what is left")
	}
}

// supplyOf translates a fact about supply that passed the checks.
func supplyOf(m *pb.Movement, d *domain.Movement) {
	d.Document, d.Line = m.Document, m.Line
	switch k := m.Kind.(type) {
	case *pb.Movement_SupplyExpected:
		d.Kind, d.Supply, d.DueAt = domain.KindSupplyExpected, supplyKind(k.SupplyExpected.GetKind()), instant(k.SupplyExpected.GetDueAt())
		d.Order, d.OrderLine = k.SupplyExpected.GetOrderDocument(), k.SupplyExpected.GetOrderLine()
	case *pb.Movement_SupplyRescheduled:
		d.Kind, d.Supply, d.DueAt = domain.KindSupplyRescheduled, supplyKind(k.SupplyRescheduled.GetKind()), instant(k.SupplyRescheduled.GetDueAt())
	case *pb.Movement_SupplyCancelled:
		d.Kind, d.Supply, d.Reason = domain.KindSupplyCancelled, supplyKind(k.SupplyCancelled.GetKind()), k.SupplyCancelled.GetReason()
	}
}

// supplyKind reads the contract's kinds, which start at 1; left out means a purchase order.
func supplyKind(k pb.SupplyKind) domain.SupplyKind {
	if k == pb.SupplyKind_SUPPLY_KIND_UNSPECIFIED {
		return domain.SupplyPurchaseOrder
	}
	return domain.SupplyKind(k - pb.SupplyKind_SUPPLY_KIND_PURCHASE_ORDER)
}
