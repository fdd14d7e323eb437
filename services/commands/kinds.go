package commands

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/channel"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/reconciliation"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// SKUs is the kind of the streams of SKUs.
func SKUs() Kind[stock.State] {
	return Kind[stock.State]{
		Prefix:    aggregates.SKUPrefix,
		Evolve:    (*stock.State).Evolve,
		Schema:    stock.SnapshotSchema,
		Marshal:   (*stock.State).MarshalBinary,
		Unmarshal: (*stock.State).UnmarshalBinary,
		Size:      (*stock.State).Size,
		Latest:    (*stock.State).Latest,
	}
}

// Channels is the kind of the streams of channels.
func Channels() Kind[channel.State] {
	return Kind[channel.State]{Prefix: aggregates.ChannelPrefix, Evolve: func(s *channel.State, e aggregates.Event, m aggregates.Metadata) {
		s.Evolve(e, m)
		s.Said.Evolve(e, &m)
	}}
}

// Locations is the kind of the streams of locations.
func Locations() Kind[location.State] {
	return Kind[location.State]{Prefix: aggregates.LocationPrefix, Evolve: func(s *location.State, e aggregates.Event, m aggregates.Metadata) {
		s.Evolve(e, m)
		s.Said.Evolve(e, &m)
	}}
}

// Orders is the kind of the streams of orders.
func Orders() Kind[order.State] {
	return Kind[order.State]{
		Prefix: aggregates.OrderPrefix, Evolve: (*order.State).Evolve, Size: (*order.State).Size, Latest: (*order.State).Latest,
	}
}

// Rules is the kind of the stream of shared rules, whose id is aggregates.SharedRules.
func Rules() Kind[rules.State] {
	return Kind[rules.State]{Prefix: aggregates.PolicyPrefix, Evolve: func(s *rules.State, e aggregates.Event, m aggregates.Metadata) {
		s.Evolve(e, m)
		s.Said.Evolve(e, &m)
	}}
}

// TreeHeads is the kind of the stream of signed heads, whose id is aggregates.TreeHeads.
func TreeHeads() Kind[audit.State] {
	return Kind[audit.State]{Prefix: aggregates.AuditPrefix, Evolve: (*audit.State).Evolve}
}

// Reconciliations is the kind of the streams of reconciliation runs.
func Reconciliations() Kind[reconciliation.State] {
	return Kind[reconciliation.State]{Prefix: aggregates.ReconciliationPrefix, Evolve: (*reconciliation.State).Evolve}
}

// ReconciliationList is the kind of the stream that lists the runs.
func ReconciliationList() Kind[reconciliation.List] {
	return Kind[reconciliation.List]{Prefix: aggregates.ReconciliationListPrefix, Evolve: (*reconciliation.List).Evolve}
}
