package orders

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/order"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/validation"
)

// maxDecimal is the longest quantity in decimals, in bytes.
const maxDecimal = 40

// items finds what SKUs are, each read once on its own stream.
type items struct {
	*Service
	known map[string]*domain.Item
}

func (s *Service) items() *items { return &items{Service: s, known: map[string]*domain.Item{}} }

// of finds one SKU; one that nobody knows is the zero Item.
func (i *items) of(ctx context.Context, sku string) (*domain.Item, error) {
	if item := i.known[sku]; item != nil {
		return item, nil
	}
	l := itemLook{}
	if _, err := i.SKUs.Do(ctx, sku, aggregates.Metadata{IdempotencyKey: "read"}, &l); err != nil {
		return nil, fmt.Errorf("SKU %q: %w", sku, err)
	}
	i.known[sku] = &l.item
	return &l.item, nil
}

// itemLook is a look at a SKU, and records nothing.
type itemLook struct{ item domain.Item }

// Decide looks.
func (l *itemLook) Decide(s *domain.State, _ aggregates.Metadata, _ aggregates.Instant) ([]aggregates.Event, error) {
	l.item = s.Item
	return nil, nil
}

// quantity is what a line or a part of one says, wherever it says it.
type quantity struct {
	field   string
	sku     string
	units   *int64
	decimal *string
}

// inUnits gives a message whose quantities are in base units: the message itself, or a copy where some are in decimals. It returns
// *validation.Error, *domain.DecimalsError, *domain.NumberError, *domain.QuantityError and the errors of the store.
func (s *Service) inUnits(ctx context.Context, m *pb.OrderMessage) (*pb.OrderMessage, error) {
	if !hasDecimals(quantitiesOf(m)) {
		return m, nil
	}
	m = proto.CloneOf(m)
	return m, s.resolve(ctx, quantitiesOf(m))
}

// linesInUnits is inUnits for the lines of a request.
func (s *Service) linesInUnits(ctx context.Context, lines []*pb.OrderedLine) ([]*pb.OrderedLine, error) {
	if !hasDecimals(ofLines("", lines)) {
		return lines, nil
	}
	copied := make([]*pb.OrderedLine, len(lines))
	for i, x := range lines {
		copied[i] = proto.CloneOf(x)
	}
	return copied, s.resolve(ctx, ofLines("", copied))
}

func hasDecimals(list []quantity) bool {
	for _, x := range list {
		if *x.decimal != "" {
			return true
		}
	}
	return false
}

// resolve reads decimals, each by the decimals of its item. More than an item has are refused, never rounded.
func (s *Service) resolve(ctx context.Context, list []quantity) error {
	var c validation.Checker
	for _, x := range list {
		if *x.decimal == "" {
			continue
		}
		c.ID(x.field+"sku", x.sku)
		c.Text(x.field+"decimal", *x.decimal, maxDecimal)
		if *x.units != 0 {
			c.Fail(x.field+"decimal", "must be empty when quantity is given")
		}
	}
	if len(list) > 2*order.MaxLines { // what is exchanged has two lists
		c.Fail("lines", "must be at most %d, are %d", order.MaxLines, len(list))
	}
	if err := c.Err(); err != nil {
		return err
	}
	known := s.items()
	for _, x := range list {
		if *x.decimal == "" {
			continue
		}
		item, err := known.of(ctx, x.sku)
		if err != nil {
			return err
		}
		if *x.units, err = item.Units(*x.decimal); err != nil {
			return fmt.Errorf("%sdecimal of SKU %q: %w", x.field, x.sku, err)
		}
		*x.decimal = ""
	}
	return nil
}

func quantitiesOf(m *pb.OrderMessage) (list []quantity) {
	switch k := m.Kind.(type) {
	case *pb.OrderMessage_Placed_:
		return ofLines("placed.", k.Placed.GetLines())
	case *pb.OrderMessage_Changed_:
		return ofLines("changed.", k.Changed.GetLines())
	case *pb.OrderMessage_Cut_:
		return ofParts("cut.", k.Cut.GetLines())
	case *pb.OrderMessage_Shipped_:
		return ofParts("shipped.", k.Shipped.GetLines())
	case *pb.OrderMessage_Delivered_:
		return ofParts("delivered.", k.Delivered.GetLines())
	case *pb.OrderMessage_Returned_:
		return ofParts("returned.", k.Returned.GetLines())
	case *pb.OrderMessage_Inspected_:
		return ofParts("inspected.", k.Inspected.GetLines())
	case *pb.OrderMessage_Exchanged_:
		return append(ofParts("exchanged.returned.", k.Exchanged.GetReturned().GetLines()),
			ofLines("exchanged.instead.", k.Exchanged.GetInstead().GetLines())...)
	}
	return nil
}

func ofLines(prefix string, lines []*pb.OrderedLine) (list []quantity) {
	for i, x := range lines {
		list = append(list, quantity{fmt.Sprintf("%slines[%d].", prefix, i), x.Sku, &x.Quantity, &x.Decimal})
	}
	return list
}

func ofParts(prefix string, parts []*pb.OrderMessage_Part) (list []quantity) {
	for i, x := range parts {
		list = append(list, quantity{fmt.Sprintf("%slines[%d].", prefix, i), x.Sku, &x.Quantity, &x.Decimal})
	}
	return list
}
