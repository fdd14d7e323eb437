package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// setReconciliation fills the message of an event of reconciliation, and tells whether it is one.
func setReconciliation(p *pb.Event, e aggregates.Event) bool {
	switch e := e.(type) {
	case *reconciliation.Started:
		p.Payload = &pb.Event_ReconciliationStarted{ReconciliationStarted: &pb.ReconciliationStarted{Header: SnapshotHeader(&e.Header)}}
	case *reconciliation.RowsTaken:
		p.Payload = &pb.Event_SnapshotRowsTaken{SnapshotRowsTaken: &pb.SnapshotRowsTaken{Chunk: int32(e.Chunk), Last: e.Last, Rows: toRows(e.Rows),
			Refused: RefusedRows(e.Refused)}}
	case *reconciliation.Found:
		p.Payload = &pb.Event_DiscrepanciesFound{DiscrepanciesFound: &pb.DiscrepanciesFound{Part: e.Part, Through: e.Through, Refused: RefusedRows(e.Refused),
			Discrepancies: toDiscrepancies(e.Discrepancies)}}
	case *reconciliation.Completed:
		p.Payload = &pb.Event_ReconciliationCompleted{ReconciliationCompleted: &pb.ReconciliationCompleted{Totals: ReconciliationTotals(&e.Totals),
			ComparedAt: toTimestamp(e.ComparedAt)}}
	case *reconciliation.Listed:
		p.Payload = &pb.Event_ReconciliationListed{ReconciliationListed: &pb.ReconciliationListed{RunId: e.RunID, Header: SnapshotHeader(&e.Header),
			Totals: ReconciliationTotals(e.Totals), Abandoned: e.Abandoned}}
	default:
		return false
	}
	return true
}

// reconciled returns an event of reconciliation, nil for another.
func reconciled(p *pb.Event) aggregates.Event {
	switch x := p.Payload.(type) {
	case *pb.Event_ReconciliationStarted:
		return &reconciliation.Started{Header: FromSnapshotHeader(x.ReconciliationStarted.Header)}
	case *pb.Event_SnapshotRowsTaken:
		v := x.SnapshotRowsTaken
		return &reconciliation.RowsTaken{Chunk: int(v.Chunk), Last: v.Last, Rows: FromRows(v.Rows), Refused: FromRefused(v.Refused)}
	case *pb.Event_DiscrepanciesFound:
		v := x.DiscrepanciesFound
		return &reconciliation.Found{Part: v.Part, Through: v.Through, Refused: FromRefused(v.Refused), Discrepancies: fromDiscrepancies(v.Discrepancies)}
	case *pb.Event_ReconciliationCompleted:
		v := x.ReconciliationCompleted
		return &reconciliation.Completed{Totals: *fromTotals(v.Totals), ComparedAt: fromTimestamp(v.ComparedAt)}
	case *pb.Event_ReconciliationListed:
		v := x.ReconciliationListed
		e := &reconciliation.Listed{RunID: v.RunId, Header: FromSnapshotHeader(v.Header), Abandoned: v.Abandoned}
		if v.Totals != nil {
			e.Totals = fromTotals(v.Totals)
		}
		return e
	}
	return nil
}

// SnapshotHeader is the message of what a snapshot is.
func SnapshotHeader(h *reconciliation.Header) *pb.SnapshotHeader {
	return &pb.SnapshotHeader{Source: h.Source, Document: h.Document, AsOf: toTimestamp(h.AsOf), Location: h.Location, Channel: h.Channel,
		Policy: pb.ReconciliationPolicy(h.Policy) + pb.ReconciliationPolicy_RECONCILIATION_POLICY_REPORT, MaxUnits: h.MaxUnits,
		MaxTotalUnits: h.MaxTotalUnits, Complete: h.Complete}
}

// FromSnapshotHeader reads what a snapshot is.
func FromSnapshotHeader(v *pb.SnapshotHeader) reconciliation.Header {
	h := reconciliation.Header{Source: v.GetSource(), Document: v.GetDocument(), AsOf: fromTimestamp(v.GetAsOf()), Location: v.GetLocation(),
		Channel: v.GetChannel(), MaxUnits: v.GetMaxUnits(), MaxTotalUnits: v.GetMaxTotalUnits(), Complete: v.GetComplete()}
	if v.GetPolicy() > pb.ReconciliationPolicy_RECONCILIATION_POLICY_REPORT {
		h.Policy = reconciliation.Policy(v.Policy - pb.ReconciliationPolicy_RECONCILIATION_POLICY_REPORT)
	}
	return h
}

func toRows(list []reconciliation.Row) []*pb.SourceRow {
	var out []*pb.SourceRow
	for _, r := range list {
		out = append(out, SourceRow(&r))
	}
	return out
}

// SourceRow is the message of a row of a snapshot.
func SourceRow(r *reconciliation.Row) *pb.SourceRow {
	return &pb.SourceRow{Sku: r.SKU, Location: r.Location, Condition: r.Condition, Quantity: r.Quantity, Decimal: r.Decimal,
		UnitCost: r.UnitCost, Currency: r.Currency, Line: r.Line}
}

