package ingest

import (
	"strings"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/stock"
)

const glimpsedAt = aggregates.Instant(1_483_268_400_000_000) // 2017-01-01T11:00:00Z

// unreadable is a letter with a movement in it that breaks a rule.
func unreadable(topic, key, value string) *DeadLetter {
	m := &Message{Topic: topic, Key: []byte(key), Value: []byte(value), Time: glimpsedAt, Headers: []Header{{Key: "ce_source", Value: []byte("till")}}}
	l := letterOf(m, 0, &stock.Rejection{Reason: stock.ReasonInvalid})
	return &l
}

func TestWhatCanBeMadeOutOfALetterThatCannotBeRead(t *testing.T) {
	sold := &domain.Movement{Kind: domain.KindSold, Location: "berlin", Quantity: 3}
	for name, x := range map[string]struct {
		letter *DeadLetter
		want   Glimpse
	}{
		"no id": {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":3,"sold":{},"document":"r-1"}`),
			Glimpse{SKU: "milk", Location: "berlin", Source: "till", Document: "r-1", Movement: sold}},
		"a field that nobody knows": {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":"3","sold":{"till":4},"price":1.5}`),
			Glimpse{SKU: "milk", Location: "berlin", Source: "till", Movement: sold}},
		"its own time": {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":3,"sold":{},"occurred_at":"2017-01-01T11:00:00Z"}`),
			Glimpse{SKU: "milk", Location: "berlin", Source: "till", Movement: sold, OccurredAt: glimpsedAt}},
		"structured": {unreadable(TopicMovements, "k", `{"source":"pos","time":"2017-01-01T11:00:00Z","data":{"sku":"milk","location":"berlin","quantity":3,"sold":{}}}`),
			Glimpse{SKU: "milk", Location: "berlin", Source: "pos", Movement: sold, OccurredAt: glimpsedAt}},
		"cut off":                {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quan`), Glimpse{SKU: "milk", Location: "berlin", Source: "till"}},
		"too much":               {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":3000000000000000000,"sold":{}}`), Glimpse{SKU: "milk", Location: "berlin", Source: "till"}},
		"less than nothing":      {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":-3,"sold":{}}`), Glimpse{SKU: "milk", Location: "berlin", Source: "till"}},
		"half a unit":            {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":0.5,"sold":{}}`), Glimpse{SKU: "milk", Location: "berlin", Source: "till"}},
		"of two kinds":           {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":3,"sold":{},"received":{}}`), Glimpse{SKU: "milk", Location: "berlin", Source: "till"}},
		"two amounts":            {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":3,"quantity":4,"sold":{}}`), Glimpse{SKU: "milk", Location: "berlin", Source: "till"}},
		"a condition unheard":    {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":3,"received":{"condition":"SOUR"}}`), Glimpse{SKU: "milk", Location: "berlin", Source: "till"}},
		"a location too long":    {unreadable(TopicMovements, "k", `{"sku":"milk","location":"`+strings.Repeat("x", 101)+`","quantity":3,"sold":{}}`), Glimpse{SKU: "milk", Source: "till"}},
		"no bytes but a key":     {unreadable(TopicMovements, "milk", ""), Glimpse{SKU: "milk", ByKey: true}},
		"no JSON but a key":      {unreadable(TopicMovements, "milk", "\x00\x01<sale/>"), Glimpse{SKU: "milk", ByKey: true}},
		"of another log, by key": {unreadable(TopicMovements+"#2", "milk", "[[[[[[[[[[[[[[[[[["), Glimpse{SKU: "milk", ByKey: true}},
		"a number":               {unreadable(TopicRPC, "milk", "3"), Glimpse{SKU: "milk", ByKey: true}},
		"an adjustment": {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","quantity":-3,"adjusted":{"condition":"CONDITION_DAMAGED"}}`),
			Glimpse{SKU: "milk", Location: "berlin", Source: "till", Movement: &domain.Movement{Kind: domain.KindAdjusted, Location: "berlin", Quantity: -3, Condition: domain.Damaged}}},
		"a decimal": {unreadable(TopicMovements, "k", `{"sku":"milk","location":"berlin","decimal":"0.5","sold":{}}`),
			Glimpse{SKU: "milk", Location: "berlin", Source: "till", Movement: &domain.Movement{Kind: domain.KindSold, Location: "berlin", Decimal: "0.5"}}},
		"a receipt": {unreadable(TopicSales, "berlin", `{"location":"berlin","lines":[7,{"sku":""},{"sku":"milk","quantity":"3","returned":true}]}`),
			Glimpse{SKU: "milk", Location: "berlin", Source: "till", Movement: &domain.Movement{Kind: domain.KindReturned, Location: "berlin", Quantity: 3}}},
	} {
		got := x.letter.Glimpses()
		if len(got) != 1 {
			t.Errorf("%s: got %+v", name, got)
			continue
		}
		g, w := got[0], x.want
		if (g.Movement == nil) != (w.Movement == nil) || g.Movement != nil && *g.Movement != *w.Movement {
			t.Errorf("%s: movement %+v, want %+v", name, g.Movement, w.Movement)
		}
		if g.Movement, w.Movement = nil, nil; !w.ByKey && g != w || w.ByKey && (g.SKU != w.SKU || !g.ByKey) {
			t.Errorf("%s: got %+v, want %+v", name, g, w)
		}
		if at := x.letter.LoggedAt(); at != glimpsedAt {
			t.Errorf("%s: logged at %d", name, at)
		}
	}
}

func TestNothingIsMadeOutOfLettersThatNameNoSKU(t *testing.T) {
	gap := unreadable(TopicMovements, "milk", "")
	gap.Reason = ReasonSequenceGap
	for name, l := range map[string]*DeadLetter{
		"a gap":              gap,
		"about an order":     unreadable(TopicOrders, "o-1", `{"sku":"milk"}`),
		"a receipt's key":    unreadable(TopicSales, "berlin", "{"),
		"a key that is none": unreadable(TopicMovements, "\xff\x00", "{"),
		"a key too long":     unreadable(TopicMovements, strings.Repeat("x", 101), "{"),
		"too large to keep":  unreadable(TopicMovements, "", strings.Repeat(" ", maxGlimpsed+1)),
	} {
		if got := l.Glimpses(); len(got) != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// The bytes are anybody's: whatever they are, looking into them ends, within the bounds.
func FuzzGlimpses(f *testing.F) {
	f.Add("milk", `{"sku":"milk","location":"berlin","quantity":3,"sold":{}}`)
	f.Add("", `{"data":{"lines":[{"sku":"a"},{"sku":"b","quantity":1e400}]}}`)
	f.Add("", strings.Repeat("[", 100_000))
	f.Fuzz(func(t *testing.T, key, value string) {
		list := unreadable(TopicMovements, key, value).Glimpses()
		if len(list) > maxGlimpses {
			t.Errorf("%d glimpses", len(list))
		}
		for _, g := range list {
			if idOf(g.SKU) == "" || g.Movement != nil && idOf(g.Location) == "" {
				t.Errorf("%+v", g)
			}
		}
	})
}
