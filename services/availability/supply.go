package availability

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// ListSupply lists the lines of supply of one SKU, read on its own stream. It returns *validation.Error and the errors of
// the store.
func (s *Service) ListSupply(ctx context.Context, r *pb.ListSupplyRequest) (*pb.ListSupplyResponse, error) {
	var c validation.Checker
	c.ID("sku", r.Sku)
	size := tokens.PageSize(&c, r.PageSize)
	if err := c.Err(); err != nil {
		return nil, err
	}
	list := tokens.NewList("supply", r.Sku, strconv.FormatBool(r.OpenOnly))
	after, err := decodeLine(list, r.PageToken)
	if err != nil {
		return nil, err
	}
	p := supplyPage{openOnly: r.OpenOnly, after: after, size: size}
	if _, err := s.SKUs.Do(ctx, r.Sku, aggregates.Metadata{IdempotencyKey: readKey}, &p); err != nil {
		return nil, err
	}
	answer := &pb.ListSupplyResponse{}
	for i := range p.lines {
		answer.Lines = append(answer.Lines, supplyLine(&p.lines[i], p.at))
	}
	if p.more {
		answer.NextPageToken = list.Encode(encodeLine(&p.lines[len(p.lines)-1]))
	}
	return answer, nil
}

// supplyPage is the intention of a page: it records nothing.
type supplyPage struct {
	openOnly bool
	after    *stock.SupplyLine
	size     int

	lines []stock.SupplyLine
	more  bool
	at    aggregates.Instant
}

// Decide reads the SKU at its latest revision.
func (p *supplyPage) Decide(s *stock.State, _ aggregates.Metadata, now aggregates.Instant) ([]aggregates.Event, error) {
	lines := slices.DeleteFunc(s.SupplyLines(), func(l stock.SupplyLine) bool {
		return p.openOnly && l.Open == 0 || p.after != nil && l.Compare(p.after) <= 0
	})
	p.more = len(lines) > p.size
	p.lines, p.at = slices.Clone(lines[:min(len(lines), p.size)]), now
	return nil, nil
}

func supplyLine(l *stock.SupplyLine, now aggregates.Instant) *pb.SupplyLine {
	return &pb.SupplyLine{
		Kind: codec.SupplyKind(l.Kind), Document: l.Document, Line: l.Line, Location: l.Location, DueAt: codec.Timestamp(l.DueAt),
		Expected: l.Expected, Shipped: l.Shipped, Received: l.Received, Open: l.Open, Lost: l.Lost, Closed: l.Closed,
		Overdue: l.Open > 0 && l.DueAt != 0 && l.DueAt <= now,
	}
}

// lineName is where a page ended.
type lineName struct {
	Document string           `json:"d"`
	Line     string           `json:"l"`
	Kind     stock.SupplyKind `json:"k"`
}

func encodeLine(l *stock.SupplyLine) string {
	text, _ := json.Marshal(lineName{l.Document, l.Line, l.Kind}) // of such a struct it does not fail
	return string(text)
}

func decodeLine(list tokens.List, token string) (*stock.SupplyLine, error) {
	text, err := list.Decode(token)
	if err != nil || text == "" {
		return nil, err
	}
	var name lineName
	if err := json.Unmarshal([]byte(text), &name); err != nil {
		var c validation.Checker
		c.Fail("page_token", "is damaged; use it exactly as it was returned")
		return nil, c.Err()
	}
	return &stock.SupplyLine{Document: name.Document, Line: name.Line, Kind: name.Kind}, nil
}