// FromSourceRow reads a row of a snapshot.
func FromSourceRow(r *pb.SourceRow) reconciliation.Row {
	return reconciliation.Row{SKU: r.Sku, Location: r.Location, Condition: r.Condition, Quantity: r.Quantity, Decimal: r.Decimal,
		UnitCost: r.UnitCost, Currency: r.Currency, Line: r.Line}
}

// FromRows reads rows of a snapshot.
func FromRows(list []*pb.SourceRow) []reconciliation.Row {
	var out []reconciliation.Row
	for _, r := range list {
		out = append(out, FromSourceRow(r))
	}
	return out
}

// RefusedRows are messages of rows that could not be read.
func RefusedRows(list []reconciliation.Refused) []*pb.RefusedRow {
	var out []*pb.RefusedRow
	for _, r := range list {
		out = append(out, &pb.RefusedRow{Line: r.Line, Reason: r.Reason})
	}
	return out
}

// FromRefused reads rows that could not be read.
func FromRefused(list []*pb.RefusedRow) []reconciliation.Refused {
	var out []reconciliation.Refused
	for _, r := range list {
		out = append(out, reconciliation.Refused{Line: r.Line, Reason: r.Reason})
	}
	return out
}

// Discrepancy is the message of a discrepancy.
func Discrepancy(d *reconciliation.Discrepancy) *pb.Discrepancy {
	m := &pb.Discrepancy{Sku: d.SKU, Location: d.Location, Condition: d.Condition, Line: d.Line, Said: d.Said, Held: d.Held, HeldThen: d.HeldThen,
		Class: pb.DiscrepancyClass(d.Class), Proposed: d.Proposed, WithinLimits: d.WithinLimits, Decimals: int32(d.Decimals), ValueAtRisk: d.ValueAtRisk, Currency: d.Currency}
	for _, e := range d.Evidence {
		m.Evidence = append(m.Evidence, &pb.Evidence{Kind: e.Kind, Id: e.ID, Text: e.Text, Units: e.Units, Confidence: pb.Confidence(e.Confidence)})
	}
	return m
}

func toDiscrepancies(list []reconciliation.Discrepancy) []*pb.Discrepancy {
	var out []*pb.Discrepancy
	for i := range list {
		out = append(out, Discrepancy(&list[i]))
	}
	return out
}

func fromDiscrepancies(list []*pb.Discrepancy) []reconciliation.Discrepancy {
	var out []reconciliation.Discrepancy
	for _, v := range list {
		d := reconciliation.Discrepancy{SKU: v.Sku, Location: v.Location, Condition: v.Condition, Line: v.Line, Said: v.Said, Held: v.Held,
			HeldThen: v.HeldThen, Class: reconciliation.Class(v.Class), Proposed: v.Proposed, WithinLimits: v.WithinLimits, Decimals: int(v.Decimals),
			ValueAtRisk: v.ValueAtRisk, Currency: v.Currency}
		for _, e := range v.Evidence {
			d.Evidence = append(d.Evidence, reconciliation.Evidence{Kind: e.Kind, ID: e.Id, Text: e.Text, Units: e.Units, Confidence: reconciliation.Confidence(e.Confidence)})
		}
		out = append(out, d)
	}
	return out
}

// ReconciliationTotals is the message of what a run came to; nil for nil.
func ReconciliationTotals(t *reconciliation.Totals) *pb.ReconciliationTotals {
	if t == nil {
		return nil
	}
	m := &pb.ReconciliationTotals{Rows: t.Rows, Refused: t.Refused, Matched: t.Matched, Discrepancies: t.Discrepancies, Corrected: t.Corrected,
		CorrectedUnits: t.CorrectedUnits}
	for _, c := range t.Classes {
		m.Classes = append(m.Classes, &pb.ClassTotal{Class: pb.DiscrepancyClass(c.Class), Discrepancies: c.Discrepancies, Units: c.Units})
	}
	for _, v := range t.ValueAtRisk {
		m.ValueAtRisk = append(m.ValueAtRisk, &pb.CurrencyTotal{Currency: v.Currency, MinorUnits: v.Minor})
	}
	return m
}

func fromTotals(v *pb.ReconciliationTotals) *reconciliation.Totals {
	t := &reconciliation.Totals{Rows: v.GetRows(), Refused: v.GetRefused(), Matched: v.GetMatched(), Discrepancies: v.GetDiscrepancies(),
		Corrected: v.GetCorrected(), CorrectedUnits: v.GetCorrectedUnits()}
	for _, c := range v.GetClasses() {
		t.Classes = append(t.Classes, reconciliation.ClassTotal{Class: reconciliation.Class(c.Class), Discrepancies: c.Discrepancies, Units: c.Units})
	}
	for _, x := range v.GetValueAtRisk() {
		t.ValueAtRisk = append(t.ValueAtRisk, reconciliation.CurrencyTotal{Currency: x.Currency, Minor: x.MinorUnits})
	}
	return t
}
